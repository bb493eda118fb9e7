//! What the store knows of tidegate's pull requests, brought up to date with what GitHub shows.
//!
//! GitHub is the truth and the store a copy of it: every pull request carries a hidden marker with
//! its key and what it proposes, so that one whose row was lost is found again and adopted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Promote;
use crate::daemon::{RunContext, RunError};
use crate::domain::{PackageName, ProposalSeen, ProposalState};
use crate::github::{
    BranchName, Lookup, PullRequestSeen, PullRequestState as SeenState, RepositoryName, RepositoryView,
    marker,
};
use crate::store::{NewEvent, PullRequest, PullRequestState, Store};

/// What a pull request says of itself in its hidden marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Which proposal it is.
    pub key: String,
    /// The packages it moves.
    pub packages: Vec<PackageName>,
    /// The commits it moves them to.
    pub commits: BTreeMap<PackageName, String>,
    /// The versions of these.
    pub versions: BTreeMap<PackageName, String>,
    /// What it changes, see [`crate::domain::Change::fingerprint`].
    pub fingerprint: String,
    /// The digest of its text.
    pub text: String,
}

impl Promote {
    /// Brings the stored pull requests up to date with `view`, tells of every one that was merged or
    /// closed, and returns them as the decision sees them, oldest first.
    pub async fn sync_proposals(
        &self,
        repository: &RepositoryName,
        view: &RepositoryView,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Vec<ProposalSeen>, RunError> {
        let store = &self.services.store;
        let mut proposals = Vec::new();
        let known = store.pull_requests(repository.as_str()).await?;
        let mut rows: BTreeMap<u64, PullRequest> =
            known.into_iter().filter_map(|row| Some((row.number?.try_into().ok()?, row))).collect();
        for seen in &view.pulls {
            let (row, known) = match rows.entry(seen.number) {
                Entry::Occupied(known) => (known.into_mut(), true),
                Entry::Vacant(unknown) => match self.lost(repository, view, seen, now) {
                    Some(row) => (unknown.insert(row), false),
                    None => continue,
                },
            };
            let before = known.then(|| row.clone());
            self.bring_up_to_date(repository, row, seen, now).await?;
            self.keep(row, before.as_ref(), context, now).await?;
        }
        for number in &view.missing_pulls {
            let Some(row) = rows.get_mut(number) else { continue };
            let before = row.clone();
            row.state = PullRequestState::Withdrawn;
            row.finished_at = Some(now);
            self.keep(row, Some(&before), context, now).await?;
        }
        for (number, row) in rows {
            let seen = view.pulls.iter().find(|seen| seen.number == number);
            proposals.push(as_decided_on(number, row, seen));
        }
        Ok(proposals)
    }

    /// The row of a pull request of ours that the store does not know. What a stranger opened, or what comes
    /// from another repository, is never ours, whatever its branch is called and its text says.
    fn lost(
        &self,
        repository: &RepositoryName,
        view: &RepositoryView,
        seen: &PullRequestSeen,
        now: Timestamp,
    ) -> Option<PullRequest> {
        let prefix = self.distribution.policy.pull_request.branch_prefix.as_str();
        let ours = view.is_ours(seen) && seen.head_ref.starts_with(prefix);
        ours.then(|| adopted(repository, seen, now)).flatten()
    }

    /// True where a person gave a closed pull request the label that asks for the same again.
    fn is_wanted_again(&self, seen: &PullRequestSeen) -> bool {
        let label = &self.distribution.policy.pull_request.propose_again;
        seen.labels.iter().any(|known| known.to_lowercase() == label.to_lowercase())
    }

    async fn bring_up_to_date(
        &self,
        repository: &RepositoryName,
        row: &mut PullRequest,
        seen: &PullRequestSeen,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let finished = match seen.state {
            SeenState::Merged => Some((PullRequestState::Merged, seen.merged_at)),
            // Closed by ourselves stays so.
            SeenState::Closed if row.state == PullRequestState::Withdrawn => return Ok(()),
            SeenState::Closed if self.is_wanted_again(seen) => {
                Some((PullRequestState::Withdrawn, seen.closed_at))
            }
            SeenState::Closed => Some((PullRequestState::Closed, seen.closed_at)),
            SeenState::Open => None,
        };
        match finished {
            Some((state, at)) => {
                row.state = state;
                row.finished_at = Some(at.unwrap_or(now));
                return Ok(());
            }
            None if seen.head_oid.as_str() == row.head_oid => row.state = PullRequestState::Open,
            None if self.pushed_by_us(repository, seen).await? => {
                row.state = PullRequestState::Open;
                row.head_oid = seen.head_oid.to_string();
            }
            None => row.state = PullRequestState::HandsOff,
        }
        row.finished_at = None;
        Ok(())
    }

    /// Stores a row that changed since `before`, and tells of it; none: it was unknown.
    async fn keep(
        &self,
        row: &mut PullRequest,
        before: Option<&PullRequest>,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        if before == Some(&*row) {
            return Ok(());
        }
        row.updated_at = now;
        let action = match (row.state, before.map(|before| before.state)) {
            (PullRequestState::Merged, _) => Some("merged"),
            (PullRequestState::Closed, _) => Some("closed"),
            (PullRequestState::Withdrawn, Some(PullRequestState::Closed)) => Some("wanted-again"),
            (PullRequestState::Withdrawn, _) => Some("gone"),
            (PullRequestState::HandsOff, _) => Some("touched"),
            (PullRequestState::Open, None) => Some("adopted"),
            (
                PullRequestState::Open,
                Some(PullRequestState::Merged | PullRequestState::Closed | PullRequestState::Withdrawn),
            ) => Some("reopened"),
            // A push of an interrupted pass: the pass that completes it tells of it.
            (PullRequestState::Open, Some(_)) => None,
        };
        if let Some(action) = action {
            let at = row.finished_at.unwrap_or(now);
            self.services.store.add_event(&event(row, action, context, at)).await?;
        }
        self.services.store.save_pull_request(row).await?;
        Ok(())
    }

    /// True where the commit at the head of a pull request carries tidegate's trailer: the push of a
    /// pass that was interrupted before it could store it.
    pub(super) async fn pushed_by_us(
        &self,
        repository: &RepositoryName,
        seen: &PullRequestSeen,
    ) -> Result<bool, RunError> {
        Ok(self.key_at_head(repository, seen).await?.is_some())
    }

    /// The key in tidegate's trailer at the head of a pull request, where there is one.
    pub(super) async fn key_at_head(
        &self,
        repository: &RepositoryName,
        seen: &PullRequestSeen,
    ) -> Result<Option<String>, RunError> {
        let Ok(branch) = seen.head_ref.parse::<BranchName>() else { return Ok(None) };
        match self.services.github()?.branch_head(repository, &branch).await {
            Lookup::Found(head) => Ok(marker::key_of_commit(&head.message).map(str::to_owned)),
            Lookup::Absent { .. } => Ok(None),
            Lookup::Failed(failure) => Err(failure.into()),
        }
    }
}

/// The row of a pull request that the store does not know, from its hidden marker.
pub(super) fn adopted(
    repository: &RepositoryName,
    seen: &PullRequestSeen,
    now: Timestamp,
) -> Option<PullRequest> {
    let marker: Marker = serde_json::from_value(marker::parse(&seen.body)?).ok()?;
    Some(PullRequest {
        repository: repository.to_string(),
        branch: seen.head_ref.clone(),
        number: Some(seen.number.try_into().ok()?),
        key: marker.key,
        versions: marker.versions,
        commits: marker.commits,
        fingerprint: marker.fingerprint,
        text_digest: marker.text,
        state: PullRequestState::Open,
        head_oid: String::new(),
        base_oid: String::new(),
        title: seen.title.clone(),
        opened_at: seen.created_at,
        updated_at: now,
        finished_at: None,
        is_dressed: true,
        told: BTreeMap::new(),
    })
}

fn as_decided_on(number: u64, row: PullRequest, seen: Option<&PullRequestSeen>) -> ProposalSeen {
    ProposalSeen {
        key: row.key,
        number,
        state: match row.state {
            PullRequestState::Open | PullRequestState::HandsOff => ProposalState::Open,
            PullRequestState::Merged => ProposalState::Merged,
            PullRequestState::Closed => ProposalState::Closed,
            PullRequestState::Withdrawn => ProposalState::Withdrawn,
        },
        touched: row.state == PullRequestState::HandsOff,
        conflicting: seen.is_some_and(|seen| seen.mergeable == Some(false)),
        commits: row.commits,
        fingerprint: row.fingerprint,
        text_digest: row.text_digest,
        told: row.told,
    }
}

/// What the timeline says of a pull request.
pub fn event(row: &PullRequest, action: &str, context: &RunContext, at: Timestamp) -> NewEvent {
    let mut body = serde_json::json!({
        "action": action, "number": row.number, "key": row.key, "title": row.title, "branch": row.branch,
    });
    let only = row.versions.iter().next().filter(|_| row.versions.len() == 1);
    match only {
        Some((_, version)) => body["version"] = version.clone().into(),
        None => {
            body["packages"] = row.versions.keys().cloned().collect::<Vec<_>>().into();
            body["versions"] = serde_json::json!(row.versions);
        }
    }
    NewEvent {
        at,
        kind: "pull-request".to_owned(),
        job: context.job.clone(),
        package: only.map(|(package, _)| package.clone()),
        body,
        dedup_key: format!(
            "pull-request/{}/{}/{action}/{}",
            row.repository,
            row.number.unwrap_or_default(),
            if matches!(action, "opened" | "merged" | "closed") { "" } else { &row.head_oid },
        ),
    }
}

/// The numbers of the pull requests that were open when they were seen last.
pub async fn open_numbers(store: &Store, repository: &RepositoryName) -> anyhow::Result<Vec<u64>> {
    let rows = store.pull_requests(repository.as_str()).await?;
    let open = rows
        .into_iter()
        .filter(|row| matches!(row.state, PullRequestState::Open | PullRequestState::HandsOff))
        .filter_map(|row| row.number?.try_into().ok());
    Ok(open.collect())
}

/// Every commit that tidegate itself ever proposed or committed for a package, with its version.
pub async fn commits_of_ours(
    store: &Store,
    repository: &RepositoryName,
) -> anyhow::Result<BTreeMap<(PackageName, String), Option<String>>> {
    let mut ours = BTreeMap::new();
    for row in store.pull_requests(repository.as_str()).await? {
        for (package, commit) in row.commits {
            let version = row.versions.get(&package).cloned();
            ours.insert((package, commit), version);
        }
    }
    Ok(ours)
}
