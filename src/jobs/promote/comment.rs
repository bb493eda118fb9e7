//! The comment on a pull request that a person took over: once for each set of newer commits.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Promote;
use super::dress::warning;
use super::observe::Observed;
use super::recovery::COMMENT;
use crate::daemon::{RunContext, RunError};
use crate::digest::sha256_hex;
use crate::domain::PackageName;
use crate::github::{RepositoryName, marker};
use crate::store::Intention;

/// How long GitHub may take until a new comment can be seen in its lists.
const APPEARS_WITHIN: SignedDuration = SignedDuration::from_mins(1);

impl Promote {
    pub(super) async fn comment(
        &self,
        seen: &Observed,
        number: u64,
        commits: &BTreeMap<PackageName, String>,
        body: &str,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let key = key(&seen.repository, number, commits);
        let intent = json!({ "number": number, "commits": commits });
        let intention = store.intend(&key, COMMENT, &intent, context.run_id, now).await?;
        let written = match intention {
            Intention::Done(_) => return self.remember_told(&seen.repository, number, commits).await,
            Intention::New => None,
            Intention::Again => self.find_comment(&seen.repository, number, &key, &seen.viewer).await?,
        };
        if written.is_none() && intention == Intention::Again {
            let first = store.action(&key).await?.map(|action| action.intended_at);
            if first.is_some_and(|first| now.duration_since(first) < APPEARS_WITHIN) {
                let why = format!("whether the comment on #{number} was written cannot be seen yet");
                return Err(RunError::Transient(anyhow::anyhow!(why), None));
            }
        }
        let id = match written {
            Some(id) => id,
            None => {
                let text = format!("{body}\n{}\n", marker::render(&json!({ "comment": key })));
                match self.services.github()?.comment(&seen.repository, number, &text).await {
                    Ok(id) => id,
                    Err(failure) if failure.is_transient() => return Err(failure.into()),
                    // A conversation that is locked, say: nothing waits for the comment.
                    Err(failure) => {
                        store.fail(&key, &failure.to_string(), now).await?;
                        if let Some(row) = store.pull_request(seen.repository.as_str(), number).await? {
                            let event = warning(&row, "a comment", &failure.to_string(), context, now);
                            store.add_event(&event).await?;
                        }
                        return self.remember_told(&seen.repository, number, commits).await;
                    }
                }
            }
        };
        self.remember_told(&seen.repository, number, commits).await?;
        store.finish(&key, &json!({ "comment": id }), now).await?;
        Ok(())
    }

    /// The comment that an interrupted pass meant to write, where it is there.
    pub(super) async fn find_comment(
        &self,
        repository: &RepositoryName,
        number: u64,
        key: &str,
        viewer: &str,
    ) -> Result<Option<u64>, RunError> {
        let comments = self.services.github()?.comments(repository, number).await?;
        let plain = |login: &str| login.strip_suffix("[bot]").unwrap_or(login).to_lowercase();
        let ours = comments.into_iter().find(|comment| {
            comment.author.as_deref().map(plain) == Some(plain(viewer))
                && marker::parse(&comment.body).is_some_and(|facts| facts["comment"] == key)
        });
        Ok(ours.map(|comment| comment.id))
    }

    pub(super) async fn remember_told(
        &self,
        repository: &RepositoryName,
        number: u64,
        commits: &BTreeMap<PackageName, String>,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        if let Some(mut row) = store.pull_request(repository.as_str(), number).await? {
            row.told.extend(commits.iter().map(|(package, commit)| (package.clone(), commit.clone())));
            store.save_pull_request(&row).await?;
        }
        Ok(())
    }
}

/// One comment for each set of commits, whatever order they came in.
fn key(repository: &RepositoryName, number: u64, commits: &BTreeMap<PackageName, String>) -> String {
    let digest = sha256_hex(json!(commits).to_string().as_bytes());
    format!("{COMMENT}/{repository}/{number}/{}", &digest[..16])
}
