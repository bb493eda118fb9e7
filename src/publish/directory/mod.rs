//! Publishing into a folder. Each published name (a snapshot's date) is a link to a *generation*: a folder that
//! was prepared beside, brought to the disk whole, and shown by switching that one link. Whoever reads
//! the root sees a snapshot complete or not at all, and the bytes of a generation never change.
//!
//! ```text
//! 2026-06-15/                                      published before there were generations: the first one
//! 2026-09-15 -> .generations/2026-09-15/2
//! latest     -> .generations/latest/7              see `latest.rs`
//! .generations/2026-09-15/1/                       as it was first published
//! .generations/2026-09-15/2/                       without what was withdrawn since
//! ```
//!
//! A date has more than one generation only where something was withdrawn from it. Links are relative, so the
//! folder can be moved, mounted elsewhere, or served by a web server that follows links inside its root.
//!
//! All of this waits for the disk: call it where blocking is allowed. One process publishes into a
//! root at a time (tidegate has one writer); within it, [`Directory::lock`] lets one finish before the next begins.

mod generations;
mod latest;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use self::generations::{GENERATIONS, Generations};
pub use self::latest::{Carried, Pointed, carried_in};
use super::disk::{link_or_copy, remove_leftover, sync_tree};
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
    /// Where its generation really lies.
    pub folder: PathBuf,
    /// The number of its generation.
    pub generation: u64,
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
    Switched,
}

/// What happens at each step: nothing, outside tests.
type AtStep<'a> = &'a dyn Fn(Step) -> io::Result<()>;

impl Prepared {
    /// The folder to fill with files and folders; not with links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file `from` at `path` below the folder: as a hard link where both lie on one file system.
    pub fn take(&self, from: &Path, path: &str) -> Result<(), PublishError> {
        take(&self.path, from, path)
    }
}

/// Puts the file `from` at `path` below `folder`.
fn take(folder: &Path, from: &Path, path: &str) -> Result<(), PublishError> {
    let to = folder.join(path);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(disk("make", parent))?;
    }
    link_or_copy(from, &to)
}

impl Directory {
    /// Publishes below `root`, which is made where it is missing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder that everything is published below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until nobody else of this program publishes here, and keeps others from it while the answer lives.
    pub fn lock(&self) -> Result<File, PublishError> {
        let folder = self.root.join(GENERATIONS);
        fs::create_dir_all(&folder).map_err(disk("make", &folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(disk("make", &path))?;
        lock.lock().map_err(disk("lock", &path))?;
        Ok(lock)
    }

    /// The generation of `name` that readers see, and the folder it really lies in; none where nothing is published.
    pub fn generation(&self, name: &str) -> Result<Option<(u64, PathBuf)>, PublishError> {
        Generations::of(&self.root, name)?.current_folder()
    }

    /// An empty hidden folder beside the published ones. What a crashed preparation of the same name
    /// left behind is removed first.
    pub fn prepare(&self, name: &str) -> Result<Prepared, PublishError> {
        let path = Generations::of(&self.root, name)?.preparing();
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
        let sums = FolderSums::of_folder(&beside).map_err(disk("read", &beside))?;
        if sums.is_empty() {
            return Err(PublishError::Empty(name));
        }
        let generations = Generations::of(&self.root, &name)?;
        if let Some((generation, folder)) = generations.current_folder()? {
            let there = FolderSums::of_folder(&folder).map_err(disk("read", &folder))?;
            if let Some(difference) = sums.difference(&there) {
                return Err(PublishError::AlreadyPublished { name, difference });
            }
            fs::remove_dir_all(&beside).map_err(disk("remove", &beside))?;
            return Ok(Published { folder, generation, outcome: Outcome::Adopted });
        }
        at(Step::Compared).map_err(disk("read", &beside))?;
        Self::show(&generations, 1, at)?;
        Ok(shown(&generations, 1))
    }

    /// Publishes what was prepared as the generation `number` of a name that is published already. Where readers
    /// see that generation already it stays, whatever was prepared: its bytes never change.
    pub fn rewrite(&self, prepared: Prepared, number: u64) -> Result<Published, PublishError> {
        self.rewrite_in_steps(prepared, number, &|_| Ok(()))
    }

    fn rewrite_in_steps(
        &self,
        prepared: Prepared,
        number: u64,
        at: AtStep,
    ) -> Result<Published, PublishError> {
        let Prepared { name, path: beside } = prepared;
        let generations = Generations::of(&self.root, &name)?;
        let (current, folder) =
            generations.current_folder()?.ok_or_else(|| PublishError::NotPublished(name.clone()))?;
        if current == number {
            generations.put_aside()?;
            fs::remove_dir_all(&beside).map_err(disk("remove", &beside))?;
            return Ok(Published { folder, generation: number, outcome: Outcome::Adopted });
        }
        if current + 1 != number {
            return Err(PublishError::OutOfOrder { name, current, number });
        }
        if fs::read_dir(&beside).map_err(disk("list", &beside))?.next().is_none() {
            return Err(PublishError::Empty(name));
        }
        at(Step::Compared).map_err(disk("read", &beside))?;
        Self::show(&generations, number, at)?;
        Ok(shown(&generations, number))
    }

    fn show(generations: &Generations, number: u64, at: AtStep) -> Result<(), PublishError> {
        sync_tree(&generations.preparing())?;
        at(Step::Synced).map_err(disk("write", &generations.preparing()))?;
        generations.put_in_place(number, at)?;
        generations.switch_to(number, at)
    }

    /// Removes every generation of `name` but the one that readers see: the bytes that only older ones hold are gone
    /// from this folder for good.
    pub fn forget_older(&self, name: &str) -> Result<(), PublishError> {
        let generations = Generations::of(&self.root, name)?;
        generations.put_aside()?;
        generations.clear(|_| false)
    }
}

fn shown(generations: &Generations, generation: u64) -> Published {
    Published { folder: generations.path(generation), generation, outcome: Outcome::New }
}
