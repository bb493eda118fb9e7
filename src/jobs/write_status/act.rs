//! How the files are written: an intention, one commit, its receipt.
//!
//! When the power fails before the commit, nothing has happened, and the next pass decides anew. Between the commit and
//! the receipt, it is found by the trailer on the head, or, where somebody has committed since, by the files that say what
//! was intended. Either way the files need nothing more, so that nothing is committed twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::WriteStatus;
use crate::daemon::{RunContext, RunError};
use crate::decide::channel_files::FilesPlan;
use crate::digest::sha256_hex;
use crate::github::{
    BranchName, CommitMessage, CommitRefused, FileChange, Lookup, RepositoryName, RepositoryView, marker,
};
use crate::store::{Action, NewEvent};

/// The kind of action in the journal.
pub const KIND: &str = "write-status";

/// Whether the commit was made.
pub enum Acted {
    Committed,
    /// Somebody else changed the channel first: look again.
    HeadMoved,
}

/// What a commit is meant to do, as the journal keeps it.
#[derive(Serialize, Deserialize)]
struct Intent {
    headline: String,
    /// SHA-256 of each file that changes; nothing for one that is deleted.
    changed: BTreeMap<String, Option<String>>,
    /// SHA-256 of each file that follows from the status, changed or not.
    digests: BTreeMap<String, String>,
}

impl WriteStatus {
    /// Commits what is wanted on the head that was looked at.
    pub async fn commit(
        &self,
        repository: &RepositoryName,
        view: &RepositoryView,
        plan: &FilesPlan,
        (context, now): (&RunContext, Timestamp),
    ) -> Result<Acted, RunError> {
        let store = &self.services.store;
        let intent = Intent {
            headline: plan.headline.clone(),
            changed: plan.changed(),
            digests: plan.digests.clone(),
        };
        let fingerprint = sha256_hex(to_json(&intent.changed)?.to_string().as_bytes());
        let key = format!("{}{}/{fingerprint}", Self::prefix(repository), view.head);
        let key = store.fresh_action_key(key).await?;
        store.intend(&key, KIND, &to_json(&intent)?, context.run_id, now).await?;
        let trailer = marker::trailer(&key).unwrap_or_default();
        let body = if plan.body.is_empty() { trailer } else { format!("{}\n\n{trailer}", plan.body) };
        let message = CommitMessage { headline: plan.headline.clone(), body };
        let change = |(path, contents): (&String, &Option<String>)| FileChange {
            path: path.clone(),
            contents: contents.clone(),
        };
        let files: Vec<FileChange> = plan.files.iter().map(change).collect();
        let branch = view.default_branch.parse::<BranchName>().map_err(anyhow::Error::from)?;
        let github = self.services.github()?;
        match github.commit_files(repository, &branch, &view.head, &files, &message).await {
            Ok(made) => {
                let receipt = json!({ "oid": made.oid.to_string() });
                self.done(repository, (&key, &intent), &receipt, (context, now)).await?;
                Ok(Acted::Committed)
            }
            // By this very commit, perhaps, whose answer was lost: the next look tells.
            Err(CommitRefused::HeadMoved { .. }) => Ok(Acted::HeadMoved),
            Err(CommitRefused::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Looks up what an interrupted pass had begun. What is there is written down; what is not is left to the decision
    /// that follows. True where something was there.
    pub async fn recover(
        &self,
        repository: &RepositoryName,
        view: &RepositoryView,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<bool, RunError> {
        let mut open = self.services.store.open_actions().await?;
        open.retain(|action| action.kind == KIND && action.key.starts_with(&Self::prefix(repository)));
        let mut found = false;
        for action in open {
            let intent: Intent =
                serde_json::from_value(action.intent.clone()).map_err(anyhow::Error::from)?;
            match self.find(&action, &intent, repository, view).await? {
                Some(receipt) => {
                    self.done(repository, (&action.key, &intent), &receipt, (context, now)).await?;
                    found = true;
                }
                None => self.services.store.abandon(&action.key, "a later pass decided anew", now).await?,
            }
        }
        Ok(found)
    }

    /// The receipt of a commit that is there.
    async fn find(
        &self,
        action: &Action,
        intent: &Intent,
        repository: &RepositoryName,
        view: &RepositoryView,
    ) -> Result<Option<Value>, RunError> {
        let branch = view.default_branch.parse::<BranchName>().map_err(anyhow::Error::from)?;
        match self.services.github()?.branch_head(repository, &branch).await {
            Lookup::Found(head) if marker::key_of_commit(&head.message) == Some(&action.key) => {
                return Ok(Some(json!({ "oid": head.oid.to_string() })));
            }
            Lookup::Found(_) | Lookup::Absent { .. } => {}
            Lookup::Failed(failure) => return Err(failure.into()),
        }
        let says = |file: &str| {
            let text = view.files.get(file).and_then(Option::as_deref);
            text.map(|text| sha256_hex(text.as_bytes()))
        };
        let stands = intent.changed.iter().all(|(file, digest)| says(file) == *digest);
        Ok(stands.then(|| json!({ "under": view.head.to_string() })))
    }

    /// Writes down that the files are as intended: what is remembered of them, the event, and then the receipt.
    async fn done(
        &self,
        repository: &RepositoryName,
        (key, intent): (&str, &Intent),
        receipt: &Value,
        (context, now): (&RunContext, Timestamp),
    ) -> anyhow::Result<()> {
        let store = &self.services.store;
        if !intent.digests.is_empty() {
            self.remember_digests(&intent.digests, now).await?;
        }
        let event = NewEvent {
            at: now,
            kind: "commit".to_owned(),
            job: context.job.clone(),
            package: None,
            body: json!({ "repository": repository.to_string(), "commit": receipt["oid"], "title": intent.headline,
                "files": intent.changed.keys().collect::<Vec<_>>() }),
            dedup_key: format!("commit/{key}"),
        };
        store.add_event(&event).await?;
        store.finish(key, receipt, now).await
    }

    /// What tidegate left in the repository, by the SHA-256 of each file.
    pub async fn written(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let seen = self.services.store.latest_seen(&self.written_source()).await?;
        Ok(seen.map(|seen| serde_json::from_slice(&seen.bytes)).transpose()?.unwrap_or_default())
    }

    /// Remembers files that are as they are to be.
    pub async fn remember_digests(
        &self,
        digests: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(digests)?;
        self.services.store.record_seen(&self.written_source(), &bytes, now).await.map(drop)
    }

    fn written_source(&self) -> String {
        format!("written-status:{}/{}", self.distribution.name, self.settings.channel)
    }
}

fn to_json(value: &impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(value)?)
}
