//! Keeps the files of what the channel pins to a commit: an upstream that vanishes before the next snapshot
//! costs nothing then.
//!
//! A file is in the store before its row names it. Where the power fails between the two, the next look finds
//! the file and writes the row.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::{CheckStatus, SeenPackage, SeenUniverse};
use crate::calendar::Targets;
use crate::config::KeptFor;
use crate::daemon::RunError;
use crate::domain::PackageName;
use crate::ecosystem::cran::fetch::Promise;
use crate::ecosystem::cran::layout::{ContribFolder, RepositoryPath};
use crate::ecosystem::cran::universe::UniverseClient;
use crate::failure::Failure;
use crate::jobs::progress::{Amount, Progress};
use crate::jobs::r_archives::PromisedArchive;
use crate::jobs::snapshot::folders_of;
use crate::jobs::universes::{universe_client, universe_of};
use crate::store::{ChannelOf, KeptFile};

/// How many files are fetched at once.
const AT_ONCE: usize = 4;

/// A file that is not kept yet.
struct Unkept<'a> {
    package: &'a PackageName,
    version: &'a str,
    commit: &'a str,
    folder: ContribFolder,
    path: RepositoryPath,
    promise: Promise,
}

impl CheckStatus {
    /// Keeps what the pinned packages have in their universe, and gives back what could not be kept now, in
    /// words. Nothing of that is an end of the pass: the status stands, and the next pass tries again. An archive
    /// that is refused is told of and left at that, until the universe has another one.
    pub(super) async fn keep_files(
        &self,
        pins: &BTreeMap<PackageName, String>,
        universe: &SeenUniverse,
        targets: &Targets,
        now: Timestamp,
    ) -> Result<Vec<String>, RunError> {
        let of = ChannelOf { distribution: &self.distribution.name, channel: &self.settings.channel };
        let store = &self.services.store;
        store.sync_kept_files(of, pins, now).await?;
        if self.settings.keep == KeptFor::Nothing {
            return Ok(Vec::new());
        }
        // Until the rows are written nothing may be collected.
        let _keeping = self.services.keeping().await?;
        let kept = store.kept_files(of).await?;
        let mut unkept = Vec::new();
        for (package, pin) in pins {
            let seen = universe.get(package).filter(|seen| seen.facts.commit.as_ref() == Some(pin));
            if let Some(seen) = seen {
                unkept.extend(self.files_of(package, pin, seen, targets)?);
            }
        }
        let content = self.services.content();
        let mut there = Vec::new();
        for file in unkept {
            let row = kept.iter().find(|row| {
                row.package == *file.package && row.commit == file.commit && row.path == file.path.as_str()
            });
            let known = row.is_some_and(|row| row.sha256 == file.promise.sha256);
            if !known
                || content.find(&file.promise.sha256, file.promise.size).map_err(Failure::from)?.is_none()
            {
                there.push(file);
            }
        }
        self.fetch(of, &there, now).await
    }

    fn files_of<'a>(
        &self,
        package: &'a PackageName,
        pin: &'a str,
        seen: &'a SeenPackage,
        targets: &Targets,
    ) -> anyhow::Result<Vec<Unkept<'a>>> {
        let Some(version) = seen.facts.version.as_deref() else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        let mut add = |folder: ContribFolder, promise: Promise| -> anyhow::Result<()> {
            let path = folder.archive(package, version)?;
            files.push(Unkept { package, version, commit: pin, folder, path, promise });
            Ok(())
        };
        if let Some(source) = &seen.source {
            add(ContribFolder::source(), Promise { sha256: source.sha256.clone(), size: source.size })?;
        }
        let binaries = seen.binaries.iter().filter(|binary| {
            let same = binary.commit.as_deref().is_none_or(|commit| commit == pin);
            binary.is_good() && binary.version == version && same
        });
        if self.settings.keep == KeptFor::All {
            for binary in binaries {
                for (_, folder) in folders_of(binary, &targets.r)? {
                    add(folder, Promise { sha256: binary.sha256.clone(), size: None })?;
                }
            }
        }
        Ok(files)
    }

    /// Fetches the files, and writes each down once it is kept.
    async fn fetch(
        &self,
        of: ChannelOf<'_>,
        files: &[Unkept<'_>],
        now: Timestamp,
    ) -> Result<Vec<String>, RunError> {
        let client = universe_client(&self.services, universe_of(&self.distribution, of.channel)?)?;
        let bytes = files.iter().filter_map(|file| file.promise.size).sum();
        let total = Amount { files: files.len() as u64, bytes };
        let progress = Progress::new(format!("what {} pins", of.channel), total);
        let mut fetching = Vec::with_capacity(files.len());
        for file in files {
            fetching.push(self.fetch_one(&client, file, &progress));
        }
        let mut fetched = futures_util::stream::iter(fetching).buffer_unordered(AT_ONCE);
        let mut failed = Vec::new();
        while let Some(result) = fetched.next().await {
            match result {
                Ok(row) => self.services.store.add_kept_file(of, &row, now).await?,
                Err(failure @ Failure::Configuration { .. }) => return Err(failure.into()),
                Err(failure) if failure.is_transient() => failed.push(failure.to_string()),
                Err(failure) => tracing::warn!("a file of a pinned package is not kept: {failure}"),
            }
        }
        failed.sort();
        Ok(failed)
    }

    async fn fetch_one(
        &self,
        client: &UniverseClient,
        file: &Unkept<'_>,
        progress: &Progress,
    ) -> Result<KeptFile, Failure> {
        let promised = PromisedArchive {
            package: file.package,
            version: file.version,
            path: &file.path,
            kind: file.folder.kind(),
            promise: &file.promise,
        };
        let told = |bytes| progress.received(bytes);
        let kept = promised.keep(&self.services.content(), client, &told).await?;
        progress.file_done();
        Ok(KeptFile {
            package: file.package.clone(),
            version: file.version.to_owned(),
            commit: file.commit.to_owned(),
            path: file.path.as_str().to_owned(),
            sha256: file.promise.sha256.clone(),
            size: kept.size,
        })
    }
}
