//! What a new pull request gets besides its text: labels, reviewers, auto-merge. Each may be refused (a label
//! that nobody may set, a login that is gone, a repository that allows no auto-merge); that is told once and
//! holds nothing up. Doing it twice is the same as once, so a row that remembers it is all the journal there is.

use jiff::Timestamp;
use serde_json::json;

use super::Promote;
use super::failures::Failures;
use super::observe::Observed;
use crate::daemon::{RunContext, RunError};
use crate::failure::Failure;
use crate::github::RepositoryName;
use crate::store::{NewEvent, PullRequest, PullRequestState};

impl Promote {
    /// Dresses every open pull request that was not yet; what failed for now is left to the next pass.
    pub(super) async fn dress(
        &self,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
        failures: &mut Failures,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let rows = store.pull_requests(seen.repository.as_str()).await?;
        for mut row in rows.into_iter().filter(|row| row.state == PullRequestState::Open && !row.is_dressed) {
            let Some(number) = row.number.and_then(|number| u64::try_from(number).ok()) else { continue };
            if failures.is_hopeless() || context.cancel.is_cancelled() {
                break;
            }
            let mut passing = false;
            for (what, failure) in self.dress_one(&seen.repository, number).await? {
                if failure.is_transient() {
                    passing = true;
                    failures.add(&format!("{what} of pull request #{number}"), &failure.into());
                } else {
                    store.add_event(&warning(&row, what, &failure.to_string(), context, now)).await?;
                }
            }
            if !passing {
                row.is_dressed = true;
                store.save_pull_request(&row).await?;
            }
        }
        Ok(())
    }

    /// Tries everything, and returns what was refused or failed.
    async fn dress_one(
        &self,
        repository: &RepositoryName,
        number: u64,
    ) -> Result<Vec<(&'static str, Failure)>, RunError> {
        let (github, policy) = (self.services.github()?, &self.distribution.policy.pull_request);
        let mut refused = Vec::new();
        let mut note =
            |what, result: Result<(), Failure>| refused.extend(result.err().map(|why| (what, why)));
        let labels: Vec<&str> = policy.labels.iter().map(String::as_str).collect();
        if !labels.is_empty() {
            note("labels", github.add_labels(repository, number, &labels).await);
        }
        // One by one: GitHub refuses all for the sake of one that may not review.
        for reviewer in &policy.reviewers {
            note("a reviewer", github.request_reviewers(repository, number, &[reviewer], &[]).await);
        }
        for team in &policy.team_reviewers {
            note("a team of reviewers", github.request_reviewers(repository, number, &[], &[team]).await);
        }
        if let Some(method) = policy.auto_merge {
            note("auto-merge", github.enable_auto_merge(repository, number, method).await);
        }
        Ok(refused)
    }
}

/// What the timeline says of something that GitHub refused and that nothing waits for.
pub(super) fn warning(
    row: &PullRequest,
    what: &str,
    message: &str,
    context: &RunContext,
    at: Timestamp,
) -> NewEvent {
    NewEvent {
        at,
        kind: "warning".to_owned(),
        job: context.job.clone(),
        package: None,
        body: json!({ "number": row.number, "key": row.key, "refused": what, "message": message }),
        dedup_key: format!("warning/{}/{}/{what}/{message}", row.repository, row.number.unwrap_or_default()),
    }
}
