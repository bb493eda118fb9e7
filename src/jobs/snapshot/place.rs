//! Puts the files of a snapshot into the prepared folder and indexes them. Each is read once for that, which is
//! also the last look at what will be public: a disk may have lost something since the file came.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::fetch::FetchedFile;
use super::manifest::ManifestFile;
use crate::digest::sha256_of;
use crate::ecosystem::cran::archive::ArchiveLimits;
use crate::ecosystem::cran::index::{Index, IndexError};
use crate::ecosystem::cran::layout::ContribFolder;
use crate::failure::Failure;
use crate::publish::content::ContentStore;

/// Puts every file in its place, as a hard link where the file system allows, and indexes each folder. Gives
/// back what the files are.
pub(super) fn place(
    root: &Path,
    files: &[FetchedFile],
    content: &ContentStore,
) -> anyhow::Result<Vec<ManifestFile>> {
    let mut folders: BTreeSet<&ContribFolder> = BTreeSet::new();
    for file in files {
        let to = root.join(file.path.as_str());
        if folders.insert(&file.folder) {
            let folder = root.join(file.folder.as_str());
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::hard_link(&file.kept, &to)
            .or_else(|_| fs::copy(&file.kept, &to).map(drop))
            .with_context(|| format!("cannot place {}", to.display()))?;
    }
    let promised = Promised { files: files.iter().map(|file| (file.path.as_str(), file)).collect(), content };
    let mut placed = Vec::new();
    for folder in folders {
        let path = root.join(folder.as_str());
        let index = Index::of_folder(&path, folder.kind(), &ArchiveLimits::default());
        let index = index.map_err(|error| promised.refused(folder, error))?;
        for package in &index.packages {
            let below = format!("{}/{}", folder.as_str(), package.file);
            promised.compare(&below, &package.sha256)?;
            placed.push(ManifestFile { path: below, sha256: package.sha256.clone(), size: package.size });
        }
        index.write_to(&path).with_context(|| format!("cannot index {}", path.display()))?;
    }
    Ok(placed)
}

/// What the files have to be.
struct Promised<'a> {
    files: BTreeMap<&'a str, &'a FetchedFile>,
    content: &'a ContentStore,
}

impl Promised<'_> {
    /// Fails where the file at `path` is not what was fetched.
    fn compare(&self, path: &str, sha256: &str) -> anyhow::Result<()> {
        match self.files.get(path).filter(|file| file.sha256 != sha256) {
            None => Ok(()),
            Some(file) => Err(self.damage(file)?.unwrap_or_else(|| {
                Failure::transient(format!("{path} was not placed as it is kept; it is placed anew"))
            }))?,
        }
    }

    /// Why a folder has no index: one of its files may be another one than when it came.
    fn refused(&self, folder: &ContribFolder, error: IndexError) -> anyhow::Error {
        for name in error.files() {
            let path = format!("{}/{name}", folder.as_str());
            let damage = self.files.get(path.as_str()).map(|file| self.damage(file));
            match damage {
                Some(Ok(Some(failure))) => return failure.into(),
                Some(Err(error)) => return error,
                Some(Ok(None)) | None => {}
            }
        }
        error.into()
    }

    /// Sets the kept file aside where it is damaged, so that the next try fetches it again.
    fn damage(&self, file: &FetchedFile) -> anyhow::Result<Option<Failure>> {
        let read = fs::File::open(&file.kept).and_then(sha256_of);
        let (sha256, _) = read.with_context(|| format!("cannot read {}", file.kept.display()))?;
        if sha256 == file.sha256 {
            return Ok(None);
        }
        let (path, aside) = (&file.path, self.content.set_aside(&file.sha256)?);
        let aside = aside.display();
        let why =
            format!("the kept file of {path} is damaged; it was set aside as {aside} and is fetched again");
        Ok(Some(Failure::transient(why)))
    }
}
