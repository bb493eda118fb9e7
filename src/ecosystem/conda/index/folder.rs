//! Indexing a folder of sub-directories in place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::super::archive::{Archive, ArchiveLimits, ArchiveProblem, UnpackProblem};
use super::super::layout::{ArchiveFormat, NOARCH, is_subdir};
use super::super::patch::{MAX_PATCH_BYTES, PATCH_FILE, PatchInstructions};
use super::super::record::Record;
use super::repodata::SubdirIndex;
use crate::ecosystem::index_memory::{Cache, IndexMemory, Stamp, TEMPORARY};
use crate::ecosystem::parallel::in_parallel;
use crate::whole_file;

/// The index of a folder that holds the sub-directories of a channel, ready to be written.
#[derive(Debug)]
pub struct FolderIndex {
    folder: PathBuf,
    subdirs: Vec<ReadSubdir>,
}

#[derive(Debug)]
struct ReadSubdir {
    index: SubdirIndex,
    cache: Cache<Record>,
    /// Where the cache is kept, if it is.
    kept: Option<PathBuf>,
    read: usize,
}

/// A file that earlier versions kept in each sub-directory.
const FORMER_CACHE: &str = ".tidegate-index.json";

/// What became of one sub-directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedSubdir {
    /// Its name.
    pub subdir: String,
    /// How many `.tar.bz2` files are listed.
    pub packages: usize,
    /// How many `.conda` files are listed.
    pub packages_conda: usize,
    /// How many files were read; the others were known from before.
    pub read: usize,
    /// Whether any file of the index has other bytes than before.
    pub changed: bool,
}

/// Why a folder has no index. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The folder is a sub-directory itself.
    #[error("{} holds packages itself, such as {file}; a channel holds them in sub-directories", folder.display())]
    HoldsPackages {
        /// The folder.
        folder: PathBuf,
        /// One of the packages.
        file: String,
    },
    /// Everything that is wrong with it, file by file.
    #[error("cannot index {}:{}", folder.display(), lines(problems))]
    Problems {
        /// The folder.
        folder: PathBuf,
        /// Files, with what is wrong with them.
        problems: Vec<(String, String)>,
    },
}

fn lines(problems: &[(String, String)]) -> String {
    problems.iter().map(|(file, problem)| format!("\n  {file}: {problem}")).collect()
}

/// A sub-directory before its archives are read.
struct Listed {
    subdir: String,
    path: PathBuf,
    files: Vec<String>,
    patches: PatchInstructions,
    cache: Cache<Record>,
    kept: Option<PathBuf>,
    /// What the file system's clock said before anything was read; absent where there is nothing to read.
    began: Option<Stamp>,
}

/// An archive with the stamp that it had before and after it was looked at.
struct ReadFile {
    stamp: Stamp,
    record: Record,
    fresh: bool,
}

impl FolderIndex {
    /// Looks into every archive below `folder`; other files are left alone. See
    /// [`remembering`](Self::remembering).
    pub fn of_folder(folder: &Path, limits: &ArchiveLimits) -> Result<Self, IndexError> {
        Self::remembering(folder, limits, &IndexMemory::none())
    }

    /// The same, but only archives are read that changed since what `memory` has of their last index. One archive that cannot be read, or that is not what its name and folder say, is an error: an
    /// index that leaves a file out in silence would hide a package.
    pub fn remembering(
        folder: &Path,
        limits: &ArchiveLimits,
        memory: &IndexMemory,
    ) -> Result<Self, IndexError> {
        let mut problems = Vec::new();
        let listed = listed(folder, memory, &mut problems)?;
        let tasks: Vec<(&Listed, &String)> =
            listed.iter().flat_map(|subdir| subdir.files.iter().map(move |file| (subdir, file))).collect();
        let results = in_parallel(&tasks, |(subdir, file)| read_file(subdir, file, limits));
        let mut read: BTreeMap<&str, BTreeMap<String, ReadFile>> = BTreeMap::new();
        for ((subdir, file), result) in tasks.iter().zip(results) {
            match result {
                Ok(result) => drop(read.entry(&subdir.subdir).or_default().insert((*file).clone(), result)),
                Err(problem) => problems.push((format!("{}/{file}", subdir.subdir), problem.to_string())),
            }
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(IndexError::Problems { folder: folder.to_owned(), problems });
        }
        let files_of = |subdir: &Listed| read.remove(subdir.subdir.as_str()).unwrap_or_default();
        let files: Vec<BTreeMap<String, ReadFile>> = listed.iter().map(files_of).collect();
        let subdirs = listed.iter().zip(files).map(|(listed, files)| indexed(listed, files)).collect();
        Ok(Self { folder: folder.to_owned(), subdirs })
    }

    /// The indexes of the sub-directories, in order of their names.
    pub fn subdirs(&self) -> impl Iterator<Item = &SubdirIndex> {
        self.subdirs.iter().map(|subdir| &subdir.index)
    }

    /// Writes what changed, file by file in one step each, and what was read for the next time. Where that
    /// cannot be kept, the next time is slower and nothing else.
    pub fn write(&self) -> io::Result<Vec<IndexedSubdir>> {
        let mut written = Vec::new();
        for ReadSubdir { index, cache, kept, read } in &self.subdirs {
            let path = self.folder.join(index.subdir());
            fs::create_dir_all(&path)?;
            let alone = alone(&path);
            if alone.is_some() {
                clear_leftovers(&path)?;
            }
            let changed = index.write_to(&path)?;
            drop(alone);
            if let Some(kept) = kept
                && let Err(error) = cache.write(kept)
            {
                tracing::debug!(file = %kept.display(), "what was read is not kept: {error}");
            }
            written.push(IndexedSubdir {
                subdir: index.subdir().to_owned(),
                packages: index.packages.len(),
                packages_conda: index.packages_conda.len(),
                read: *read,
                changed,
            });
        }
        Ok(written)
    }
}

