//! The few things that publishing asks of a file system: names that stay inside, everything on the disk
//! before it counts, and links that switch in one step.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{PublishError, disk};

/// The longest name of a snapshot, channel or link.
const MAX_NAME: usize = 128;

/// `name`, where it is one to publish under.
pub(super) fn checked(name: &str) -> Result<&str, PublishError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if plain && first && name.len() <= MAX_NAME {
        return Ok(name);
    }
    Err(PublishError::BadName(name.chars().take(MAX_NAME).collect()))
}

/// True for a folder that is not a link.
pub(super) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_dir())
}

/// Brings a folder and everything below it to the disk: the files first, then the folder that lists them.
pub(super) fn sync_tree(folder: &Path) -> Result<(), PublishError> {
    for entry in fs::read_dir(folder).map_err(disk("list", folder))? {
        let path = entry.map_err(disk("list", folder))?.path();
        if is_folder(&path) { sync_tree(&path)? } else { sync(&path)? }
    }
    sync(folder)
}

/// Brings one file, or the list of one folder, to the disk.
pub(super) fn sync(path: &Path) -> Result<(), PublishError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(disk("bring to the disk", path))
}

/// Puts the file `from` at `to`: as a hard link where both lie on one file system, else as a copy.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> Result<(), PublishError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(drop).map_err(disk("copy to", to))
}

/// Removes the folder that a crash may have left at `path`.
pub(super) fn remove_leftover(path: &Path) -> Result<(), PublishError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(disk("remove what a crash left in", path)(error))
        }
        _ => Ok(()),
    }
}

/// A symbolic link that is switched in one step: the new one is made beside and renamed over the old one.
pub(super) struct Link {
    /// The link that readers follow.
    pub(super) path: PathBuf,
    /// Where the new one is made, in the same folder.
    pub(super) beside: PathBuf,
}

impl Link {
    /// What the link points at; none where there is nothing. Something else there is an error.
    pub(super) fn target(&self) -> Result<Option<PathBuf>, PublishError> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk("look at", &self.path)(error)),
            Ok(there) if !there.is_symlink() => {
                let name = self.path.file_name().unwrap_or_default();
                Err(PublishError::NotALink(name.to_string_lossy().into_owned()))
            }
            Ok(_) => fs::read_link(&self.path).map(Some).map_err(disk("read the link", &self.path)),
        }
    }

    /// Makes the new link, which points at `target`, beside the old one.
    pub(super) fn make(&self, target: &Path) -> Result<(), PublishError> {
        match fs::remove_file(&self.beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk("remove what a crash left in", &self.beside)(error));
            }
            _ => {}
        }
        std::os::unix::fs::symlink(target, &self.beside).map_err(disk("make the link", &self.beside))
    }

    /// Puts the new link into the place of the old one.
    pub(super) fn switch(&self) -> Result<(), PublishError> {
        fs::rename(&self.beside, &self.path).map_err(disk("switch the link", &self.path))
    }
}
