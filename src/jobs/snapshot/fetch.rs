//! Fetches the files of a snapshot's members: which those are, and where they belong.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Snapshot;
use crate::calendar::Targets;
use crate::config::Binaries;
use crate::daemon::RunError;
use crate::decide::snapshot::Member;
use crate::domain::{PackageName, RVersion};
use crate::ecosystem::cran::layout::{BinaryPlatform, ContribFolder, RepositoryPath};
use crate::ecosystem::cran::universe::UniverseClient;
use crate::jobs::check_status::{SeenPackage, SeenUniverse};
use crate::jobs::r_archives::PromisedArchive;
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
    /// Fetches everything that these packages need, in the order of their paths.
    pub(super) async fn fetch(
        &self,
        members: &[Member],
        universe: &SeenUniverse,
        targets: &Targets,
    ) -> Result<Vec<FetchedFile>, RunError> {
        let client = universe_client(&self.services, universe_of(&self.distribution, &self.settings.from)?)?;
        let mut wanted = Vec::new();
        for member in members {
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
        let Wanted { package, version, path, folder, sha256 } = wanted;
        let promised = PromisedArchive {
            package: &package,
            version: &version,
            path: &path,
            kind: folder.kind(),
            sha256: &sha256,
        };
        let kept = promised.keep(&self.services.artifacts, client).await?;
        let size = fs::metadata(&kept).with_context(|| format!("cannot read {}", kept.display()))?.len();
        Ok(FetchedFile { package, path, folder, sha256, size, kept })
    }
}
