//! Filling the folder of one generation: files, verified, and their indexes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::contents::Records;
use super::{Before, ChannelError, PackageFile, Patches, Wanted};
use crate::ecosystem::conda::archive::{Archive, ArchiveLimits};
use crate::ecosystem::conda::index::SubdirIndex;
use crate::ecosystem::conda::patch::PATCH_FILE;
use crate::ecosystem::conda::record::Record;
use crate::ecosystem::parallel::in_parallel;
use crate::publish::disk::sync;
use crate::publish::error::{PublishError, disk};

/// What web servers and other users need to read a file.
const READABLE: u32 = 0o444;

/// The folder of a generation that is being prepared.
pub(super) struct Generation {
    pub(super) path: PathBuf,
    pub(super) limits: ArchiveLimits,
}

/// Why the files could not be placed.
pub(super) enum NotPlaced {
    Disk(PublishError),
    Refused(Vec<(String, String)>),
}

impl From<PublishError> for NotPlaced {
    fn from(error: PublishError) -> Self {
        Self::Disk(error)
    }
}

impl NotPlaced {
    pub(super) fn told(self, root: &Path) -> ChannelError {
        match self {
            Self::Disk(error) => error.into(),
            Self::Refused(problems) => ChannelError::Refused { root: root.to_owned(), problems },
        }
    }
}

impl Generation {
    /// Places every wanted file. Those of the generation before are taken from there with their records;
    /// all others are read whole.
    pub(super) fn place(
        &self,
        wanted: &Wanted<'_>,
        before: &Before,
    ) -> Result<BTreeMap<String, Records>, NotPlaced> {
        let mut files: BTreeMap<String, Records> = BTreeMap::new();
        let mut fresh = Vec::new();
        for (&(subdir, name), &file) in wanted {
            let folder = self.path.join(subdir);
            fs::create_dir_all(&folder).map_err(disk("make", &folder))?;
            let record = before.contents.record(subdir, name);
            match record.filter(|record| record.sha256() == file.sha256 && record.size() == file.size) {
                Some(record) => {
                    place(&before.folder.join(subdir).join(name), &folder.join(name))?;
                    files.entry(subdir.to_owned()).or_default().insert(name.to_owned(), record.clone());
                }
                None => fresh.push(file),
            }
        }
        for (file, record) in self.verified(&fresh)? {
            files.entry(file.subdir.clone()).or_default().insert(file.file_name.clone(), record);
        }
        Ok(files)
    }

    /// Places the files that were not in the generation before, and reads what was placed.
    fn verified<'f>(&self, fresh: &[&'f PackageFile]) -> Result<Vec<(&'f PackageFile, Record)>, NotPlaced> {
        let verify = |file: &&'f PackageFile| {
            let path = self.path.join(&file.subdir).join(&file.file_name);
            place(&file.path, &path)?;
            sync(&path)?;
            Ok(self.record(file, &path))
        };
        let results: Vec<Result<_, PublishError>> = in_parallel(fresh, verify);
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        for (file, result) in fresh.iter().zip(results) {
            match result? {
                Ok(record) => records.push((*file, record)),
                Err(problem) => problems.push((format!("{}/{}", file.subdir, file.file_name), problem)),
            }
        }
        if problems.is_empty() { Ok(records) } else { Err(NotPlaced::Refused(problems)) }
    }

    /// The record of the file at `path`, where its bytes are those that `file` promises.
    fn record(&self, file: &PackageFile, path: &Path) -> Result<Record, String> {
        let archive = Archive::read_as(path, &file.subdir, &file.file_name, &self.limits)
            .map_err(|error| error.problem.to_string())?;
        if archive.sums.size != file.size {
            let (size, expected) = (archive.sums.size, file.size);
            return Err(format!("it has {size} bytes where {expected} were expected; fetch it again"));
        }
        if archive.sums.sha256 != file.sha256 {
            let (sum, expected) = (&archive.sums.sha256, &file.sha256);
            return Err(format!("its sha256 is {sum} where {expected} was expected; fetch it again"));
        }
        Ok(Record::of(&archive))
    }

    /// Carries files on that are listed no longer, for readers whose index is older.
    pub(super) fn carry(&self, retiring: &BTreeMap<(String, String), PathBuf>) -> Result<(), PublishError> {
        for ((subdir, name), from) in retiring {
            let folder = self.path.join(subdir);
            let to = folder.join(name);
            if !to.exists() {
                fs::create_dir_all(&folder).map_err(disk("make", &folder))?;
                place(from, &to)?;
            }
        }
        Ok(())
    }

    /// Writes the index of every sub-directory, and the instructions that were applied to it: who copies the
    /// channel can make the same index again.
    pub(super) fn index(
        &self,
        files: &BTreeMap<String, Records>,
        patches: &Patches,
    ) -> Result<(), PublishError> {
        for (subdir, records) in files {
            let folder = self.path.join(subdir);
            fs::create_dir_all(&folder).map_err(disk("make", &folder))?;
            let patches = patches.get(subdir).cloned().unwrap_or_default();
            if !patches.is_empty() {
                let path = folder.join(PATCH_FILE);
                fs::write(&path, patches.to_json()).map_err(disk("write", &path))?;
                sync(&path)?;
            }
            let index = SubdirIndex::new(subdir, records.clone(), &patches);
            index.write_to(&folder).map_err(disk("index", &folder))?;
        }
        Ok(())
    }

    /// Brings the lists of all folders to the disk; the files were brought there one by one.
    pub(super) fn sync_folders(&self) -> Result<(), PublishError> {
        for entry in fs::read_dir(&self.path).map_err(disk("list", &self.path))? {
            sync(&entry.map_err(disk("list", &self.path))?.path())?;
        }
        sync(&self.path)
    }
}

/// Puts the file `from` at `to`: as a hard link where both lie on one file system and everybody may
/// read it, else as a copy. A symbolic link is followed: what it points at may change later.
fn place(from: &Path, to: &Path) -> Result<(), PublishError> {
    let there = fs::symlink_metadata(from).map_err(disk("read", from))?;
    let shared = there.is_file() && there.permissions().mode() & READABLE == READABLE;
    if shared && fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map_err(disk("copy to", to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644)).map_err(disk("write", to))?;
    sync(to)
}
