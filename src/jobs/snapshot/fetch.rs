//! Fetches the files of a snapshot's members: each within a limit on size, verified by its SHA-256,
//! looked into, and kept by its digest, so that what is there already is never fetched again.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};

use super::Snapshot;
use crate::calendar::Targets;
use crate::config::Binaries;
use crate::daemon::RunError;
use crate::decide::snapshot::{Member, SnapshotPlan};
use crate::domain::{PackageName, RVersion};
use crate::ecosystem::cran::archive::{ArchiveLimits, inspect_file};
use crate::ecosystem::cran::fetch::FetchLimits;
use crate::ecosystem::cran::layout::{BinaryPlatform, ContribFolder, RepositoryPath};
use crate::ecosystem::cran::universe::UniverseClient;
use crate::failure::Failure;
use crate::jobs::artifacts::kept_path;
use crate::jobs::check_status::{SeenPackage, SeenUniverse};
use crate::jobs::universes::{universe_client, universe_of};

/// How many files are fetched at once.
const AT_ONCE: usize = 4;

/// One file of a snapshot, fetched and verified.
#[derive(Clone, Debug)]
pub struct FetchedFile {
    /// The package it belongs to.
    pub package: PackageName,
    /// Where it belongs in the repository.
    pub path: RepositoryPath,
    /// The folder of the repository it lies in.
    pub folder: ContribFolder,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is kept.
    pub kept: PathBuf,
}

/// A file to fetch.
struct Wanted {
    package: PackageName,
    version: String,
    path: RepositoryPath,
    folder: ContribFolder,
    sha256: String,
}

impl Snapshot {
    /// Fetches everything that the plan's members need, in the order of their paths.
    pub(super) async fn fetch(
        &self,
        plan: &SnapshotPlan,
        universe: &SeenUniverse,
        targets: &Targets,
    ) -> Result<Vec<FetchedFile>, RunError> {
        let client = universe_client(&self.services, universe_of(&self.distribution, &self.settings.from)?)?;
        let mut wanted = Vec::new();
        for member in &plan.members {
            wanted.extend(self.files_of(member, universe, targets)?);
        }
        let fetched = futures_util::stream::iter(wanted)
            .map(|wanted| self.fetch_one(&client, wanted))
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await;
        let mut files = fetched?;
        files.sort_by(|one, other| one.path.as_str().cmp(other.path.as_str()));
        Ok(files)
    }

    /// The source of a member and its binaries for the targeted R. A member without a source at its
    /// own commit stops the snapshot: what is published is what was decided.
    fn files_of(
        &self,
        member: &Member,
        universe: &SeenUniverse,
        targets: &Targets,
    ) -> Result<Vec<Wanted>, RunError> {
        let seen = universe.get(&member.package);
        let built = seen.filter(|seen| seen.facts.commit.as_deref() == Some(&member.commit));
        let source = built.and_then(|seen| seen.source.as_ref());
        let (Some(seen), Some(source)) = (built, source) else {
            return Err(RunError::Permanent(anyhow::anyhow!(
                "the universe has no source of {} {} at commit {}",
                member.package,
                member.version,
                member.commit
            )));
        };
        let folder = ContribFolder::source();
        let mut wanted = vec![Wanted {
            package: member.package.clone(),
            version: member.version.clone(),
            path: folder.archive(&member.package, &member.version).map_err(anyhow::Error::from)?,
            folder,
            sha256: source.sha256.clone(),
        }];
        wanted.extend(self.binaries_of(member, seen, targets)?);
        Ok(wanted)
    }

    fn binaries_of(
        &self,
        member: &Member,
        seen: &SeenPackage,
        targets: &Targets,
    ) -> anyhow::Result<Vec<Wanted>> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for binary in &seen.binaries {
            let right = binary.version == member.version
                && binary.commit.as_deref().is_none_or(|commit| commit == member.commit)
                && RVersion::parse(&binary.r).is_ok_and(|r| r.minor_series() == targets.r);
            if !right {
                continue;
            }
            for platform in BinaryPlatform::of_universe(&binary.os, binary.arch.as_deref()) {
                if !self.takes(*platform) {
                    continue;
                }
                let folder = ContribFolder::binary(*platform, &targets.r)?;
                let path = folder.archive(&member.package, &member.version)?;
                if wanted.iter().all(|known| known.path != path) {
                    wanted.push(Wanted {
                        package: member.package.clone(),
                        version: member.version.clone(),
                        path,
                        folder,
                        sha256: binary.sha256.clone(),
                    });
                }
            }
        }
        Ok(wanted)
    }

    /// Windows on ARM is left to its own sources, as upstream's snapshots do.
    fn takes(&self, platform: BinaryPlatform) -> bool {
        match platform {
            BinaryPlatform::WindowsX64 => self.settings.binaries.contains(&Binaries::Windows),
            BinaryPlatform::MacX64 | BinaryPlatform::MacArm64 => {
                self.settings.binaries.contains(&Binaries::Macos)
            }
            BinaryPlatform::WindowsArm64 => false,
        }
    }

    async fn fetch_one(&self, client: &UniverseClient, wanted: Wanted) -> Result<FetchedFile, RunError> {
        let kept = self.kept_path(&wanted.sha256)?;
        if !is_intact(&kept, &wanted.sha256)? {
            let folder = kept.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let mut file = tempfile::NamedTempFile::new_in(folder).context("cannot make a temporary file")?;
            let limits = FetchLimits { bytes: ArchiveLimits::default().compressed, ..FetchLimits::default() };
            client.download(&wanted.path, Some(&wanted.sha256), &limits, &mut file).await?;
            file.flush().and_then(|()| file.as_file().sync_all()).context("cannot write a fetched file")?;
            look_into(file.path(), &wanted)?;
            // A temporary file is for its owner only; what is published is for everybody to read.
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(0o644))
                .context("cannot open a fetched file to readers")?;
            file.persist(&kept).with_context(|| format!("cannot keep {}", kept.display()))?;
        }
        let size = fs::metadata(&kept).with_context(|| format!("cannot read {}", kept.display()))?.len();
        let Wanted { package, path, folder, sha256, .. } = wanted;
        Ok(FetchedFile { package, path, folder, sha256, size, kept })
    }

    /// Where a file is kept that the universe gives this digest.
    fn kept_path(&self, sha256: &str) -> Result<PathBuf, Failure> {
        let digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digest {
            return Err(Failure::permanent(format!("the universe gives `{sha256}` as a SHA-256")));
        }
        Ok(kept_path(&self.services.artifacts, sha256))
    }
}

/// True where the file is there with the right content; one that is damaged is fetched again.
fn is_intact(path: &Path, sha256: &str) -> anyhow::Result<bool> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>() == sha256)
}

/// An archive is never trusted: its DESCRIPTION has to be of the package and version that was asked for.
fn look_into(path: &Path, wanted: &Wanted) -> Result<(), RunError> {
    let facts = inspect_file(path, wanted.folder.kind(), &ArchiveLimits::default())
        .map_err(|problem| Failure::permanent(format!("{} is refused: {problem}", wanted.path.as_str())))?;
    let description = &facts.description;
    if description.package.as_ref() == Some(&wanted.package)
        && description.version.as_ref() == Some(&wanted.version)
    {
        return Ok(());
    }
    Err(Failure::permanent(format!(
        "{} holds {} {}, which is not what its name says",
        wanted.path.as_str(),
        description.package.as_deref().unwrap_or("no package"),
        description.version.as_deref().unwrap_or("without a version")
    ))
    .into())
}
