//! An index of a folder of which most was read before: only archives are read that are new or have changed.

use std::io;
use std::path::{Path, PathBuf};

use super::{Index, IndexError, IndexedPackage, archive_names, indexed};
use crate::ecosystem::cran::archive::ArchiveLimits;
use crate::ecosystem::cran::layout::ArchiveKind;
use crate::ecosystem::index_memory::{Cache, IndexMemory, Stamp};
use crate::ecosystem::parallel::in_parallel;

/// An index, and what is remembered for the next one.
#[derive(Debug)]
pub struct Remembered {
    /// The index: the same, whatever was remembered.
    pub index: Index,
    /// How many archives were read; the others were known from before.
    pub read: usize,
    cache: Cache<IndexedPackage>,
    /// Where that is kept, if it is.
    kept: Option<PathBuf>,
}

/// An archive with the stamp that it had before and after it was looked at.
struct Look {
    stamp: Stamp,
    package: IndexedPackage,
    fresh: bool,
}

impl Remembered {
    /// As [`Index::of_folder`], but only archives are read that changed since what `memory` has of the folder's
    /// last index.
    pub fn of_folder(
        folder: &Path,
        kind: ArchiveKind,
        limits: &ArchiveLimits,
        memory: &IndexMemory,
    ) -> Result<Self, IndexError> {
        let names = archive_names(folder, kind)?;
        let kept = memory.file(folder, kind.suffix());
        let unreadable = |error: io::Error| IndexError {
            folder: folder.to_owned(),
            problems: vec![(".".to_owned(), format!("cannot be written to: {error}"))],
        };
        // Asked before anything is read; see `Cache::of`.
        let began = match (&kept, names.is_empty()) {
            (Some(_), false) => Some(Stamp::now_in(folder).map_err(unreadable)?),
            _ => None,
        };
        let known: Cache<IndexedPackage> = kept.as_deref().map(Cache::read).unwrap_or_default();
        let looks = in_parallel(&names, |name| {
            let stamp = || std::fs::metadata(folder.join(name)).map(|there| Stamp::of(&there));
            let unreadable = |error: io::Error| format!("cannot be read: {error}");
            let before = stamp().map_err(unreadable)?;
            if let Some(package) = known.record(name, &before) {
                return Ok(Look { stamp: before, package: package.clone(), fresh: false });
            }
            let package = indexed(folder, name, kind, limits)?;
            match stamp().map_err(unreadable)? == before {
                true => Ok(Look { stamp: before, package, fresh: true }),
                false => Err("it changed while it was read".to_owned()),
            }
        });
        let (mut packages, mut stamped, mut problems, mut read) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (name, look) in names.into_iter().zip(looks) {
            match look {
                Ok(Look { stamp, package, fresh }) => {
                    read += usize::from(fresh);
                    packages.push(package.clone());
                    stamped.push((name, stamp, package));
                }
                Err(problem) => problems.push((name, problem)),
            }
        }
        if !problems.is_empty() {
            return Err(IndexError { folder: folder.to_owned(), problems });
        }
        let cache = Cache::of(began.as_ref(), stamped);
        Ok(Self { index: Index::of_packages(packages), read, cache, kept })
    }

    /// Writes the index into `folder`, and what was read for the next time. Where that cannot be kept, the next
    /// time is slower and nothing else.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        self.index.write_to(folder)?;
        if let Some(kept) = &self.kept
            && let Err(error) = self.cache.write(kept)
        {
            tracing::debug!(file = %kept.display(), "what was read is not kept: {error}");
        }
        Ok(())
    }
}
