//! What a pass that was interrupted had begun. Its intended actions are looked up in what GitHub
//! shows: what is there is taken over as if that pass had written it down, and what is not is left to
//! the decision that follows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Promote;
use super::commit::CommitReceipt;
use super::proposals::{self, Marker};
use super::propose::ProposalReceipt;
use crate::daemon::{RunContext, RunError};
use crate::domain::{Change, PackageName};
use crate::github::{
    BranchName, Lookup, PullRequestState as SeenState, RepositoryName, RepositoryView, marker,
};
use crate::store::{Action, NewEvent, PullRequestState};

/// The kinds of actions in the journal.
pub const COMMIT: &str = "commit";
pub const PROPOSE: &str = "propose";
pub const CLOSE: &str = "close";
pub const COMMENT: &str = "comment";

/// What a commit is meant to do, as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommitIntent {
    /// The headline.
    pub title: String,
    /// The commits of the packages it moves.
    pub commits: BTreeMap<PackageName, String>,
    /// The versions of these.
    pub versions: BTreeMap<PackageName, String>,
}

impl CommitIntent {
    pub fn of(change: &Change) -> Self {
        let versions = change.moves.iter().map(|moved| (moved.package.clone(), moved.to_version.clone()));
        Self { title: change.title.clone(), commits: change.commits(), versions: versions.collect() }
    }
}

/// What an interrupted pass did to the channel itself.
#[derive(Default)]
pub struct TakenOver {
    /// The commits that it meant to pin, with their versions: a pin to one of them is tidegate's and no
    /// person's, whoever changed the channel since.
    pub commits: BTreeMap<(PackageName, String), Option<String>>,
    /// By key: receipts of actions that are done once these pins are stored.
    pub done: BTreeMap<String, Value>,
}

