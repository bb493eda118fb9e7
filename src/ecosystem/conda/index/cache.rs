//! What the last indexing of a sub-directory read, so that files that did not change are not read again. It is
//! kept outside of the channel: inodes and times differ where folders are equal, and who copies or compares a
//! channel should meet nothing of it.

use crate::digest::hex;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::record::Record;
use super::repodata::write_changed;

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

    /// It is kept in this folder, with a file for each sub-directory of a channel.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// The file for a sub-directory, by the place where it really lies. Nothing where nothing is kept, and where
    /// the file would lie in the channel itself.
    pub(super) fn file(&self, channel: &Path, subdir: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let channel = channel.canonicalize().ok()?;
        // The folder is made when it is first written to; until then its parent tells where it is.
        let place = folder.ancestors().find_map(|place| place.canonicalize().ok())?;
        if place.starts_with(&channel) {
            return None;
        }
        let key = Sha256::digest(channel.join(subdir).as_os_str().as_encoded_bytes());
        Some(folder.join(format!("{}.json", hex(&key))))
    }
}

/// Raised when the records or the stamps mean something else than before.
const VERSION: u32 = 1;

/// What tells that a file is the one that was read: another inode, or a change of the same one, shows here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds; unlike `modified` nobody can set it back.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The records of files by their stamps.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cache {
    version: u32,
    files: BTreeMap<String, Kept>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    stamp: Stamp,
    record: Record,
}

impl Cache {
    /// Reads the cache in the file at `path`. One that is missing, damaged or of another version is empty: then
    /// every file is read, which is slow and right.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let (sum, json) = bytes.split_at(line);
        let json = json.get(1..).unwrap_or_default();
        let cache: Option<Self> = serde_json::from_slice(json).ok();
        match cache {
            Some(cache) if sum == sum_of(json).as_bytes() && cache.version == VERSION => cache,
            _ => Self::default(),
        }
    }

    /// The record of `file`, where it still has the stamp with which it was read.
    pub(super) fn record(&self, file: &str, stamp: &Stamp) -> Option<&Record> {
        self.files.get(file).filter(|kept| kept.stamp == *stamp).map(|kept| &kept.record)
    }

    /// The cache of what was read of the files in a folder whose file system said `began` before the first
    /// was read. A file that changed at that moment or later could change once more without another stamp,
    /// since clocks of file systems tick every few milliseconds; it is read again next time.
    pub(super) fn of(began: Option<&Stamp>, read: impl IntoIterator<Item = (String, Stamp, Record)>) -> Self {
        let settled =
            read.into_iter().filter(|(_, stamp, _)| began.is_some_and(|began| stamp.changed < began.changed));
        let files = settled.map(|(file, stamp, record)| (file, Kept { stamp, record })).collect();
        Self { version: VERSION, files }
    }

    /// Writes the cache into the file at `path`, and makes its folder for its owner alone.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self).expect("stamps and records have JSON");
        let mut bytes = sum_of(&json).into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write_changed(path, &bytes).map(drop)
    }
}

fn sum_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
