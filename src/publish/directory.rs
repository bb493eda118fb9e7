//! Publishing into a folder: each snapshot is a folder of its own, prepared beside, brought to disk
//! whole, and then put in its place in one step. Whoever reads the root sees a snapshot complete or
//! not at all, and never sees a published one change.
//!
//! All of this waits for the disk: call it where blocking is allowed. One process publishes into a
//! root at a time (tidegate has one writer), so two preparations of one name cannot meet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Link, checked, is_folder, remove_leftover, sync, sync_tree};
pub use super::error::PublishError;
use super::error::disk;
use super::folder_sums::FolderSums;

/// A root folder with published folders in it.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

/// A folder beside the published ones, to be filled by whoever asked for it.
#[derive(Debug)]
pub struct Prepared {
    name: String,
    path: PathBuf,
}

/// A folder that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub sums: FolderSums,
    /// Whether this call published it.
    pub outcome: Outcome,
}

/// Whether a folder was published now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was put in its place now.
    New,
    /// The same files were published under this name before.
    Adopted,
}

/// The moments between which a crash leaves something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Compared,
    Synced,
    Renamed,
    LinkMade,
    LinkRenamed,
}

/// What happens at each step: nothing, outside tests.
type AtStep<'a> = &'a dyn Fn(Step) -> io::Result<()>;

impl Prepared {
    /// The folder to fill with files and folders; not with links.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Directory {
    /// Publishes below `root`, which is made where it is missing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where the folder `name` lies, or would lie, once it is published.
    pub fn path_of(&self, name: &str) -> Result<PathBuf, PublishError> {
        checked(name).map(|name| self.root.join(name))
    }

    /// An empty hidden folder beside the published ones. What a crashed preparation of the same name
    /// left behind is removed first.
    pub fn prepare(&self, name: &str) -> Result<Prepared, PublishError> {
        let path = self.root.join(format!(".preparing-{}", checked(name)?));
        remove_leftover(&path)?;
        fs::create_dir_all(&path).map_err(disk("make", &path))?;
        Ok(Prepared { name: name.to_owned(), path })
    }

    /// Publishes what was prepared. Where the same files are published under this name already they
    /// are adopted; where others are, nothing happens, and what was prepared stays to be looked at until
    /// the next preparation of that name.
    pub fn commit(&self, prepared: Prepared) -> Result<Published, PublishError> {
        self.commit_in_steps(prepared, &|_| Ok(()))
    }

    fn commit_in_steps(&self, prepared: Prepared, at: AtStep) -> Result<Published, PublishError> {
        let Prepared { name, path: beside } = prepared;
        let path = self.path_of(&name)?;
        let sums = FolderSums::of_folder(&beside).map_err(disk("read", &beside))?;
        if sums.is_empty() {
            return Err(PublishError::Empty(name));
        }
        if let Some(there) = self.sums(&name)? {
            if let Some(difference) = sums.difference(&there) {
                return Err(PublishError::AlreadyPublished { name, difference });
            }
            fs::remove_dir_all(&beside).map_err(disk("remove", &beside))?;
            return Ok(Published { path, sums, outcome: Outcome::Adopted });
        }
        at(Step::Compared).map_err(disk("read", &beside))?;
        sync_tree(&beside)?;
        at(Step::Synced).map_err(disk("write", &beside))?;
        fs::rename(&beside, &path).map_err(disk("put in its place", &path))?;
        at(Step::Renamed).map_err(disk("write", &self.root))?;
        sync(&self.root)?;
        Ok(Published { path, sums, outcome: Outcome::New })
    }

