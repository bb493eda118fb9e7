//! One pull request: its branch pushed, itself opened or brought up to date, given another text, or
//! withdrawn.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Promote;
use super::act::{commit_message, to_json};
use super::commit::files;
use super::observe::Observed;
use super::proposals::{self, Marker};
use super::recovery::{CLOSE, PROPOSE};
use crate::daemon::{RunContext, RunError};
use crate::decide::promote::text_digest;
use crate::domain::Change;
use crate::failure::Failure;
use crate::github::{
    BranchHead, BranchName, Lookup, NewPullRequest, Oid, OpenRefused, PullRequestState as SeenState,
    PushRefused, marker,
};
use crate::store::{PullRequest, PullRequestState};

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

/// A proposal, ready to be carried out.
pub(super) struct Proposal<'a> {
    key: &'a str,
    pub(super) action_key: String,
    branch: BranchName,
    change: &'a Change,
    marker: Marker,
    body: String,
}

impl<'a> Proposal<'a> {
    pub(super) fn new(
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

impl Promote {
    pub(super) async fn propose(
        &self,
        proposal: &Proposal<'_>,
        update: Option<u64>,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let intent = json!({ "branch": proposal.branch.as_str(), "title": proposal.change.title });
        store.intend(&proposal.action_key, PROPOSE, &intent, context.run_id, now).await?;
        let stands = self.make_stand(proposal, update, seen).await;
        let Some(receipt) = self.settle(&proposal.action_key, stands, now).await? else {
            store.abandon(&proposal.action_key, "its base holds all of it by now", now).await?;
            return Ok(());
        };
        self.record_proposal(proposal, &receipt, seen, context, now).await?;
        store.finish(&proposal.action_key, &to_json(&receipt)?, now).await?;
        Ok(())
    }

    async fn make_stand(
        &self,
        proposal: &Proposal<'_>,
        update: Option<u64>,
        seen: &Observed,
    ) -> Result<Option<ProposalReceipt>, RunError> {
        let oid = self.push(proposal, seen).await?;
        self.stand(proposal, update, oid, seen).await
    }

    /// Pushes the branch, or adopts the push of an interrupted pass. A branch with a commit of somebody
    /// else is left alone, unless GitHub keeps that commit with a pull request that is over.
    async fn push(&self, proposal: &Proposal<'_>, seen: &Observed) -> Result<Oid, RunError> {
        let github = self.services.github()?;
        let head = match github.branch_head(&seen.repository, &proposal.branch).await {
            Lookup::Found(head) => Some(head),
            Lookup::Absent { .. } => None,
            Lookup::Failed(failure) => return Err(failure.into()),
        };
        if let Some(BranchHead { oid, message }) = &head {
            match marker::key_of_commit(message) {
                Some(key) if key == proposal.action_key => return Ok(oid.clone()),
                Some(_) => {}
                None if self.is_kept(proposal, oid, seen).await? => {}
                None => {
                    return Err(RunError::Permanent(anyhow::anyhow!(
                        "the branch {} of {} ends with a commit of somebody else ({oid}), and no pull request \
                         of tidegate shows it; merge, move or delete that branch",
                        proposal.branch,
                        seen.repository
                    )));
                }
            }
        }
        let message = commit_message(proposal.change, &proposal.action_key);
        let files = files(proposal.change, seen);
        let expected = head.as_ref().map(|head| &head.oid);
        match github
            .push_branch(&seen.repository, &proposal.branch, &seen.head, expected, &files, &message)
            .await
        {
            Ok(oid) => Ok(oid),
            Err(PushRefused::BranchMoved { .. }) => Err(RunError::Transient(
                anyhow::anyhow!("{} moved while it was pushed", proposal.branch),
                None,
            )),
            Err(PushRefused::Failed(failure)) => Err(failure.into()),
        }
    }

    /// True where a commit at the head of the branch is that of a pull request that was merged or closed,
    /// and no open one: GitHub keeps it there whatever becomes of the branch.
    async fn is_kept(&self, proposal: &Proposal<'_>, oid: &Oid, seen: &Observed) -> Result<bool, RunError> {
        let github = self.services.github()?;
        let pulls = github.find_pull_requests_by_head(&seen.repository, &proposal.branch).await?;
        let open = pulls.iter().any(|pull| pull.state == SeenState::Open);
        Ok(!open && pulls.iter().any(|pull| pull.head_oid == *oid))
    }

    /// Makes the pull request stand: updates the open one, adopts one that is there, or opens it. None
    /// where its base holds all of it.
    async fn stand(
        &self,
        proposal: &Proposal<'_>,
        update: Option<u64>,
        oid: Oid,
        seen: &Observed,
    ) -> Result<Option<ProposalReceipt>, RunError> {
        let github = self.services.github()?;
        let known = match update {
            Some(number) => Some(number),
            None => self.open_from_branch(proposal, seen).await?,
        };
        let (oid, number, opened) = match known {
            Some(number) => (oid, number, false),
            None => {
                let new = NewPullRequest {
                    title: proposal.change.title.clone(),
                    body: proposal.body.clone(),
                    head: proposal.branch.clone(),
                    base: seen.default_branch.parse::<BranchName>().map_err(anyhow::Error::from)?,
                    draft: self.distribution.policy.pull_request.draft,
                };
                match github.open_pull_request(&seen.repository, &new).await {
                    Ok(number) => (oid, number, true),
                    Err(OpenRefused::NoCommits) => return Ok(None),
                    Err(OpenRefused::AlreadyExists) => match self.open_from_branch(proposal, seen).await? {
                        Some(number) => (oid, number, false),
                        None => {
                            let message =
                                format!("{} is open already but cannot be found yet", proposal.branch);
                            return Err(Failure::transient(message).into());
                        }
                    },
                    Err(OpenRefused::Failed(failure)) => return Err(failure.into()),
                }
            }
        };
        if !opened {
            let (title, body) = (&proposal.change.title, &proposal.body);
            github.update_pull_request(&seen.repository, number, title, body).await?;
        }
        let opened = opened || update.is_none();
        Ok(Some(ProposalReceipt { oid: oid.to_string(), number, opened }))
    }

    /// The open pull request from the proposal's branch to the channel's: an interrupted pass opened it.
    async fn open_from_branch(
        &self,
        proposal: &Proposal<'_>,
        seen: &Observed,
    ) -> Result<Option<u64>, RunError> {
        let github = self.services.github()?;
        let pulls = github.find_pull_requests_by_head(&seen.repository, &proposal.branch).await?;
        let mut open = pulls.iter().filter(|pull| pull.state == SeenState::Open);
        Ok(open.find(|pull| pull.base_ref == seen.default_branch).map(|pull| pull.number))
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
            opened_at: known.as_ref().map_or(now, |row| row.opened_at),
            updated_at: now,
            finished_at: None,
            is_dressed: known.is_some_and(|row| row.is_dressed),
            told: Default::default(),
        };
        let action = if receipt.opened { "opened" } else { "updated" };
        self.services.store.add_event(&proposals::event(&row, action, context, now)).await?;
        self.services.store.save_pull_request(&row).await?;
        Ok(())
    }

    /// Gives an open pull request a new text. Doing it twice is the same as once, so it needs no journal.
    pub(super) async fn retext(
        &self,
        seen: &Observed,
        key: &str,
        number: u64,
        title: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<Option<PullRequest>, RunError> {
        let store = &self.services.store;
        let Some(mut row) = store.pull_request(seen.repository.as_str(), number).await? else {
            return Ok(None);
        };
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
        Ok(Some(row))
    }

    /// Closes a pull request that asks for nothing any more. It is journalled, so that a closed one that the
    /// next pass finds is not taken for a person's no.
    pub(super) async fn withdraw(
        &self,
        seen: &Observed,
        key: &str,
        (number, title, body): (u64, &str, &str),
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let action_key = store.fresh_action_key(format!("{CLOSE}/{}/{number}", seen.repository)).await?;
        store.intend(&action_key, CLOSE, &json!({ "number": number }), context.run_id, now).await?;
        let closed = async {
            let row = self.retext(seen, key, number, title, body, now).await?;
            self.services.github()?.close(&seen.repository, number).await?;
            Ok(row)
        };
        if let Some(mut row) = self.settle(&action_key, closed.await, now).await? {
            row.state = PullRequestState::Withdrawn;
            row.finished_at = Some(now);
            store.add_event(&proposals::event(&row, "closed", context, now)).await?;
            store.save_pull_request(&row).await?;
        }
        store.finish(&action_key, &json!({ "number": number }), now).await?;
        Ok(())
    }
}

fn with_marker(body: &str, facts: &Marker) -> anyhow::Result<String> {
    Ok(format!("{body}\n{}\n", marker::render(&serde_json::to_value(facts)?)))
}