impl Promote {
    /// Takes over what an interrupted pass did.
    pub async fn recover(
        &self,
        repository: &RepositoryName,
        view: &RepositoryView,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<TakenOver, RunError> {
        let mut taken_over = TakenOver::default();
        for action in self.interrupted(repository).await? {
            match action.kind.as_str() {
                CLOSE => self.recover_closing(&action, repository, view, context, now).await?,
                COMMENT => self.recover_comment(&action, repository, view, now).await?,
                PROPOSE => self.recover_proposal(&action, repository, view, context, now).await?,
                _ => self.recover_commit(action, repository, view, &mut taken_over, context, now).await?,
            }
        }
        Ok(taken_over)
    }

    async fn recover_commit(
        &self,
        action: Action,
        repository: &RepositoryName,
        view: &RepositoryView,
        taken_over: &mut TakenOver,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let intent: CommitIntent =
            serde_json::from_value(action.intent.clone()).map_err(anyhow::Error::from)?;
        taken_over.commits.extend(intent.commits.iter().map(|(package, commit)| {
            ((package.clone(), commit.clone()), intent.versions.get(package).cloned())
        }));
        if let Some(receipt) = self.find_commit(&action, repository, view).await? {
            let event = self.commit_event(&intent, &receipt, context, now)?;
            self.services.store.add_event(&event).await?;
            let receipt = serde_json::to_value(&receipt).map_err(anyhow::Error::from)?;
            taken_over.done.insert(action.key, receipt);
        }
        Ok(())
    }

    /// A pull request that the interrupted pass closed: by tidegate, and no person.
    async fn recover_closing(
        &self,
        action: &Action,
        repository: &RepositoryName,
        view: &RepositoryView,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let number = action.intent["number"].as_u64().unwrap_or_default();
        let closed = view.pulls.iter().find(|seen| seen.number == number && seen.state == SeenState::Closed);
        let (Some(seen), Some(mut row)) = (closed, store.pull_request(repository.as_str(), number).await?)
        else {
            return Ok(());
        };
        row.state = PullRequestState::Withdrawn;
        row.finished_at = Some(seen.closed_at.unwrap_or(now));
        row.updated_at = now;
        store.add_event(&proposals::event(&row, "closed", context, now)).await?;
        store.save_pull_request(&row).await?;
        store.finish(&action.key, &action.intent, now).await?;
        Ok(())
    }

    /// A comment that the interrupted pass wrote.
    async fn recover_comment(
        &self,
        action: &Action,
        repository: &RepositoryName,
        view: &RepositoryView,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let number = action.intent["number"].as_u64().unwrap_or_default();
        let Some(id) = self.find_comment(repository, number, &action.key, &view.viewer).await? else {
            return Ok(());
        };
        let commits =
            serde_json::from_value(action.intent["commits"].clone()).map_err(anyhow::Error::from)?;
        self.remember_told(repository, number, &commits).await?;
        self.services.store.finish(&action.key, &serde_json::json!({ "comment": id }), now).await?;
        Ok(())
    }

    /// Ends in the journal what the pass that is now done did not want any more.
    pub async fn abandon_interrupted(
        &self,
        repository: &RepositoryName,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        for action in self.interrupted(repository).await? {
            self.services.store.abandon(&action.key, "a later pass decided anew", now).await?;
        }
        Ok(())
    }

    async fn interrupted(&self, repository: &RepositoryName) -> anyhow::Result<Vec<Action>> {
        let mut actions = self.services.store.open_actions().await?;
        actions.retain(|action| {
            [COMMIT, PROPOSE, CLOSE, COMMENT].contains(&action.kind.as_str())
                && action.key.starts_with(&format!("{}/{repository}/", action.kind))
        });
        Ok(actions)
    }

    /// The commit that an action meant to make, where it is the channel's head.
    async fn find_commit(
        &self,
        action: &Action,
        repository: &RepositoryName,
        view: &RepositoryView,
    ) -> Result<Option<CommitReceipt>, RunError> {
        let branch = view.default_branch.parse::<BranchName>().map_err(anyhow::Error::from)?;
        match self.services.github()?.branch_head(repository, &branch).await {
            Lookup::Found(head) if marker::key_of_commit(&head.message) == Some(&action.key) => {
                Ok(Some(CommitReceipt { oid: head.oid.to_string() }))
            }
            Lookup::Found(_) | Lookup::Absent { .. } => Ok(None),
            Lookup::Failed(failure) => Err(failure.into()),
        }
    }

    /// What the timeline says of a commit to the channel.
    pub fn commit_event(
        &self,
        intent: &CommitIntent,
        receipt: &CommitReceipt,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<NewEvent> {
        let repository = self.channel_repository()?;
        Ok(NewEvent {
            at: now,
            kind: "commit".to_owned(),
            job: context.job.clone(),
            package: None,
            body: serde_json::json!({ "repository": repository.to_string(), "commit": receipt.oid,
                "title": intent.title, "packages": intent.commits.keys().collect::<Vec<_>>() }),
            dedup_key: format!("commit/{repository}/{}", receipt.oid),
        })
    }

    /// A pull request that the interrupted pass opened and the store does not know. One that it only
    /// updated is known, and is updated once more.
    async fn recover_proposal(
        &self,
        action: &Action,
        repository: &RepositoryName,
        view: &RepositoryView,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let known = store.pull_requests(repository.as_str()).await?;
        for seen in &view.pulls {
            let marked = marker::parse(&seen.body).is_some_and(|facts| proposes(action, repository, facts));
            if !marked || seen.from_fork {
                continue;
            }
            // Whoever opened it: the commit at its head is the very one that was meant to be pushed.
            if !view.is_ours(seen) && self.key_at_head(repository, seen).await?.as_ref() != Some(&action.key)
            {
                continue;
            }
            let Some(mut row) = proposals::adopted(repository, seen, now) else { continue };
            match known.iter().find(|known| known.number == row.number) {
                // Its branch and text are as intended. Only where the row is too was all of it done.
                Some(known) if known.fingerprint != row.fingerprint => continue,
                Some(known) => row = known.clone(),
                None => {
                    if self.pushed_by_us(repository, seen).await? {
                        row.head_oid = seen.head_oid.to_string();
                    }
                    row.is_dressed = false;
                    store.add_event(&proposals::event(&row, "opened", context, seen.created_at)).await?;
                    store.save_pull_request(&row).await?;
                }
            }
            let receipt = ProposalReceipt { oid: row.head_oid, number: seen.number, opened: true };
            let receipt = serde_json::to_value(&receipt).map_err(anyhow::Error::from)?;
            store.finish(&action.key, &receipt, now).await?;
            return Ok(());
        }
        Ok(())
    }
}

/// True where the hidden marker of a pull request is of the proposal that an action stands for.
fn proposes(action: &Action, repository: &RepositoryName, facts: Value) -> bool {
    serde_json::from_value::<Marker>(facts).is_ok_and(|marker| {
        action.key.starts_with(&format!("{PROPOSE}/{repository}/{}/{}/", marker.key, marker.fingerprint))
    })
}
