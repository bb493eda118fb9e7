//! Fetches the files of a snapshot's members.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Snapshot;
use super::wanted::Wanted;
use crate::config::FetchBy;
use crate::daemon::RunError;
use crate::domain::PackageName;
use crate::ecosystem::cran::layout::{ContribFolder, RepositoryPath};
use crate::ecosystem::cran::universe::UniverseClient;
use crate::failure::Failure;
use crate::jobs::progress::{Amount, Progress};
use crate::jobs::r_archives::KeptArchive;
use crate::jobs::universes::{universe_client, universe_of};

/// How many files are fetched at once.
const AT_ONCE: usize = 4;

/// A file as it is kept, and its SHA-256.
type Fetched = (KeptArchive, String);

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

impl Snapshot {
    /// Fetches what is not kept yet of the wanted files, and gives back all of them in their order. What was
    /// fetched before something fails is kept, and the next try goes on from there.
    pub(super) async fn fetch(&self, wanted: Vec<Wanted>) -> Result<Vec<FetchedFile>, RunError> {
        let client = universe_client(&self.services, universe_of(&self.distribution, &self.settings.from)?)?;
        let content = self.services.content();
        // Several places may want the same bytes, as both kinds of macOS do of a package without compiled code.
        let mut seen = BTreeSet::new();
        let distinct: Vec<&Wanted> = wanted.iter().filter(|file| seen.insert(file.bytes())).collect();
        let mut missing = Vec::new();
        for file in &distinct {
            if file.promised(&file.promise).find(&content)?.is_none() {
                missing.push(*file);
            }
        }
        let bytes = missing.iter().filter_map(|file| file.promise.size).sum();
        let total = Amount { files: missing.len() as u64, bytes };
        let progress = Progress::new(format!("the files of {}", self.settings.from), total);
        if self.settings.fetch != FetchBy::Files {
            self.fetch_archives(&client, &missing, &progress).await?;
        }
        let mut fetching = Vec::with_capacity(distinct.len());
        for file in distinct {
            let fetched = self.fetch_one(&client, file, &progress);
            fetching.push(async move { Ok::<_, RunError>((file.bytes(), fetched.await?)) });
        }
        let fetched = futures_util::stream::iter(fetching).buffer_unordered(AT_ONCE);
        let fetched: BTreeMap<_, Fetched> = fetched.try_collect().await?;
        let file = |wanted: &Wanted| {
            let (kept, sha256) = fetched.get(&wanted.bytes())?.clone();
            Some(FetchedFile {
                package: wanted.package.clone(),
                path: wanted.path.clone(),
                folder: wanted.folder.clone(),
                sha256,
                size: kept.size,
                kept: kept.path,
            })
        };
        Ok(wanted.iter().filter_map(file).collect())
    }

    /// Fetches a file unless it is kept. Where it is not to be had, another one of the same commit is taken that is.
    async fn fetch_one(
        &self,
        client: &UniverseClient,
        wanted: &Wanted,
        progress: &Progress,
    ) -> Result<Fetched, RunError> {
        let content = self.services.content();
        if let Some(kept) = wanted.promised(&wanted.promise).find(&content)? {
            return Ok((kept, wanted.promise.sha256.clone()));
        }
        let told = |bytes| progress.received(bytes);
        let fetched = wanted.promised(&wanted.promise).keep(&content, client, &told).await;
        let (kept, sha256) = match (fetched, &wanted.fallback) {
            (Ok(kept), _) => (kept, &wanted.promise.sha256),
            (Err(failure), Some(fallback)) => {
                let Some(kept) = wanted.promised(fallback).find(&content)? else {
                    return Err(not_to_be_had(wanted, failure).into());
                };
                tracing::warn!(file = %wanted.path, "taking the one of the same commit that is kept: {failure}");
                (kept, &fallback.sha256)
            }
            (Err(failure), None) => return Err(not_to_be_had(wanted, failure).into()),
        };
        progress.file_done();
        Ok((kept, sha256.clone()))
    }
}

/// A failure with what it means for the snapshot: it holds what was decided, or is not published.
fn not_to_be_had(wanted: &Wanted, failure: Failure) -> Failure {
    let Wanted { package, version, .. } = wanted;
    let what = format!(
        "{package} {version} is part of the snapshot, and a file of it is neither kept nor to be had"
    );
    match failure {
        Failure::Transient { message, retry_at } => {
            Failure::Transient { message: format!("{what}: {message}"), retry_at }
        }
        Failure::Permanent { message } => Failure::permanent(format!(
            "{what}; its universe may have moved on since the day that the snapshot is of: {message}"
        )),
        configuration @ Failure::Configuration { .. } => configuration,
    }
}