fn indexed(listed: &Listed, files: BTreeMap<String, ReadFile>) -> ReadSubdir {
    let read = files.values().filter(|file| file.fresh).count();
    let records = files.iter().map(|(name, file)| (name.clone(), file.record.clone())).collect();
    let index = SubdirIndex::new(&listed.subdir, records, &listed.patches);
    let stamped = files.into_iter().map(|(name, file)| (name, file.stamp, file.record));
    let cache = Cache::of(listed.began.as_ref(), stamped);
    ReadSubdir { index, cache, kept: listed.kept.clone(), read }
}

/// Waits until nobody else writes into the sub-directory, and keeps it so until the answer is dropped. Nothing on
/// a file system that cannot do it; then two that index at once still replace whole files only.
fn alone(subdir: &Path) -> Option<fs::File> {
    let folder = fs::File::open(subdir).ok()?;
    folder.lock().ok().map(|()| folder)
}

/// Removes what an indexing left behind that was killed, or that an earlier version kept.
fn clear_leftovers(subdir: &Path) -> io::Result<()> {
    whole_file::clear_leftovers(subdir, TEMPORARY)?;
    match fs::remove_file(subdir.join(FORMER_CACHE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read_file(subdir: &Listed, file: &str, limits: &ArchiveLimits) -> Result<ReadFile, ArchiveProblem> {
    let path = subdir.path.join(file);
    let stamp = || fs::metadata(&path).map(|there| Stamp::of(&there));
    let disk = |error| ArchiveProblem::from(UnpackProblem::Disk(error));
    let before = stamp().map_err(disk)?;
    if let Some(record) = subdir.cache.record(file, &before) {
        return Ok(ReadFile { stamp: before, record: record.clone(), fresh: false });
    }
    let archive = Archive::read_as(&path, &subdir.subdir, file, limits).map_err(|error| error.problem)?;
    match stamp().map_err(disk)? == before {
        true => Ok(ReadFile { stamp: before, record: Record::of(&archive), fresh: true }),
        false => Err(ArchiveProblem::Changed),
    }
}

/// The sub-directories in `folder` with the names of their archives, all in order. Problems with single
/// files and folders are added to `problems`.
fn listed(
    folder: &Path,
    memory: &IndexMemory,
    problems: &mut Vec<(String, String)>,
) -> Result<Vec<Listed>, IndexError> {
    let unreadable = |name: &str, error: io::Error| IndexError::Problems {
        folder: folder.to_owned(),
        problems: vec![(name.to_owned(), format!("cannot be read: {error}"))],
    };
    let mut subdirs = BTreeSet::from([NOARCH.to_owned()]);
    for name in names(folder).map_err(|error| unreadable(".", error))? {
        let path = folder.join(&name);
        if !path.is_dir() {
            if ArchiveFormat::claimed_by(&name).is_some() {
                return Err(IndexError::HoldsPackages { folder: folder.to_owned(), file: name });
            }
        } else if is_subdir(&name) {
            subdirs.insert(name);
        } else if holds_archives(&path).map_err(|error| unreadable(&name, error))? {
            let problem = ArchiveProblem::UnknownSubdir(name.clone());
            problems.push((name, problem.to_string()));
        }
    }
    let listed = subdirs.into_iter().map(|subdir| {
        let kept = memory.file(folder, &subdir);
        list(folder.join(&subdir), &subdir, kept, problems).map_err(|error| unreadable(&subdir, error))
    });
    listed.collect()
}

fn list(
    path: PathBuf,
    subdir: &str,
    kept: Option<PathBuf>,
    problems: &mut Vec<(String, String)>,
) -> io::Result<Listed> {
    let there = path.is_dir();
    let files = if there { names(&path)? } else { BTreeSet::new() };
    let files: Vec<String> =
        files.into_iter().filter(|file| ArchiveFormat::claimed_by(file).is_some()).collect();
    let patches = patches_in(&path).unwrap_or_else(|problem| {
        problems.push((format!("{subdir}/{PATCH_FILE}"), problem));
        PatchInstructions::default()
    });
    // Where nothing is kept, there is no clock to compare with the next time.
    let began = match (&kept, files.is_empty()) {
        (Some(_), false) => Some(Stamp::now_in(&path)?),
        _ => None,
    };
    let cache = kept.as_deref().map(Cache::read).unwrap_or_default();
    Ok(Listed { subdir: subdir.to_owned(), cache, kept, path, files, patches, began })
}

/// The names in `folder` that are not hidden, in order. One that is not UTF-8 keeps a mark in its place,
/// and so is refused wherever names are checked.
fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| !name.as_ref().is_ok_and(|name| name.starts_with('.'))).collect()
}

fn holds_archives(folder: &Path) -> io::Result<bool> {
    Ok(names(folder)?.iter().any(|name| ArchiveFormat::claimed_by(name).is_some()))
}

/// The patch instructions in the sub-directory `folder`; none where there is no such file.
fn patches_in(folder: &Path) -> Result<PatchInstructions, String> {
    let mut bytes = Vec::new();
    match fs::File::open(folder.join(PATCH_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PatchInstructions::default()),
        Err(error) => return Err(format!("cannot be read: {error}")),
        Ok(file) => {
            let read = file.take(MAX_PATCH_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(|error| format!("cannot be read: {error}"))?;
        }
    }
    if bytes.len() as u64 > MAX_PATCH_BYTES {
        return Err(format!("it has more than the {MAX_PATCH_BYTES} bytes allowed"));
    }
    PatchInstructions::parse(&bytes).map_err(|error| error.to_string())
}
