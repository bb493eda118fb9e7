//! Publishing a conda channel: the path that users read is a symbolic link to the newest *generation*, a
//! folder with the packages and indexes of one moment. A new generation is prepared beside, verified,
//! brought to disk, and becomes the channel by switching that one link.
//!
//! ```text
//! staged -> .staged-generations/7
//! .staged-generations/5/          as readers saw it before; with 5.json, what it holds
//! .staged-generations/6/
//! .staged-generations/7/noarch/   packages, repodata.json, .bz2 and .zst
//! ```
//!
//! The link is relative, so the folder around it can be moved, mounted elsewhere, or served by a web
//! server that follows links inside its root. Numbers only grow: who goes back publishes the older
//! set again as a new generation, so what is newer than the link is what a crash left.
//!
//! All of this waits for the disk: call it where blocking is allowed. One process publishes into a
//! channel at a time (tidegate has one writer); within it, [`ChannelFolder::change`] lets one finish before
//! the next begins.

mod contents;
mod error;
mod generation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use self::contents::{Contents, Records};
pub use self::error::ChannelError;
use self::generation::Generation;
pub use super::directory::Outcome;
use super::disk::{Link, checked, is_folder, remove_leftover, sync};
pub use super::error::PublishError;
use super::error::disk;
use crate::ecosystem::conda::archive::ArchiveLimits;
use crate::ecosystem::conda::layout::{ArchiveName, NOARCH, is_subdir};
use crate::ecosystem::conda::patch::PatchInstructions;

/// How many generations are kept, the current one among them. A reader that opened a folder before the
/// switch finishes there; a reader that follows the link anew for each file still finds all files of the
/// index it has, since a generation also carries what the kept ones before it listed.
pub const KEPT_GENERATIONS: u64 = 3;

/// The patch instructions of each sub-directory that has any.
pub type Patches = BTreeMap<String, PatchInstructions>;

/// One package archive that a channel shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// The sub-directory in which it will lie.
    pub subdir: String,
    /// The name it will have there.
    pub file_name: String,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it lies now. It is linked where the file system allows, so nobody may write to it later.
    pub path: PathBuf,
}

/// A channel in a folder.
#[derive(Clone, Debug)]
pub struct ChannelFolder {
    root: PathBuf,
    name: String,
    parent: PathBuf,
    limits: ArchiveLimits,
}

/// What a call to publish left as the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedChannel {
    /// The number of the generation that readers see.
    pub generation: u64,
    /// Whether this call made it.
    pub outcome: Outcome,
}

/// The moments between which a crash leaves something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Placed,
    Indexed,
    Synced,
    ContentsWritten,
    Renamed,
    LinkMade,
    LinkRenamed,
}

/// The files of a channel by sub-directory and name.
pub type Files = BTreeMap<(String, String), PackageFile>;

/// The files of a new generation by sub-directory and name.
type Wanted<'f> = BTreeMap<(&'f str, &'f str), &'f PackageFile>;

/// The generation that came before a new one, or an empty one in its place.
struct Before {
    folder: PathBuf,
    contents: Contents,
}

/// What happens at each step: nothing, outside tests.
type AtStep<'a> = &'a dyn Fn(Step) -> io::Result<()>;

