//! How a promotion acts. Every effect is journalled as intended before it happens, and as done, with
//! its receipt, once our own rows tell of it.
//!
//! When the power fails just before an effect, nothing has happened and it is carried out the next
//! time. Between the effect and the receipt, the effect is there and the journal does not know: the
//! next pass takes it over (see `recovery`), and writes the rows that are missing.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Promote;
use super::observe::{CONFIG, Observed, SNAPSHOT};
use super::proposals::{self, Marker};
use super::recovery::{COMMIT, CommitIntent, PROPOSE};
use crate::daemon::{RunContext, RunError};
use crate::decide::promote::text_digest;
use crate::domain::{Action, Change};
use crate::ecosystem::cran::files::{ConfigFile, PackagesFile, SnapshotRecord, write_snapshot};
use crate::failure::Failure;
use crate::github::{
    BranchHead, BranchName, CommitMessage, CommitRefused, FileChange, Lookup, NewPullRequest, Oid,
    OpenRefused, PullRequestState as SeenState, PushRefused, RepositoryName, marker,
};
use crate::jobs::channel_files::PACKAGES;
use crate::store::{ChannelEntry, Origin, PullRequest, PullRequestState};

/// Whether the actions of a plan were carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// All of them.
    All,
    /// Somebody else changed the channel first: decide again.
    HeadMoved,
}

/// The proof that a commit was made.
#[derive(Serialize, Deserialize)]
pub struct CommitReceipt {
    /// The commit.
    pub oid: String,
}

/// The proof that a pull request stands as intended.
#[derive(Serialize, Deserialize)]
pub struct ProposalReceipt {
    /// The head of its branch.
    pub oid: String,
    /// Its number.
    pub number: u64,
    /// True where it was opened, false where it was there.
    pub opened: bool,
}