    /// What is published under `name` now, read from the disk; none where nothing is.
    pub fn sums(&self, name: &str) -> Result<Option<FolderSums>, PublishError> {
        let path = self.path_of(name)?;
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("look at", &path)(error)),
            Ok(there) if !there.is_dir() => {
                let difference = "it is a link or a file there".to_owned();
                Err(PublishError::AlreadyPublished { name: name.to_owned(), difference })
            }
            Ok(_) => FolderSums::of_folder(&path).map(Some).map_err(disk("read", &path)),
        }
    }

    /// Makes the link `link` (such as `latest`) point at the published folder `name`, in one step.
    /// Gives back what it pointed at before.
    pub fn switch(&self, link: &str, name: &str) -> Result<Option<String>, PublishError> {
        self.switch_in_steps(link, name, &|_| Ok(()))
    }

    fn switch_in_steps(&self, link: &str, name: &str, at: AtStep) -> Result<Option<String>, PublishError> {
        let switched = self.link(link)?;
        if !is_folder(&self.path_of(name)?) {
            return Err(PublishError::NotPublished(name.to_owned()));
        }
        let before = self.target(link)?;
        if before.as_deref() == Some(name) {
            return Ok(before);
        }
        // Relative, so that the root can be moved or served from elsewhere.
        switched.make(Path::new(name))?;
        at(Step::LinkMade).map_err(disk("write", &switched.beside))?;
        switched.switch()?;
        at(Step::LinkRenamed).map_err(disk("write", &self.root))?;
        sync(&self.root)?;
        Ok(before)
    }

    /// What the link `link` points at; none where there is no such link.
    pub fn target(&self, link: &str) -> Result<Option<String>, PublishError> {
        let target = self.link(link)?.target()?;
        Ok(target.map(|target| target.to_string_lossy().into_owned()))
    }

    fn link(&self, name: &str) -> Result<Link, PublishError> {
        Ok(Link { path: self.path_of(name)?, beside: self.root.join(format!(".switching-{name}")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(directory: &Directory, name: &str, content: &str) -> Prepared {
        let prepared = directory.prepare(name).unwrap();
        fs::create_dir_all(prepared.path().join("src/contrib")).unwrap();
        fs::write(prepared.path().join("src/contrib/PACKAGES"), content).unwrap();
        fs::write(prepared.path().join("snapshot.json"), "[]\n").unwrap();
        prepared
    }

    fn crash_at(step: Step) -> impl Fn(Step) -> io::Result<()> {
        move |now| if now == step { Err(io::Error::other("the power failed")) } else { Ok(()) }
    }

    /// What a reader of the root sees: everything that is not hidden.
    fn visible(root: &Path) -> Vec<String> {
        let names =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    #[test]
    fn a_crash_at_any_step_leaves_the_old_or_the_new_and_the_next_try_ends_well() {
        for step in [Step::Compared, Step::Synced, Step::Renamed] {
            let root = tempfile::tempdir().unwrap();
            let directory = Directory::new(root.path());
            directory.commit(filled(&directory, "2026-06-15", "old")).unwrap();
            let old = directory.sums("2026-06-15").unwrap();
            let prepared = filled(&directory, "2026-09-15", "new");
            let expected = FolderSums::of_folder(prepared.path()).unwrap();
            directory.commit_in_steps(prepared, &crash_at(step)).unwrap_err();

            let seen = directory.sums("2026-09-15").unwrap();
            assert!(seen.is_none() || seen.as_ref() == Some(&expected), "{step:?}");
            assert_eq!(directory.sums("2026-06-15").unwrap(), old, "{step:?}");
            let again = directory.commit(filled(&directory, "2026-09-15", "new")).unwrap();
            let outcome = if step == Step::Renamed { Outcome::Adopted } else { Outcome::New };
            assert_eq!((again.sums, again.outcome), (expected, outcome), "{step:?}");
            assert_eq!(visible(root.path()), ["2026-06-15", "2026-09-15"], "{step:?}");
        }
    }

    #[test]
    fn a_crash_while_the_files_are_written_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        let half = filled(&directory, "2026-09-15", "half");
        fs::write(half.path().join("stray"), "stray").unwrap();
        drop(half);
        assert_eq!(visible(root.path()), Vec::<String>::new());
        let published = directory.commit(filled(&directory, "2026-09-15", "whole")).unwrap();
        let files: Vec<&str> = published.sums.files().map(|(path, _)| path).collect();
        assert_eq!(files, ["snapshot.json", "src/contrib/PACKAGES"]);
    }

    #[test]
    fn what_is_published_is_adopted_when_equal_and_never_replaced_when_not() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        let first = directory.commit(filled(&directory, "2026-09-15", "one")).unwrap();
        let again = directory.commit(filled(&directory, "2026-09-15", "one")).unwrap();
        assert_eq!((first.outcome, again.outcome), (Outcome::New, Outcome::Adopted));
        let other = filled(&directory, "2026-09-15", "two");
        let less = directory.commit(other).unwrap_err();
        let more = filled(&directory, "2026-09-15", "one");
        fs::write(more.path().join("more"), "").unwrap();
        let more = directory.commit(more).unwrap_err();
        insta::assert_snapshot!(format!("{less}\n{more}"), @r#"
    `2026-09-15` is published already with other files: `src/contrib/PACKAGES` has another content there; publish under another name
    `2026-09-15` is published already with other files: `more` is missing there; publish under another name
    "#);
        assert_eq!(fs::read_to_string(first.path.join("src/contrib/PACKAGES")).unwrap(), "one");
    }

    #[test]
    fn a_link_points_at_the_old_or_the_new_at_every_step() {
        for step in [Step::LinkMade, Step::LinkRenamed] {
            let root = tempfile::tempdir().unwrap();
            let directory = Directory::new(root.path());
            for name in ["2026-06-15", "2026-09-15"] {
                directory.commit(filled(&directory, name, name)).unwrap();
            }
            assert_eq!(directory.switch("latest", "2026-06-15").unwrap(), None);
            directory.switch_in_steps("latest", "2026-09-15", &crash_at(step)).unwrap_err();
            let read = fs::read_to_string(root.path().join("latest/src/contrib/PACKAGES")).unwrap();
            let expected = if step == Step::LinkMade { "2026-06-15" } else { "2026-09-15" };
            assert_eq!(read, expected, "{step:?}");
            directory.switch("latest", "2026-09-15").unwrap();
            assert_eq!(directory.target("latest").unwrap().as_deref(), Some("2026-09-15"));
            assert_eq!(visible(root.path()), ["2026-06-15", "2026-09-15", "latest"]);
        }
    }

    #[test]
    fn nothing_is_published_outside_the_root_or_through_links() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        for name in ["", ".", "..", "../up", "a/b", ".hidden", "a\0", "-x", &"a".repeat(129)] {
            assert!(matches!(directory.prepare(name), Err(PublishError::BadName(_))), "{name}");
            assert!(matches!(directory.switch(name, "x"), Err(PublishError::BadName(_))), "{name}");
        }
        let prepared = filled(&directory, "2026-09-15", "one");
        std::os::unix::fs::symlink("/etc/passwd", prepared.path().join("passwd")).unwrap();
        assert!(matches!(directory.commit(prepared), Err(PublishError::Disk { .. })));
        let empty = directory.prepare("2026-09-15").unwrap();
        assert!(matches!(directory.commit(empty), Err(PublishError::Empty(_))));
        assert_eq!(visible(root.path()), Vec::<String>::new());
    }

    #[test]
    fn a_link_replaces_only_links_and_points_only_at_what_is_published() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        directory.commit(filled(&directory, "2026-09-15", "one")).unwrap();
        assert!(matches!(directory.switch("latest", "2026-12-15"), Err(PublishError::NotPublished(_))));
        directory.switch("current", "2026-09-15").unwrap();
        let under_a_link = directory.commit(filled(&directory, "current", "one")).unwrap_err();
        assert!(matches!(under_a_link, PublishError::AlreadyPublished { .. }), "{under_a_link}");
        fs::write(root.path().join("latest"), "a file of somebody else").unwrap();
        assert!(matches!(directory.switch("latest", "2026-09-15"), Err(PublishError::NotALink(_))));
    }
}
