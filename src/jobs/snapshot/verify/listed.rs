//! What lies below the folder of a snapshot.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything below a folder, by paths with forward slashes. No link is followed.
#[derive(Default)]
pub(super) struct Listed {
    /// The files.
    pub files: BTreeSet<String>,
    /// Links and devices, which no snapshot has.
    pub links: BTreeSet<String>,
    /// Folders without anything in them, with a slash at the end.
    pub empty: BTreeSet<String>,
}

impl Listed {
    pub(super) fn of_folder(folder: &Path) -> std::io::Result<Self> {
        let mut listed = Self::default();
        listed.walk(folder, "")?;
        Ok(listed)
    }

    fn walk(&mut self, folder: &Path, below: &str) -> std::io::Result<()> {
        let mut empty = true;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            empty = false;
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                self.files.insert(path);
            } else {
                self.links.insert(path);
            }
        }
        if empty && !below.is_empty() {
            self.empty.insert(below.to_owned());
        }
        Ok(())
    }

    /// The bytes of a file by its path below `root`. Only what was listed is opened: a path may be anything.
    pub(super) fn read(&self, root: &Path, path: &str) -> Result<Vec<u8>, String> {
        match self.files.contains(path) {
            true => fs::read(root.join(path)).map_err(|error| format!("it cannot be read: {error}")),
            false => Err("it is not there".to_owned()),
        }
    }
}
