//! One commit on the channel's own branch, and the files that a change comes to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Promote;
use super::act::{Acted, commit_message, to_json};
use super::observe::{CONFIG, Observed, SNAPSHOT};
use super::recovery::{COMMIT, CommitIntent};
use crate::daemon::{RunContext, RunError};
use crate::domain::{Change, NewContents};
use crate::ecosystem::cran::files::{ConfigFile, SnapshotRecord, write_snapshot};
use crate::github::{BranchName, CommitRefused, FileChange};
use crate::jobs::channel_files::PACKAGES;
use crate::store::{ChannelEntry, Origin};

/// The proof that a commit was made.
#[derive(Serialize, Deserialize)]
pub struct CommitReceipt {
    /// The commit.
    pub oid: String,
}

impl Promote {
    pub(super) async fn commit(
        &self,
        change: &Change,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Acted, RunError> {
        let store = &self.services.store;
        let key =
            format!("{COMMIT}/{}/{}/{}", seen.repository, seen.head, change.fingerprint(&seen.facts.source));
        let intent = to_json(&CommitIntent::of(change))?;
        let key = store.fresh_action_key(key).await?;
        store.intend(&key, COMMIT, &intent, context.run_id, now).await?;
        let branch = seen.default_branch.parse::<BranchName>().map_err(anyhow::Error::from)?;
        let message = commit_message(change, &key);
        let files = files(change, seen);
        let github = self.services.github()?;
        match github.commit_files(&seen.repository, &branch, &seen.head, &files, &message).await {
            Ok(committed) => {
                let receipt = CommitReceipt { oid: committed.oid.to_string() };
                self.record_commit(change, &receipt, seen, context, now).await?;
                store.finish(&key, &to_json(&receipt)?, now).await?;
                Ok(Acted::All)
            }
            // The head moved. If it was by this very commit, made before an interruption or an answer
            // that got lost, the next look takes it over; otherwise the plan is stale.
            Err(CommitRefused::HeadMoved { .. }) => Ok(Acted::HeadMoved),
            Err(CommitRefused::Failed(failure)) => self.settle(&key, Err(failure.into()), now).await,
        }
    }

    async fn record_commit(
        &self,
        change: &Change,
        receipt: &CommitReceipt,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let event = self.commit_event(&CommitIntent::of(change), receipt, context, now)?;
        self.services.store.add_event(&event).await?;
        if let Some(listings) = change.listings(&seen.facts.head.listings) {
            let versions: BTreeMap<&str, &str> =
                change.moves.iter().map(|moved| (&*moved.package, &*moved.to_version)).collect();
            let known =
                self.services.store.channel_at(&self.distribution.name, &self.settings.to, now).await?;
            let pins = listings.iter().filter_map(|listing| Some((listing, listing.pin()?)));
            let entries: Vec<ChannelEntry> = pins
                .map(|(listing, pin)| match known.get(&listing.package) {
                    Some((entry, _)) if entry.commit_sha == pin => entry.clone(),
                    _ => ChannelEntry {
                        package: listing.package.clone(),
                        version: versions.get(&*listing.package).map(|version| (*version).to_owned()),
                        commit_sha: pin.to_owned(),
                        origin: Origin::Tidegate,
                    },
                })
                .collect();
            self.sync_entries(&entries, context, now).await?;
        }
        Ok(())
    }
}

/// The files that a change alters, as upstream writes them. Rows that it is not about keep their
/// columns, their order and whatever else people wrote into them.
pub(super) fn files(change: &Change, seen: &Observed) -> Vec<FileChange> {
    let packages = match &change.contents {
        NewContents::CopyOfSource => seen.source_text.clone(),
        NewContents::Rows { set, removed } => seen.channel_file.with_rows(set, removed).write(),
    };
    let rows_change = match &change.contents {
        NewContents::CopyOfSource => true,
        NewContents::Rows { set, removed } => !set.is_empty() || !removed.is_empty(),
    };
    let mut files: Vec<(&str, String)> = Vec::new();
    if rows_change {
        files.push((PACKAGES, packages));
    }
    if let Some(targets) = &change.targets {
        files.push((CONFIG, ConfigFile { cran_version: targets.dependency_freeze }.write()));
        files.push((SNAPSHOT, write_snapshot(&SnapshotRecord::from(targets))));
    }
    let differs =
        |(path, text): &(&str, String)| seen.texts.get(*path).and_then(Option::as_ref) != Some(text);
    let changed = files.into_iter().filter(differs);
    changed.map(|(path, text)| FileChange { path: path.to_owned(), contents: Some(text) }).collect()
}
