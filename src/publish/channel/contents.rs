//! What one generation of a channel holds, and what was ever published before it: a file beside the
//! generation, for us and not for readers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{ChannelError, PackageFile, Patches, Wanted};
use crate::ecosystem::conda::record::Record;
use crate::publish::error::disk;

/// Raised when the file means something else than before.
const VERSION: u32 = 1;

/// The records of one sub-directory by file name, before any patch.
pub type Records = BTreeMap<String, Record>;

/// What one generation of a channel holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    version: u32,
    /// The records by sub-directory; one that lost its last package is still there.
    pub files: BTreeMap<String, Records>,
    /// The patch instructions by sub-directory; those that say nothing are left out.
    pub patches: Patches,
    /// SHA-256 of every file that any generation ever held, by `<subdir>/<file name>`.
    pub ever: BTreeMap<String, String>,
}

impl Contents {
    /// The contents of a generation with `files` after the one with the contents `before`.
    pub(super) fn after(before: &Self, files: BTreeMap<String, Records>, patches: Patches) -> Self {
        let mut ever = before.ever.clone();
        for (subdir, records) in &files {
            for (file, record) in records {
                ever.insert(format!("{subdir}/{file}"), record.sha256().to_owned());
            }
        }
        Self { version: VERSION, files, patches, ever }
    }

    /// The record of a file.
    pub fn record(&self, subdir: &str, file_name: &str) -> Option<&Record> {
        self.files.get(subdir)?.get(file_name)
    }

    /// Every file with its sub-directory, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Record)> {
        let files =
            self.files.iter().flat_map(|(subdir, records)| records.iter().map(move |file| (subdir, file)));
        files.map(|(subdir, (file, record))| (subdir.as_str(), file.as_str(), record))
    }

    /// The sub-directories that the channel has, also those without packages.
    pub fn subdirs(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// True where these are exactly the files and the patches that are wanted.
    pub(super) fn are(&self, files: &Wanted<'_>, patches: &Patches) -> bool {
        let same = |file: &PackageFile| {
            let record = self.record(&file.subdir, &file.file_name);
            record.is_some_and(|record| record.sha256() == file.sha256 && record.size() == file.size)
        };
        self.patches == *patches
            && self.iter().count() == files.len()
            && files.values().all(|file| same(file))
    }

    /// Reads the contents in the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ChannelError> {
        let bytes = fs::read(path).map_err(disk("read", path))?;
        let unreadable = |why: String| ChannelError::Contents { path: path.to_owned(), why };
        let contents: Self = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        match contents.version {
            VERSION => Ok(contents),
            other => Err(unreadable(format!("it has version {other}, this program reads {VERSION}"))),
        }
    }

    /// Writes the contents to `path` and to the disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), ChannelError> {
        let write = || -> io::Result<()> {
            let mut file = fs::File::create(path)?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()
        };
        Ok(write().map_err(disk("write", path))?)
    }
}
