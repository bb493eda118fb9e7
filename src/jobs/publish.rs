//! `publish`: sends published snapshots to the targets that are to have them.
//!
//! Which those are is a row each, written by whoever wants it: the job that takes the snapshot, or a person. A pass
//! takes the rows that are due one after the other, so that a target that fails holds up no other. Before
//! anything is sent the published folder is compared with the manifest that was written down. What stands above the
//! snapshots follows last: `publish/catalogues.rs`.

mod catalogues;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::publish_targets::PublishTargets;
use super::snapshot::{LATEST, Manifest, is_attached};
use super::{Pass, Services};
use crate::config::{Distribution, PublishJob as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::publication::next_try;
use crate::decide::words::listed;
use crate::failure::Failure;
use crate::publish::directory::Directory;
use crate::publish::folder_sums::FolderSums;
use crate::publish::target::{Ground, Journal, MANIFEST, Other, Receipt, Tree};
use crate::store::{
    FailedAttempt, LatestAtTarget, NewEvent, NewPublication, Publication, PublicationId, PublicationState,
    SnapshotState, Store,
};

/// The job.
pub struct Publish {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub targets: PublishTargets,
    pub pass: Pass,
}

impl JobWork for Publish {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.send(context))
    }
}

impl Publish {
    async fn send(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let store = &self.services.store;
        let name = &self.distribution.name;
        if self.pass == Pass::Full {
            self.follow_generations(&context).await?;
        }
        let due = store.due_publications(name, self.services.clock.now()).await?;
        if self.pass == Pass::PlanOnly {
            let due: Vec<String> = due.iter().map(|one| format!("{} to {}", one.date, one.target)).collect();
            return Ok(super::planned_only(RunOutcome::done(format!("to be sent: {}", listed(&due)))));
        }
        let mut told = Vec::new();
        for publication in due {
            if context.cancel.is_cancelled() {
                break;
            }
            told.push(self.attempt(&publication, &context).await?);
        }
        told.extend(self.follow_latest(&context).await?);
        told.extend(self.send_catalogues(&context).await?);
        if told.is_empty() {
            return Ok(RunOutcome::Unchanged { summary: "nothing is to be sent to any target".to_owned() });
        }
        Ok(RunOutcome::done(told.join("; ")))
    }

    fn directory(&self) -> Directory {
        Directory::new(self.services.publish.join(&self.distribution.name))
    }

    /// Where a target has an earlier generation of a snapshot than the folder, it is to have the later one: what was
    /// withdrawn has to leave every target.
    async fn follow_generations(&self, context: &RunContext) -> anyhow::Result<()> {
        let Services { store, clock, .. } = &*self.services;
        let distribution = &self.distribution.name;
        let mut newest: BTreeMap<(Date, String), u32> = BTreeMap::new();
        for one in store.publications(distribution).await? {
            let known = newest.entry((one.date, one.target)).or_default();
            *known = one.generation.max(*known);
        }
        for ((date, target), known) in newest {
            let there = self.directory().generation(&date.to_string())?;
            let Some((number, _)) = there.filter(|(number, _)| *number > u64::from(known)) else { continue };
            let (generation, target) = (u32::try_from(number)?, target.as_str());
            let new = NewPublication { distribution, date, generation, target, by: &context.job };
            store.want_publication(&new, clock.now()).await?;
        }
        Ok(())
    }

    /// Where people had `latest` go back to an older snapshot, or forward again, the targets that have that snapshot
    /// follow. What came of it in a few words for each.
    async fn follow_latest(&self, context: &RunContext) -> anyhow::Result<Vec<String>> {
        let Services { store, clock, .. } = &*self.services;
        let distribution = &self.distribution.name;
        let Some(pointed) = self.directory().pointed(LATEST)? else { return Ok(Vec::new()) };
        let known = store.latest_at_targets(distribution).await?;
        let (date, generation) = (pointed.of.parse::<Date>()?, u32::try_from(pointed.generation)?);
        let rows = store.publications(distribution).await?.into_iter().filter(|row| {
            row.state == PublicationState::Done && (row.date, row.generation) == (date, generation)
        });
        let mut told = Vec::new();
        for row in rows {
            let latest = LatestAtTarget { target: row.target.clone(), date, generation };
            if known.contains(&latest) || context.cancel.is_cancelled() {
                continue;
            }
            let now = clock.now();
            // What is there is not sent again; the target's own `latest` is all that changes.
            match self.publish(&row).await {
                Ok(receipt) => {
                    let event = latest_event(distribution, &context.job, &latest, now);
                    let event = receipt.is_latest.then_some(&event);
                    store.latest_pointed(distribution, &latest, now, event).await?;
                    told.push(format!("latest is {date} at {}", row.target));
                }
                // Nothing waits for it but this: the next pass tries again.
                Err(failure) => told.push(format!("latest is not {date} yet at {}: {failure}", row.target)),
            }
        }
        Ok(told)
    }

