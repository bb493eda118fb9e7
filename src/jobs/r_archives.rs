//! Fetches archives of R packages from their universe: each within a limit on size, verified by its
//! SHA-256, looked into, and kept by its digest, so that what is there already is never fetched again.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::artifacts::kept_path;
use crate::digest::sha256_hex;
use crate::ecosystem::cran::archive::{ArchiveLimits, inspect_file};
use crate::ecosystem::cran::fetch::FetchLimits;
use crate::ecosystem::cran::layout::{ArchiveKind, RepositoryPath};
use crate::ecosystem::cran::universe::UniverseClient;
use crate::failure::Failure;

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
    /// Its SHA-256.
    pub sha256: &'a str,
}

impl PromisedArchive<'_> {
    /// Fetches the archive unless it is kept below `artifacts` already, and gives back where it is kept.
    /// Another content than was promised is a [`Failure::Permanent`]; a disk or a network that fails is
    /// transient.
    pub(super) async fn keep(&self, artifacts: &Path, client: &UniverseClient) -> Result<PathBuf, Failure> {
        let digest = self.sha256.len() == 64 && self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digest {
            return Err(Failure::permanent(format!("the universe gives `{}` as a SHA-256", self.sha256)));
        }
        let kept = kept_path(artifacts, self.sha256);
        if is_intact(&kept, self.sha256)? {
            return Ok(kept);
        }
        let folder = kept.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| disk("make", folder, &error))?;
        let mut file =
            tempfile::NamedTempFile::new_in(folder).map_err(|error| disk("write to", folder, &error))?;
        let limits = FetchLimits { bytes: ArchiveLimits::default().compressed, ..FetchLimits::default() };
        client.download(self.path, Some(self.sha256), &limits, &mut file).await?;
        self.look_into(file.path())?;
        // A temporary file is for its owner only; what is published is for everybody to read.
        file.flush()
            .and_then(|()| file.as_file().sync_all())
            .and_then(|()| file.as_file().set_permissions(fs::Permissions::from_mode(0o644)))
            .map_err(|error| disk("write", file.path(), &error))?;
        file.persist(&kept).map_err(|error| disk("keep", &kept, &error.error))?;
        Ok(kept)
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

/// True where the file is there with the right content; one that is damaged is fetched again.
fn is_intact(path: &Path, sha256: &str) -> Result<bool, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(sha256_hex(&bytes) == sha256),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk("read", path, &error)),
    }
}

fn disk(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::transient(format!("cannot {what} {}: {error}", path.display()))
}
