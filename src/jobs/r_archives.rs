//! Fetches archives of R packages from their universe: each within a limit on size, verified by size and
//! SHA-256, looked into, and kept by its digest, so that what is there already is never fetched again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ecosystem::cran::archive::{ArchiveLimits, inspect_file};
use crate::ecosystem::cran::fetch::{FetchLimits, PartialFile, Promise};
use crate::ecosystem::cran::layout::{ArchiveKind, RepositoryPath};
use crate::ecosystem::cran::universe::UniverseClient;
use crate::failure::Failure;
use crate::publish::content::ContentStore;

/// The longest time for one request. What has arrived by then is not lost, and a connection that brings
/// nothing for a minute ends long before.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// An archive as its universe promises it.
pub(super) struct PromisedArchive<'a> {
    /// The package.
    pub package: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Where it lies in the universe.
    pub path: &'a RepositoryPath,
    /// What kind of archive it is.
    pub kind: ArchiveKind,
    /// Its SHA-256 and size.
    pub promise: &'a Promise,
}

/// An archive that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptArchive {
    /// Where.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

impl PromisedArchive<'_> {
    /// Where the archive is kept already, if it is.
    pub(super) fn find(&self, content: &ContentStore) -> Result<Option<KeptArchive>, Failure> {
        let found = content.find(&self.promise.sha256, self.promise.size)?;
        Ok(found.map(|(path, size)| KeptArchive { path, size }))
    }

    /// Fetches the archive unless it is kept already, and gives back where it is kept. An archive that is not of
    /// this package is a [`Failure::Permanent`]; other bytes than were promised, a disk or a network that fails
    /// are transient. `told` hears of bytes as they arrive.
    pub(super) async fn keep(
        &self,
        content: &ContentStore,
        client: &UniverseClient,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<KeptArchive, Failure> {
        if let Some(kept) = self.find(content)? {
            return Ok(kept);
        }
        let sha256 = &self.promise.sha256;
        let limits = FetchLimits { bytes: ArchiveLimits::default().compressed, timeout: LONGEST };
        // Where another job fetches the same file now, this one does not wait for it.
        let mut own = None;
        let mut partial = match PartialFile::open(&content.partial(sha256)?)? {
            Some(partial) => partial,
            None => {
                let file = own.insert(content.temporary()?);
                let taken = || Failure::transient(format!("{} is in use", file.path().display()));
                PartialFile::open(file.path())?.ok_or_else(taken)?
            }
        };
        let fetched = client.fetch(self.path, self.promise, &limits, &mut partial, told).await?;
        if let Err(refused) = self.look_into(partial.path()) {
            partial.forget()?;
            return Err(refused);
        }
        let path = content.keep(partial.path(), sha256)?;
        partial.done();
        Ok(KeptArchive { path, size: fetched.size })
    }

    /// Keeps the archive that lies in the file `from` of the store, which has been found to be the promised
    /// one.
    pub(super) fn keep_from(&self, content: &ContentStore, from: &Path) -> Result<PathBuf, Failure> {
        self.look_into(from)?;
        Ok(content.keep(from, &self.promise.sha256)?)
    }

    /// An archive is never trusted: its DESCRIPTION has to be of the package and version that was asked for.
    fn look_into(&self, path: &Path) -> Result<(), Failure> {
        let facts = inspect_file(path, self.kind, &ArchiveLimits::default())
            .map_err(|problem| Failure::permanent(format!("{} is refused: {problem}", self.path)))?;
        let (package, version) = (facts.description.package, facts.description.version);
        if package.as_deref() == Some(self.package) && version.as_deref() == Some(self.version) {
            return Ok(());
        }
        Err(Failure::permanent(format!(
            "{} holds {} {}, which is not what its name says",
            self.path,
            package.as_deref().unwrap_or("no package"),
            version.as_deref().unwrap_or("without a version")
        )))
    }
}
