//! What a published folder holds, file by file: how two of them are compared, and how one is verified.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::digest::sha256_of;

/// A file's size and checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSum {
    /// In bytes.
    pub size: u64,
    /// In lower-case hexadecimal digits.
    pub sha256: String,
}

/// The files below a folder: their paths, relative with forward slashes, and their sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderSums(BTreeMap<String, FileSum>);

impl FolderSums {
    /// Reads every file below `folder`. Links, devices and names that are not UTF-8 are errors: what
    /// is published has to mean the same wherever it is copied to.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        let mut sums = Self::default();
        sums.walk(folder, "")?;
        Ok(sums)
    }

    /// The files in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &FileSum)> {
        self.0.iter().map(|(path, sum)| (path.as_str(), sum))
    }

    /// The same without the files whose paths are to be left out.
    pub fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(path, _)| !left_out(path));
        Self(kept.map(|(path, sum)| (path.clone(), sum.clone())).collect())
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there is no file at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first difference from `other` in words, with `other` as what is there; none where both
    /// hold the same files with the same content.
    pub fn difference(&self, other: &Self) -> Option<String> {
        for (path, sum) in &self.0 {
            match other.0.get(path) {
                None => return Some(format!("`{path}` is missing there")),
                Some(there) if there != sum => return Some(format!("`{path}` has another content there")),
                Some(_) => {}
            }
        }
        let more = other.0.keys().find(|path| !self.0.contains_key(*path))?;
        Some(format!("`{more}` is there, but not among the new files"))
    }

    fn walk(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let at = entry.path();
            let refuse =
                |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", at.display()));
            let name = entry.file_name().into_string().map_err(|_| refuse("the name is not UTF-8"))?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&at, &path)?;
            } else if kind.is_file() {
                self.0.insert(path, sum_of(&at)?);
            } else {
                return Err(refuse("neither a file nor a folder"));
            }
        }
        Ok(())
    }
}

fn sum_of(path: &Path) -> io::Result<FileSum> {
    let (sha256, size) = sha256_of(File::open(path)?)?;
    Ok(FileSum { size, sha256 })
}
