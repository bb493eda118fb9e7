//! `summary.json`: what a rehearsal came to, for machines.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use jiff::civil::Date;
use serde::Serialize;

use super::pages;
use crate::config::Configuration;
use crate::jobs::snapshot::Manifest;
use crate::publish::target::MANIFEST;
use crate::rehearse::github::state::PullRequest;
use crate::store::{SnapshotState, Store};

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Every published snapshot, by date.
    pub snapshots: Vec<SnapshotSummary>,
    /// Snapshots that a guard holds, by date.
    pub held_snapshots: Vec<HeldSnapshot>,
    /// How many pull requests ended in each state.
    pub pull_requests: BTreeMap<&'static str, usize>,
    /// How many occurrences ended with each outcome.
    pub occurrences: BTreeMap<String, u64>,
}

/// A published snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotSummary {
    /// Its date.
    pub date: Date,
    /// What is in it, by name.
    pub packages: Vec<SnapshotPackage>,
    /// What is not, by name.
    pub left_out: Vec<LeftOutPackage>,
    /// Why it was withdrawn as a whole, where somebody did that afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

/// A package of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
}

/// A package that is not in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOutPackage {
    /// Its name.
    pub name: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// A snapshot that was not published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldSnapshot {
    /// Its date.
    pub date: Date,
    /// Why.
    pub reason: String,
}

/// Reads the summary back from what was published and stored.
pub async fn collect(
    out: &Path,
    store: &Store,
    configuration: &Configuration,
    pull_requests: &[(String, PullRequest)],
) -> anyhow::Result<Summary> {
    let mut summary = Summary {
        snapshots: Vec::new(),
        held_snapshots: Vec::new(),
        pull_requests: BTreeMap::from([("open", 0), ("merged", 0), ("closed", 0)]),
        occurrences: store.occurrences_by_outcome().await?,
    };
    for (_, pull) in pull_requests {
        *summary.pull_requests.entry(pages::state(pull)).or_default() += 1;
    }
    for distribution in configuration.distributions.keys() {
        for row in store.snapshots(distribution).await? {
            let folder = out.join("published").join(distribution).join(row.date.to_string());
            match row.state {
                SnapshotState::Published => summary.snapshots.push(published(&folder, None)?),
                SnapshotState::Withdrawn => summary.snapshots.push(published(&folder, row.reason)?),
                SnapshotState::Held | SnapshotState::Preparing => {
                    let unfinished = || "It was begun and could not be finished yet.".to_owned();
                    let reason = row.reason.unwrap_or_else(unfinished);
                    summary.held_snapshots.push(HeldSnapshot { date: row.date, reason });
                }
            }
        }
    }
    Ok(summary)
}

fn published(folder: &Path, withdrawn: Option<String>) -> anyhow::Result<SnapshotSummary> {
    let file = folder.join(MANIFEST);
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is malformed", file.display()))?;
    let packages = manifest.packages.into_iter().map(|package| SnapshotPackage {
        name: package.name,
        version: package.version,
        commit: package.commit,
    });
    let left_out =
        manifest.left_out.into_iter().map(|left| LeftOutPackage { name: left.name, reason: left.reason });
    Ok(SnapshotSummary {
        date: manifest.date,
        packages: packages.collect(),
        left_out: left_out.collect(),
        withdrawn,
    })
}