impl ChannelFolder {
    /// The channel that users read at `root`. Nothing is made before the first publication.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self, PublishError> {
        let root = root.into();
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = checked(&name)?.to_owned();
        let parent = match root.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self { root, name, parent, limits: ArchiveLimits::default() })
    }

    /// The path that users read.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The number of the generation that readers see; none where nothing was published.
    pub fn current(&self) -> Result<Option<u64>, ChannelError> {
        let Some(target) = self.link().target()? else { return Ok(None) };
        let folder = PathBuf::from(self.generations_name());
        let number = target.strip_prefix(&folder).ok().and_then(Path::to_str).and_then(number_of);
        match number.filter(|number| is_folder(&self.generation_path(*number))) {
            Some(number) => Ok(Some(number)),
            None => Err(ChannelError::Foreign { root: self.root.clone(), target }),
        }
    }

    /// The numbers of the generations that are kept, the oldest first.
    pub fn kept(&self) -> Result<Vec<u64>, ChannelError> {
        let mut numbers = self.numbers()?;
        if let Some(current) = self.current()? {
            numbers.retain(|number| is_kept(*number, current));
        }
        Ok(numbers)
    }

    /// What a kept generation holds.
    pub fn contents(&self, generation: u64) -> Result<Contents, ChannelError> {
        let kept = self.kept()?;
        if !kept.contains(&generation) {
            return Err(ChannelError::NoGeneration { root: self.root.clone(), generation, kept });
        }
        Contents::read(&self.contents_path(generation))
    }

    /// Makes the channel hold exactly `files`, with indexes as `patches` wants them. Every file that
    /// the channel does not hold already is read whole, and has to be what it is called. The same files and
    /// patches as now make no new generation. A name under which the channel ever held other bytes is refused.
    pub fn publish(
        &self,
        files: &[PackageFile],
        patches: &Patches,
    ) -> Result<PublishedChannel, ChannelError> {
        self.publish_in_steps(files, patches, &|_| Ok(()))
    }

    /// Publishes what `change` makes of the files that the channel holds now, with its patches. Nobody who
    /// calls this meanwhile loses anything: it waits for its turn.
    pub fn change(&self, change: impl FnOnce(&mut Files)) -> Result<PublishedChannel, ChannelError> {
        self.change_whole(|files, _| change(files))
    }

    /// The same, where the patches may change too.
    pub fn change_whole(
        &self,
        change: impl FnOnce(&mut Files, &mut Patches),
    ) -> Result<PublishedChannel, ChannelError> {
        let generations = self.generations();
        fs::create_dir_all(&generations).map_err(disk("make", &generations))?;
        let path = generations.join("lock");
        let lock = fs::File::create(&path).map_err(disk("make", &path))?;
        lock.lock().map_err(disk("lock", &path))?;
        let (mut files, mut patches) = (Files::new(), Patches::new());
        if let Some(generation) = self.current()? {
            let held = self.files(generation)?;
            files.extend(held.into_iter().map(|file| ((file.subdir.clone(), file.file_name.clone()), file)));
            patches = self.contents(generation)?.patches;
        }
        change(&mut files, &mut patches);
        let files: Vec<PackageFile> = files.into_values().collect();
        self.publish(&files, &patches)
    }

    /// The files of a kept generation, as they were given to [`Self::publish`]: to publish them again, with
    /// more or fewer beside them.
    pub fn files(&self, generation: u64) -> Result<Vec<PackageFile>, ChannelError> {
        let folder = self.generation_path(generation);
        let contents = self.contents(generation)?;
        let files = contents.iter().map(|(subdir, file_name, record)| PackageFile {
            subdir: subdir.to_owned(),
            file_name: file_name.to_owned(),
            sha256: record.sha256().to_owned(),
            size: record.size(),
            path: folder.join(subdir).join(file_name),
        });
        Ok(files.collect())
    }

    fn publish_in_steps(
        &self,
        files: &[PackageFile],
        patches: &Patches,
        at: AtStep,
    ) -> Result<PublishedChannel, ChannelError> {
        let current = self.current()?;
        // Without a link nothing is cleared: what lies there may have been published before somebody
        // took the link away. The newest of it counts as what came before.
        let newest = current.or(self.numbers()?.last().copied()).unwrap_or(0);
        let contents = match newest {
            0 => Contents::default(),
            newest => Contents::read(&self.contents_path(newest))?,
        };
        let before = Before { folder: self.generation_path(newest), contents };
        let patches: Patches = patches
            .iter()
            .filter(|(_, patch)| !patch.is_empty())
            .map(|(subdir, patch)| (subdir.clone(), patch.clone()))
            .collect();
        let wanted = self.wanted(files, &patches, &before.contents)?;
        if let Some(generation) = current {
            self.clear(generation)?;
            if before.contents.are(&wanted, &patches) {
                // The crash may have come before the switch was on the disk.
                sync(&self.parent)?;
                return Ok(PublishedChannel { generation, outcome: Outcome::Adopted });
            }
        }
        let generation = newest + 1;
        let folder = self.generations().join(".preparing");
        let contents = self.prepare(&folder, &wanted, &patches, &before, at)?;
        self.put_in_place(&folder, generation, &contents, at)?;
        self.switch_to(generation, at)?;
        self.clear(generation)?;
        Ok(PublishedChannel { generation, outcome: Outcome::New })
    }

    /// The files by sub-directory and name, where each may be published.
    fn wanted<'f>(
        &self,
        files: &'f [PackageFile],
        patches: &Patches,
        before: &Contents,
    ) -> Result<Wanted<'f>, ChannelError> {
        let mut wanted = BTreeMap::new();
        let mut problems = BTreeSet::new();
        let unknown = patches.keys().filter(|subdir| !is_subdir(subdir));
        problems.extend(unknown.map(|subdir| (subdir.clone(), "there is no such sub-directory".to_owned())));
        for file in files {
            let place = format!("{}/{}", file.subdir, file.file_name);
            let doubled = wanted.insert((file.subdir.as_str(), file.file_name.as_str()), file).is_some();
            if doubled {
                problems.insert((place.clone(), "it is given twice".to_owned()));
            }
            if let Some(problem) = why_not(file, before.ever.get(&place)) {
                problems.insert((place, problem));
            }
        }
        if problems.is_empty() { Ok(wanted) } else { Err(self.refused(problems)) }
    }

    /// Fills `folder` and says what it holds then.
    fn prepare(
        &self,
        folder: &Path,
        wanted: &Wanted<'_>,
        patches: &Patches,
        before: &Before,
        at: AtStep,
    ) -> Result<Contents, ChannelError> {
        remove_leftover(folder)?;
        fs::create_dir_all(folder).map_err(disk("make", folder))?;
        let generation = Generation { path: folder.to_owned(), limits: self.limits };
        let mut files = generation.place(wanted, before).map_err(|error| error.told(&self.root))?;
        // A sub-directory stays when its last package goes: readers who ask for it are not turned away.
        for subdir in before.contents.subdirs().chain([NOARCH]) {
            files.entry(subdir.to_owned()).or_default();
        }
        generation.carry(&self.retiring()?)?;
        at(Step::Placed).map_err(disk("write", folder))?;
        generation.index(&files, patches)?;
        at(Step::Indexed).map_err(disk("write", folder))?;
        generation.sync_folders()?;
        at(Step::Synced).map_err(disk("write", folder))?;
        Ok(Contents::after(&before.contents, files, patches.clone()))
    }

    fn put_in_place(
        &self,
        folder: &Path,
        number: u64,
        contents: &Contents,
        at: AtStep,
    ) -> Result<(), ChannelError> {
        let path = self.contents_path(number);
        contents.write(&path)?;
        at(Step::ContentsWritten).map_err(disk("write", &path))?;
        let place = self.generation_path(number);
        fs::rename(folder, &place).map_err(disk("put in its place", &place))?;
        at(Step::Renamed).map_err(disk("write", &place))?;
        Ok(sync(&self.generations())?)
    }

    fn switch_to(&self, generation: u64, at: AtStep) -> Result<(), ChannelError> {
        let link = self.link();
        link.make(&PathBuf::from(self.generations_name()).join(generation.to_string()))?;
        at(Step::LinkMade).map_err(disk("write", &link.beside))?;
        link.switch()?;
        at(Step::LinkRenamed).map_err(disk("write", &link.path))?;
        Ok(sync(&self.parent)?)
    }

    /// Where the files lie that the kept generations list, by sub-directory and name.
    fn retiring(&self) -> Result<BTreeMap<(String, String), PathBuf>, ChannelError> {
        let mut retiring = BTreeMap::new();
        // The oldest kept one is dropped when the next is published.
        for number in self.kept()?.into_iter().rev().take(KEPT_GENERATIONS as usize - 1) {
            let folder = self.generation_path(number);
            for (subdir, file, _) in Contents::read(&self.contents_path(number))?.iter() {
                retiring.insert((subdir.to_owned(), file.to_owned()), folder.join(subdir).join(file));
            }
        }
        Ok(retiring)
    }

    /// Removes what a crash left beside the generation that readers see, and those that are too old.
    fn clear(&self, current: u64) -> Result<(), ChannelError> {
        let generations = self.generations();
        remove_leftover(&generations.join(".preparing"))?;
        let mut numbers: BTreeSet<u64> = self.numbers()?.into_iter().collect();
        for entry in fs::read_dir(&generations).map_err(disk("list", &generations))? {
            let name = entry.map_err(disk("list", &generations))?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(number_of));
        }
        for number in numbers {
            if !is_kept(number, current) {
                remove_leftover(&self.generation_path(number))?;
                let contents = self.contents_path(number);
                match fs::remove_file(&contents) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(disk("remove", &contents)(error).into());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The numbers of all generations on the disk, in order.
    fn numbers(&self) -> Result<Vec<u64>, ChannelError> {
        let generations = self.generations();
        let entries = match fs::read_dir(&generations) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(disk("list", &generations))?,
        };
        let mut numbers = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(disk("list", &generations))?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        Ok(numbers.into_iter().collect())
    }

    fn refused(&self, problems: impl IntoIterator<Item = (String, String)>) -> ChannelError {
        ChannelError::Refused { root: self.root.clone(), problems: problems.into_iter().collect() }
    }

    fn link(&self) -> Link {
        Link { path: self.root.clone(), beside: self.parent.join(format!(".{}-switching", self.name)) }
    }

    fn generations_name(&self) -> String {
        format!(".{}-generations", self.name)
    }

    fn generations(&self) -> PathBuf {
        self.parent.join(self.generations_name())
    }

    fn generation_path(&self, number: u64) -> PathBuf {
        self.generations().join(number.to_string())
    }

    fn contents_path(&self, number: u64) -> PathBuf {
        self.generations().join(format!("{number}.json"))
    }
}

fn is_kept(number: u64, current: u64) -> bool {
    number <= current && number + KEPT_GENERATIONS > current
}

/// A number without leading zeros or signs, as we write them.
fn number_of(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == text)
}

/// Why `file` may not be published, where `ever` is the sum of what the channel held under its name.
fn why_not(file: &PackageFile, ever: Option<&String>) -> Option<String> {
    if !is_subdir(&file.subdir) {
        return Some("there is no such sub-directory".to_owned());
    }
    if let Err(error) = ArchiveName::parse(&file.file_name) {
        return Some(error.to_string());
    }
    if file.sha256.len() != 64 || !file.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Some("its sha256 is not 64 lower-case hexadecimal digits".to_owned());
    }
    let other = ever.filter(|ever| **ever != file.sha256)?;
    Some(format!(
        "it was published with sha256 {other} and is now {}; a published file never changes, so give the \
         build another build number",
        file.sha256
    ))
}
