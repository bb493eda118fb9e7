//! What the last indexing of a sub-directory read, so that files that did not change are not read again.

use crate::digest::hex;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::record::Record;
use super::repodata::write_changed;

/// The name of the file in each sub-directory that keeps what was read.
pub const CACHE_FILE: &str = ".tidegate-index.json";

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
    /// Reads the cache in `folder`. One that is missing, damaged or of another version is empty: then
    /// every file is read, which is slow and right.
    pub(super) fn read(folder: &Path) -> Self {
        let bytes = std::fs::read(folder.join(CACHE_FILE)).unwrap_or_default();
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

    /// Writes the cache into `folder`.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self).expect("stamps and records have JSON");
        let mut bytes = sum_of(&json).into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        write_changed(&folder.join(CACHE_FILE), &bytes).map(drop)
    }
}

fn sum_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