    /// One attempt at one publication, and its row; what came of it in a few words.
    async fn attempt(&self, publication: &Publication, context: &RunContext) -> anyhow::Result<String> {
        let Services { store, clock, .. } = &*self.services;
        let (date, target) = (publication.date, &publication.target);
        store.publication_begun(publication.id, clock.now()).await?;
        let tried = tokio::select! {
            tried = self.publish(publication) => tried,
            () = context.cancel.cancelled() => Err(Failure::transient("the run was stopped in the middle")),
        };
        let now = clock.now();
        match tried {
            Ok(receipt) => {
                let told = event(publication, &context.job, Ok(&receipt), now);
                store.publication_done(publication.id, &serde_json::to_value(&receipt)?, &told).await?;
                if receipt.is_latest {
                    let (target, generation) = (target.clone(), publication.generation);
                    let latest = LatestAtTarget { target, date, generation };
                    store.latest_pointed(&self.distribution.name, &latest, now, None).await?;
                }
                Ok(format!("{date} is at {target}: {}", receipt.sent))
            }
            Err(failure) => {
                let attempts = publication.attempts + 1;
                let error = in_full(&failure);
                let failed = FailedAttempt { next_try_at: next_try(&failure, attempts, now), error };
                let told = event(publication, &context.job, Err(&failed), now);
                store.publication_failed(publication.id, &failed, &told).await?;
                Ok(format!("{date} is not at {target}: {}", failed.error))
            }
        }
    }

    async fn publish(&self, publication: &Publication) -> Result<Receipt, Failure> {
        let store = &self.services.store;
        let target = self.targets.get(&publication.target)?;
        let tree = self.tree(publication).await.map_err(as_failure)?;
        let all = store.publications(&self.distribution.name).await.map_err(as_failure)?;
        let others: Vec<Other> = all.into_iter().filter_map(|one| other(one, publication)).collect();
        let is_open = publication.receipt.is_none();
        let journal = Progress { store: is_open.then(|| store.clone()), id: publication.id };
        // One that is done already remembers what it did, and keeps nothing more.
        let progress = match &publication.receipt {
            Some(receipt) => receipt.get("kept").cloned(),
            None => publication.progress.clone(),
        };
        let ground = Ground { others: &others, progress, journal: &journal };
        target.publish(&tree, &ground).await
    }

    /// The published tree, after it was compared with what was written down of it.
    async fn tree(&self, publication: &Publication) -> anyhow::Result<Tree> {
        let name = &self.distribution.name;
        let snapshots = self.services.store.snapshots(name).await?;
        let published = snapshots.iter().filter(|row| row.state == SnapshotState::Published);
        let newest = published.map(|row| row.date).max();
        let row = snapshots.iter().find(|row| row.date == publication.date);
        let row = row.with_context(|| format!("{name} has no snapshot {}", publication.date))?;
        let not_published = || format!("the snapshot {} is not published", row.date);
        // What was withdrawn as a whole was published once more, as a generation that says so.
        ensure!(row.state == SnapshotState::Published || row.generation > 1, not_published());
        let written = row.manifest_digest.clone().with_context(not_published)?;
        let directory = self.directory();
        let there = directory.generation(&publication.date.to_string())?;
        let (number, folder) = there.with_context(not_published)?;
        ensure!(
            number == u64::from(publication.generation) && number == row.generation,
            "generation {} of the snapshot {} is not the one that is published, which is {number}",
            publication.generation,
            row.date
        );
        let latest = directory.pointed(LATEST)?.map(|pointed| pointed.of);
        let is_latest = match latest {
            Some(of) => of == publication.date.to_string(),
            None => newest == Some(publication.date),
        };
        let read = folder.clone();
        let files = tokio::task::spawn_blocking(move || compared(&read, &written)).await??;
        Ok(Tree {
            distribution: name.clone(),
            date: publication.date,
            generation: publication.generation,
            folder,
            files,
            is_latest,
        })
    }
}

