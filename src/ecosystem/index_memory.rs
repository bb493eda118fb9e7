//! What the last indexing of a folder read, so that files that did not change are not read again. It is kept
//! outside of the folder: inodes and times differ where folders are equal, and who copies or compares one should
//! meet nothing of it.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::sha256_hex;
use crate::whole_file::write_changed;

/// Where what was read is kept between two indexings.
#[derive(Clone, Debug, Default)]
pub struct IndexMemory {
    folder: Option<PathBuf>,
}

impl IndexMemory {
    /// Nothing is kept, so every file is read each time.
    pub fn none() -> Self {
        Self::default()
    }

    /// It is kept in this folder, with a file for each folder that is indexed.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// The file for the folder `below` of `root`, by the place where it really lies. Nothing where nothing is kept,
    /// and where the file would lie in `root` itself.
    pub(in crate::ecosystem) fn file(&self, root: &Path, below: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let root = root.canonicalize().ok()?;
        // The folder is made when it is first written to; until then its parent tells where it is.
        let place = folder.ancestors().find_map(|place| place.canonicalize().ok())?;
        if place.starts_with(&root) {
            return None;
        }
        Some(folder.join(format!("{}.json", sha256_hex(root.join(below).as_os_str().as_encoded_bytes()))))
    }
}

/// How the names of files begin that are being written. One that was killed leaves them behind.
pub(in crate::ecosystem) const TEMPORARY: &str = ".tidegate-index-";

/// Raised when the records or the stamps mean something else than before.
const VERSION: u32 = 1;

/// What tells that a file is the one that was read: another inode, or a change of the same one, shows here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ecosystem) struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds; unlike `modified` nobody can set it back.
    changed: (i64, i64),
}

impl Stamp {
    pub(in crate::ecosystem) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// What the file system of `folder` says that the time is.
    pub(in crate::ecosystem) fn now_in(folder: &Path) -> io::Result<Self> {
        Ok(Self::of(&tempfile::tempfile_in(folder)?.metadata()?))
    }
}

/// The records of files by their stamps.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ecosystem) struct Cache<R> {
    version: u32,
    files: BTreeMap<String, Kept<R>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept<R> {
    stamp: Stamp,
    record: R,
}

impl<R> Default for Cache<R> {
    fn default() -> Self {
        Self { version: VERSION, files: BTreeMap::new() }
    }
}

impl<R: Serialize + DeserializeOwned> Cache<R> {
    /// Reads the cache in the file at `path`. One that is missing, damaged or of another version is empty: then
    /// every file is read, which is slow and right.
    pub(in crate::ecosystem) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let (sum, json) = bytes.split_at(line);
        let json = json.get(1..).unwrap_or_default();
        let cache: Option<Self> = serde_json::from_slice(json).ok();
        match cache {
            Some(cache) if sum == sha256_hex(json).as_bytes() && cache.version == VERSION => cache,
            _ => Self::default(),
        }
    }

    /// The record of `file`, where it still has the stamp with which it was read.
    pub(in crate::ecosystem) fn record(&self, file: &str, stamp: &Stamp) -> Option<&R> {
        self.files.get(file).filter(|kept| kept.stamp == *stamp).map(|kept| &kept.record)
    }

    /// The cache of what was read of the files in a folder whose file system said `began` before the first
    /// was read. A file that changed at that moment or later could change once more without another stamp,
    /// since clocks of file systems tick every few milliseconds; it is read again next time.
    pub(in crate::ecosystem) fn of(
        began: Option<&Stamp>,
        read: impl IntoIterator<Item = (String, Stamp, R)>,
    ) -> Self {
        let settled =
            read.into_iter().filter(|(_, stamp, _)| began.is_some_and(|began| stamp.changed < began.changed));
        let files = settled.map(|(file, stamp, record)| (file, Kept { stamp, record })).collect();
        Self { version: VERSION, files }
    }

    /// Writes the cache into the file at `path`, and makes its folder for its owner alone.
    pub(in crate::ecosystem) fn write(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self).expect("stamps and records have JSON");
        let mut bytes = sha256_hex(&json).into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write_changed(path, &bytes, TEMPORARY).map(drop)
    }
}