impl Promote {
    /// Carries out the plan's actions in their order.
    pub async fn act(
        &self,
        plan: &crate::domain::Plan,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Acted, RunError> {
        for action in &plan.actions {
            if context.cancel.is_cancelled() {
                return Err(RunError::Transient(
                    anyhow::anyhow!("stopped before all actions were carried out"),
                    None,
                ));
            }
            let acted = match action {
                Action::Commit(change) => self.commit(change, seen, context, now).await?,
                Action::Propose { key, update, change, body } => {
                    let mut proposal = Proposal::new(self, seen, key, change, body)?;
                    proposal.action_key = self.services.store.fresh_action_key(proposal.action_key).await?;
                    self.propose(&proposal, *update, seen, context, now).await?
                }
                Action::Retext { key, number, title, body } => {
                    self.retext(seen, key, *number, title, body, now).await?;
                    Acted::All
                }
                // Closing twice is the same as once, and the next look at it tells of it.
                Action::Close { key, number, title, body } => {
                    self.retext(seen, key, *number, title, body, now).await?;
                    self.services.github()?.close(&seen.repository, *number).await?;
                    Acted::All
                }
            };
            if acted == Acted::HeadMoved {
                return Ok(Acted::HeadMoved);
            }
        }
        Ok(Acted::All)
    }

    async fn commit(
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
        let key = self.services.store.fresh_action_key(key).await?;
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
            Err(CommitRefused::Failed(failure)) => Err(failure.into()),
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
            let versions: std::collections::BTreeMap<&str, &str> =
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

    async fn propose(
        &self,
        proposal: &Proposal<'_>,
        update: Option<u64>,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Acted, RunError> {
        let store = &self.services.store;
        let intent = json!({ "branch": proposal.branch.as_str(), "title": proposal.change.title });
        store.intend(&proposal.action_key, PROPOSE, &intent, context.run_id, now).await?;
        let Some(oid) = self.push(proposal, seen).await? else {
            store.abandon(&proposal.action_key, "somebody else committed to its branch", now).await?;
            return Ok(Acted::All);
        };
        let receipt = self.stand(proposal, update, oid, seen).await?;
        self.record_proposal(proposal, &receipt, seen, context, now).await?;
        store.finish(&proposal.action_key, &to_json(&receipt)?, now).await?;
        Ok(Acted::All)
    }

    /// Pushes the branch, or adopts the push of an interrupted pass. `None` where somebody else
    /// committed to it.
    async fn push(&self, proposal: &Proposal<'_>, seen: &Observed) -> Result<Option<Oid>, RunError> {
        let github = self.services.github()?;
        let head = match github.branch_head(&seen.repository, &proposal.branch).await {
            Lookup::Found(head) => Some(head),
            Lookup::Absent { .. } => None,
            Lookup::Failed(failure) => return Err(failure.into()),
        };
        match &head {
            Some(BranchHead { oid, message })
                if marker::key_of_commit(message) == Some(&proposal.action_key) =>
            {
                return Ok(Some(oid.clone()));
            }
            Some(BranchHead { message, .. }) if marker::key_of_commit(message).is_none() => return Ok(None),
            _ => {}
        }
        let message = commit_message(proposal.change, &proposal.action_key);
        let files = files(proposal.change, seen);
        let expected = head.as_ref().map(|head| &head.oid);
        match github
            .push_branch(&seen.repository, &proposal.branch, &seen.head, expected, &files, &message)
            .await
        {
            Ok(oid) => Ok(Some(oid)),
            Err(PushRefused::BranchMoved { .. }) => Err(RunError::Transient(
                anyhow::anyhow!("{} moved while it was pushed", proposal.branch),
                None,
            )),
            Err(PushRefused::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Makes the pull request stand: updates the open one, adopts one that is there, or opens it.
    async fn stand(
        &self,
        proposal: &Proposal<'_>,
        update: Option<u64>,
        oid: Oid,
        seen: &Observed,
    ) -> Result<ProposalReceipt, RunError> {
        let github = self.services.github()?;
        let (title, body) = (&proposal.change.title, &proposal.body);
        let known = match update {
            Some(number) => Some(number),
            None => {
                let pulls = github.find_pull_requests_by_head(&seen.repository, &proposal.branch).await?;
                pulls.iter().find(|pull| pull.state == SeenState::Open).map(|pull| pull.number)
            }
        };
        if let Some(number) = known {
            github.update_pull_request(&seen.repository, number, title, body).await?;
            return Ok(ProposalReceipt { oid: oid.to_string(), number, opened: update.is_none() });
        }
        let new = NewPullRequest {
            title: title.clone(),
            body: body.clone(),
            head: proposal.branch.clone(),
            base: seen.default_branch.parse::<BranchName>().map_err(anyhow::Error::from)?,
            draft: false,
        };
        let number = match github.open_pull_request(&seen.repository, &new).await {
            Ok(number) => number,
            Err(OpenRefused::AlreadyExists) => {
                let message = format!("{} is open already but cannot be found yet", proposal.branch);
                return Err(Failure::transient(message).into());
            }
            Err(refused) => return Err(RunError::Permanent(refused.into())),
        };
        self.label(&seen.repository, number).await?;
        Ok(ProposalReceipt { oid: oid.to_string(), number, opened: true })
    }

    /// Gives a new pull request its labels; doing it twice is the same as once.
    pub async fn label(&self, repository: &RepositoryName, number: u64) -> Result<(), RunError> {
        let labels: Vec<&str> =
            self.distribution.policy.pull_request.labels.iter().map(String::as_str).collect();
        if !labels.is_empty() {
            self.services.github()?.add_labels(repository, number, &labels).await?;
        }
        Ok(())
    }

    async fn record_proposal(
        &self,
        proposal: &Proposal<'_>,
        receipt: &ProposalReceipt,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let known = self
            .services
            .store
            .newest_pull_request(seen.repository.as_str(), proposal.branch.as_str())
            .await?;
        let number = i64::try_from(receipt.number).map_err(anyhow::Error::from)?;
        let known = known.filter(|row| row.number == Some(number));
        let row = PullRequest {
            repository: seen.repository.to_string(),
            branch: proposal.branch.to_string(),
            number: Some(number),
            key: proposal.key.to_owned(),
            versions: proposal.marker.versions.clone(),
            commits: proposal.marker.commits.clone(),
            fingerprint: proposal.marker.fingerprint.clone(),
            text_digest: proposal.marker.text.clone(),
            state: PullRequestState::Open,
            head_oid: receipt.oid.clone(),
            base_oid: seen.head.to_string(),
            title: proposal.change.title.clone(),
            opened_at: known.map_or(now, |row| row.opened_at),
            updated_at: now,
            finished_at: None,
        };
        let action = if receipt.opened { "opened" } else { "updated" };
        self.services.store.add_event(&proposals::event(&row, action, context, now)).await?;
        self.services.store.save_pull_request(&row).await?;
        Ok(())
    }

    /// Gives an open pull request a new text. Doing it twice is the same as once, so it needs no journal.
    async fn retext(
        &self,
        seen: &Observed,
        key: &str,
        number: u64,
        title: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let rows = store.pull_requests(seen.repository.as_str()).await?;
        let wanted = i64::try_from(number).map_err(anyhow::Error::from)?;
        let Some(mut row) = rows.into_iter().find(|row| row.number == Some(wanted)) else { return Ok(()) };
        row.text_digest = text_digest(title, body);
        row.title = title.to_owned();
        row.updated_at = now;
        let marker = Marker {
            key: key.to_owned(),
            packages: row.commits.keys().cloned().collect(),
            commits: row.commits.clone(),
            versions: row.versions.clone(),
            fingerprint: row.fingerprint.clone(),
            text: row.text_digest.clone(),
        };
        let body = with_marker(body, &marker)?;
        self.services.github()?.update_pull_request(&seen.repository, number, title, &body).await?;
        store.save_pull_request(&row).await?;
        Ok(())
    }
}

/// A proposal, ready to be carried out.
struct Proposal<'a> {
    key: &'a str,
    action_key: String,
    branch: BranchName,
    change: &'a Change,
    marker: Marker,
    body: String,
}

impl<'a> Proposal<'a> {
    fn new(
        job: &Promote,
        seen: &Observed,
        key: &'a str,
        change: &'a Change,
        body: &str,
    ) -> anyhow::Result<Self> {
        let fingerprint = change.fingerprint(&seen.facts.source);
        let marker = Marker {
            key: key.to_owned(),
            packages: change.moves.iter().map(|moved| moved.package.clone()).collect(),
            commits: change.commits(),
            versions: change
                .moves
                .iter()
                .map(|moved| (moved.package.clone(), moved.to_version.clone()))
                .collect(),
            text: text_digest(&change.title, body),
            fingerprint,
        };
        let branch = format!("{}{key}", job.distribution.policy.pull_request.branch_prefix);
        Ok(Self {
            key,
            action_key: format!("{PROPOSE}/{}/{key}/{}/{}", seen.repository, marker.fingerprint, seen.head),
            branch: branch.parse::<BranchName>().context("the proposal's branch cannot be named")?,
            change,
            body: with_marker(body, &marker)?,
            marker,
        })
    }
}

fn with_marker(body: &str, facts: &Marker) -> anyhow::Result<String> {
    Ok(format!("{body}\n{}\n", marker::render(&serde_json::to_value(facts)?)))
}

fn commit_message(change: &Change, key: &str) -> CommitMessage {
    let trailer = marker::trailer(key).unwrap_or_default();
    let body = if change.message.is_empty() { trailer } else { format!("{}\n\n{trailer}", change.message) };
    CommitMessage { headline: change.title.clone(), body }
}

/// The files of a change, as upstream writes them.
fn files(change: &Change, seen: &Observed) -> Vec<FileChange> {
    let packages = match change.listings(&seen.facts.head.listings) {
        None => seen.source_text.clone(),
        Some(listings) => PackagesFile::new(listings).write(),
    };
    let mut files = vec![FileChange { path: PACKAGES.to_owned(), contents: Some(packages) }];
    if let Some(targets) = &change.targets {
        let config = ConfigFile { cran_version: targets.dependency_freeze };
        files.push(FileChange { path: CONFIG.to_owned(), contents: Some(config.write()) });
        let snapshot = write_snapshot(&SnapshotRecord::from(targets));
        files.push(FileChange { path: SNAPSHOT.to_owned(), contents: Some(snapshot) });
    }
    files
}

fn to_json(receipt: &impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(receipt)?)
}