/// The files of a published tree, all of which are what its manifest says, which is the one that was published.
fn compared(folder: &Path, manifest_sha256: &str) -> anyhow::Result<FolderSums> {
    let damaged = |what: &str| {
        anyhow::anyhow!(
            "{} is not what was published: {what}; `tidegate snapshot verify` shows all of it",
            folder.display()
        )
    };
    let files = FolderSums::of_folder(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let there: BTreeMap<&str, &str> = files.files().map(|(path, sum)| (path, sum.sha256.as_str())).collect();
    if there.get(MANIFEST) != Some(&manifest_sha256) {
        return Err(damaged("its manifest is another one"));
    }
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(folder.join(MANIFEST))?)
        .with_context(|| format!("{} is no manifest", folder.join(MANIFEST).display()))?;
    for file in &manifest.files {
        if there.get(file.path.as_str()) != Some(&file.sha256.as_str()) {
            return Err(damaged(&format!("`{}` is missing or has other bytes", file.path)));
        }
    }
    let named: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    let beside = |path: &str| path == MANIFEST || is_attached(path);
    match there.keys().find(|path| !named.contains(**path) && !beside(path)) {
        Some(extra) => Err(damaged(&format!("`{extra}` is none of its files"))),
        None => Ok(files),
    }
}

/// What a later publication may learn from another one at the same target.
fn other(one: Publication, publication: &Publication) -> Option<Other> {
    if one.target != publication.target || one.id == publication.id {
        return None;
    }
    // A receipt of another version of the program that cannot be read is worth nothing, and harms nothing.
    let receipt = one.receipt.filter(|_| one.state == PublicationState::Done);
    let receipt = receipt.and_then(|receipt| serde_json::from_value(receipt).ok());
    Some(Other { date: one.date, generation: one.generation, receipt, progress: one.progress })
}

struct Progress {
    /// Absent where nothing is kept any more.
    store: Option<Store>,
    id: PublicationId,
}

impl Journal for Progress {
    fn keep(&self, progress: Value) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let Some(store) = &self.store else { return Ok(()) };
            store.keep_publication_progress(self.id, &progress).await.map_err(as_failure)
        })
    }
}

/// A failure keeps its kind; what this machine itself could not do does not mend itself by trying again, but an
/// operator may mend it.
fn as_failure(error: anyhow::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => Failure::Configuration { message: format!("{error:#}"), hint: None },
    }
}

/// A failure with what to do about it.
fn in_full(failure: &Failure) -> String {
    match failure {
        Failure::Configuration { message, hint: Some(hint) } => format!("{message} ({hint})"),
        other => other.to_string(),
    }
}

/// What is told: that a target has a snapshot, or why it does not. However often it is tried, that it failed is told
/// once, and once more where it is given up; `status` has the last error.
fn event(
    publication: &Publication,
    job: &str,
    came_to: Result<&Receipt, &FailedAttempt>,
    at: Timestamp,
) -> NewEvent {
    let Publication { distribution, date, generation, target, .. } = publication;
    let key = format!("publication/{distribution}/{date}/{generation}/{target}");
    let (body, key) = match came_to {
        Ok(receipt) => {
            let body = json!({
                "date": date, "target": target, "generation": generation, "address": receipt.address,
                "sent_bytes": receipt.sent.bytes,
            });
            (body, key)
        }
        Err(failed) => {
            let body = json!({
                "date": date, "target": target, "generation": generation, "error": failed.error,
                "given_up": failed.next_try_at.is_none(),
            });
            let what = if failed.next_try_at.is_none() { "given-up" } else { "failed" };
            (body, format!("{key}/{what}/{}", publication.wanted_at))
        }
    };
    NewEvent { at, kind: "publication".to_owned(), job: job.to_owned(), package: None, body, dedup_key: key }
}

/// What is told where `latest` stands for another snapshot than before.
fn latest_event(distribution: &str, job: &str, latest: &LatestAtTarget, at: Timestamp) -> NewEvent {
    let LatestAtTarget { target, date, generation } = latest;
    NewEvent {
        at,
        kind: "publication".to_owned(),
        job: job.to_owned(),
        package: None,
        body: json!({ "date": date, "target": target, "generation": generation, "latest": true }),
        dedup_key: format!("publication/{distribution}/latest/{target}/{date}/{generation}/{at}"),
    }
}
