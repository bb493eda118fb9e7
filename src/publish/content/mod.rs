//! Files by their content: each lies once under its SHA-256, never changes, and is hard-linked into what is
//! published. What was fetched for one snapshot costs the next one nothing.
//!
//! A file is hashed on its way in, and its place says what its bytes are; [`scrub`] looks whether they still
//! are. Who adds files, or builds on files that are there, holds a [`Keeping`] until its rows name them, and
//! [`collect`] works only while nobody does: so a file that is to be referred to cannot go away in between.

pub mod collect;
pub mod scrub;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::disk::sync;
use super::error::{PublishError, disk};
use crate::digest::is_sha256;

/// The name of the store's folder in a state folder.
pub const FOLDER: &str = "artifacts";
/// What everybody may do with a kept file. Nobody may write to it: it is part of published trees.
const MODE: u32 = 0o444;
/// Files that are not whole yet, and the ones that are no longer what they were.
const PARTIAL: &str = ".partial";
const QUARANTINE: &str = ".quarantine";
/// How files begin that somebody is still working on.
const INCOMING: &str = ".incoming-";
const LOCK: &str = ".lock";
/// How long it is waited between two looks whether somebody still keeps files.
const BETWEEN: Duration = Duration::from_millis(100);

/// A folder of files by their SHA-256.
#[derive(Clone, Debug)]
pub struct ContentStore {
    root: PathBuf,
}

/// The word of somebody who adds files or builds on them: nothing is collected until it is dropped.
#[derive(Debug)]
pub struct Keeping(#[expect(dead_code, reason = "held open: closing it ends the lock")] File);

/// The right to remove files: nobody keeps any meanwhile.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "held open: closing it ends the lock")] File);

impl ContentStore {
    /// The store below `root`, which is made when something is kept.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where the file of this digest lies, or would lie. The digest has been checked to be one.
    pub fn path_of(&self, sha256: &str) -> PathBuf {
        self.root.join(sha256.get(..2).unwrap_or_default()).join(sha256)
    }

    /// Where the file of this digest lies while it is fetched, so that what has arrived of it outlives a crash.
    pub fn partial(&self, sha256: &str) -> Result<PathBuf, PublishError> {
        let folder = self.root.join(PARTIAL);
        fs::create_dir_all(&folder).map_err(disk("make", &folder))?;
        Ok(folder.join(checked(sha256)?))
    }

    /// A file to work on, on the file system where it can stay.
    pub fn temporary(&self) -> Result<NamedTempFile, PublishError> {
        fs::create_dir_all(&self.root).map_err(disk("make", &self.root))?;
        NamedTempFile::with_prefix_in(INCOMING, &self.root).map_err(disk("write to", &self.root))
    }

    /// Where the file of this digest is kept, if it is, and its size. One of another size than was expected
    /// is damaged, and does not count.
    pub fn find(&self, sha256: &str, size: Option<u64>) -> Result<Option<(PathBuf, u64)>, PublishError> {
        let path = self.path_of(checked(sha256)?);
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_file() && size.is_none_or(|size| size == there.len()) => {
                Ok(Some((path, there.len())))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("look at", &path)(error)),
        }
    }

    /// Moves the file at `from`, which lies in this store and has been found to have this digest, to its place:
    /// on the disk first, and then there in one step.
    pub fn keep(&self, from: &Path, sha256: &str) -> Result<PathBuf, PublishError> {
        let path = self.path_of(checked(sha256)?);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(disk("make", folder))?;
        fs::set_permissions(from, fs::Permissions::from_mode(MODE)).map_err(disk("write", from))?;
        sync(from)?;
        fs::rename(from, &path).map_err(disk("keep", &path))?;
        sync(folder)?;
        Ok(path)
    }

    /// Begins to keep files. Waits for a collection that is under way: call it where blocking is allowed.
    pub fn begin_keeping(&self) -> Result<Keeping, PublishError> {
        let (file, path) = self.lock_file()?;
        file.lock_shared().map_err(disk("lock", &path))?;
        Ok(Keeping(file))
    }

    /// The right to remove files; nothing where somebody keeps some.
    pub fn alone(&self) -> Result<Option<Alone>, PublishError> {
        let (file, path) = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Alone(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(disk("lock", &path)(error)),
        }
    }

    /// The same, waiting for those who keep files for so long at most. Call it where blocking is allowed.
    pub fn alone_within(&self, patience: Duration) -> Result<Option<Alone>, PublishError> {
        let began = Instant::now();
        loop {
            let alone = self.alone()?;
            if alone.is_some() || began.elapsed() >= patience {
                return Ok(alone);
            }
            std::thread::sleep(BETWEEN);
        }
    }

    /// Removes the file of this digest for good, as was asked for by a person. Nobody keeps files meanwhile, so
    /// none goes that somebody is just building on.
    pub fn forget(&self, _alone: &Alone, sha256: &str) -> Result<(), PublishError> {
        let path = self.path_of(checked(sha256)?);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Takes a damaged file out of its place, so that it is fetched again, and keeps it to be looked at.
    pub fn set_aside(&self, sha256: &str) -> Result<PathBuf, PublishError> {
        let (path, folder) = (self.path_of(checked(sha256)?), self.root.join(QUARANTINE));
        fs::create_dir_all(&folder).map_err(disk("make", &folder))?;
        let aside = folder.join(sha256);
        fs::rename(&path, &aside).map_err(disk("set aside", &path))?;
        Ok(aside)
    }

    fn lock_file(&self) -> Result<(File, PathBuf), PublishError> {
        fs::create_dir_all(&self.root).map_err(disk("make", &self.root))?;
        let path = self.root.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        Ok((opened.map_err(disk("open", &path))?, path))
    }

    /// Every file that lies under a digest, in order.
    fn listed(&self) -> Result<Listed, PublishError> {
        let mut listed = Listed::default();
        for (name, path) in entries(&self.root)? {
            if !path.is_dir() || name.starts_with('.') {
                if !name.starts_with('.') {
                    listed.strange.push(path);
                }
                continue;
            }
            for (file, path) in entries(&path)? {
                let there = fs::symlink_metadata(&path).map_err(disk("look at", &path))?;
                match there.is_file() && is_sha256(&file) && file.starts_with(&name) {
                    true => listed.files.push(StoredFile { sha256: file, size: there.len(), path, there }),
                    false => listed.strange.push(path),
                }
            }
        }
        Ok(listed)
    }
}

/// What lies in a store.
#[derive(Default)]
struct Listed {
    files: Vec<StoredFile>,
    /// What is no file under its digest: nothing of ours.
    strange: Vec<PathBuf>,
}

struct StoredFile {
    sha256: String,
    size: u64,
    path: PathBuf,
    there: fs::Metadata,
}

fn checked(sha256: &str) -> Result<&str, PublishError> {
    match is_sha256(sha256) {
        true => Ok(sha256),
        false => Err(PublishError::NotADigest(sha256.chars().take(80).collect())),
    }
}

/// The entries of a folder by name, in order; none where there is no such folder.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, PublishError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(disk("list", folder))?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(disk("list", folder))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}
