//! Runs that we ask for ourselves: dispatching a workflow, finding its run again, following and cancelling it,
//! and keeping an input that is too large for a dispatch.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Fetched, GitHub};
use super::limits::{Call, Priority};
use super::names::{BranchName, Oid, RepositoryName, WorkflowFile};
use super::transport::{Answer, message_of};
use super::{Absence, Lookup};
use crate::failure::Failure;

/// The property by which a dispatch asks for the number of its run (GitHub's changelog of 2026-02-19).
const DETAILS: &str = "return_run_details";
const PAGE: usize = 100;
/// GitHub lists no more than a thousand of what is narrowed by an event.
const MOST_PAGES: usize = 10;

/// A workflow, and the branch whose file of it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// The repository.
    pub repository: RepositoryName,
    /// The file below `.github/workflows`.
    pub file: WorkflowFile,
    /// The branch.
    pub branch: BranchName,
}

/// A run that was asked for by a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DispatchedRun {
    /// GitHub's number of it.
    pub id: u64,
    /// Its title, which the workflow's `run-name` makes.
    #[serde(rename = "display_title")]
    pub title: String,
    /// `queued`, `in_progress`, `completed` and others.
    pub status: String,
    /// How it ended: `success`, `failure`, `cancelled` and others; absent before.
    pub conclusion: Option<String>,
    /// Its page.
    pub html_url: String,
    /// When it was asked for, in whole seconds of GitHub's clock.
    pub created_at: Timestamp,
}

/// Why there is no answer that a workflow was dispatched.
#[derive(Debug)]
pub enum DispatchFailed {
    /// GitHub refused: no run came of it.
    Refused(Failure),
    /// The answer was lost, or is no answer: a run may have come of it.
    Unanswered(Failure),
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<DispatchedRun>,
}

#[derive(Deserialize)]
struct RunDetails {
    workflow_run_id: u64,
}

#[derive(Deserialize)]
struct Blob {
    sha: String,
}

impl GitHub {
    /// Asks for one run of a workflow, once. Returns its number where GitHub tells it; older
    /// servers answer 204 without a body.
    pub async fn dispatch_workflow(
        &self,
        workflow: &Workflow,
        inputs: &BTreeMap<&'static str, String>,
    ) -> Result<Option<u64>, DispatchFailed> {
        let Workflow { repository, file, branch } = workflow;
        let mut body = json!({ "ref": branch.as_str(), "inputs": inputs, DETAILS: true });
        let path = format!("/repos/{repository}/actions/workflows/{file}/dispatches");
        let mut answer = self.dispatch(&path, &body).await?;
        // An older enterprise server refuses what it does not know, and then nothing has happened yet.
        if answer.status == 422 && message_of(&answer.body).is_some_and(|said| said.contains(DETAILS)) {
            body = json!({ "ref": branch.as_str(), "inputs": inputs });
            answer = self.dispatch(&path, &body).await?;
        }
        match answer.status {
            204 => Ok(None),
            // A body that cannot be read says as little as none: the run is there, and is looked for.
            200..=299 => Ok(serde_json::from_slice(&answer.body)
                .ok()
                .map(|RunDetails { workflow_run_id }| workflow_run_id)),
            500..=599 | 408 => Err(DispatchFailed::Unanswered(answer.failure(&Method::POST))),
            _ => Err(DispatchFailed::Refused(refused(workflow, &answer))),
        }
    }

    async fn dispatch(&self, path: &str, body: &Value) -> Result<Answer, DispatchFailed> {
        let permit = self.limiter().acquire(Call::Create, Priority::Action).await;
        let permit = permit.map_err(DispatchFailed::Refused)?;
        self.write_with(permit, Method::POST, path, body).await.map_err(DispatchFailed::Unanswered)
    }

    /// All runs of a workflow that were dispatched since a time, by number. A page that cannot be read fails
    /// the whole: a run that is missing would be asked for again.
    pub async fn dispatched_runs(
        &self,
        workflow: &Workflow,
        since: Timestamp,
    ) -> Result<BTreeMap<u64, DispatchedRun>, Failure> {
        let Workflow { repository, file, .. } = workflow;
        let about = format!("the runs of {file} in {repository}");
        let name = file.to_string();
        let path = ["repos", repository.owner(), repository.name(), "actions", "workflows", &name, "runs"];
        let size = PAGE.to_string();
        let mut all = BTreeMap::new();
        for page in 1..=MOST_PAGES {
            let page = page.to_string();
            let query =
                [("event", "workflow_dispatch"), ("per_page", size.as_str()), ("page", page.as_str())];
            let fetched = match self.get(&path, &query, Priority::Poll).await {
                Lookup::Found(fetched) => fetched,
                Lookup::Absent { reason } => return Err(no_workflow(workflow, reason)),
                Lookup::Failed(failure) => return Err(may_read(failure, repository)),
            };
            let runs = fetched.json::<Runs>(&about)?.workflow_runs;
            // Newest first, so that everything behind an older one is older.
            let is_last = runs.len() < PAGE || runs.iter().any(|run| run.created_at < since);
            all.extend(runs.into_iter().filter(|run| run.created_at >= since).map(|run| (run.id, run)));
            if is_last {
                return Ok(all);
            }
        }
        let most = PAGE * MOST_PAGES;
        Err(Failure::transient(format!("{about}: more than {most} since {since}, so not all can be seen")))
    }

    /// One run. Absent where it was deleted, or the token may no longer see it.
    pub async fn dispatched_run(&self, repository: &RepositoryName, run: u64) -> Lookup<DispatchedRun> {
        let number = run.to_string();
        let path = ["repos", repository.owner(), repository.name(), "actions", "runs", &number];
        let read = |fetched: Fetched| fetched.json(&format!("run {run} of {repository}"));
        match self.get(&path, &[], Priority::Poll).await.map(read) {
            Lookup::Found(Ok(run)) => Lookup::Found(run),
            Lookup::Found(Err(failure)) => Lookup::Failed(failure),
            Lookup::Absent { reason } => Lookup::Absent { reason },
            Lookup::Failed(failure) => Lookup::Failed(may_read(failure, repository)),
        }
    }

    /// Has a run end soon. One that has ended, or was deleted, is as good as cancelled.
    pub async fn cancel_run(&self, repository: &RepositoryName, run: u64) -> Result<(), Failure> {
        let path = format!("/repos/{repository}/actions/runs/{run}/cancel");
        let answer = self.write(Call::Write, Method::POST, &path, &Value::Null).await?;
        match answer.status {
            200..=299 | 404 | 409 => Ok(()),
            _ => Err(may_write(answer.failure(&Method::POST), repository)),
        }
    }

    /// Keeps bytes in a repository without a commit, and returns the name that they have there. The same
    /// bytes have the same name, so asking twice makes nothing twice.
    pub async fn keep_blob(&self, repository: &RepositoryName, bytes: &[u8]) -> Result<Oid, Failure> {
        let path = format!("/repos/{repository}/git/blobs");
        let body = json!({ "content": STANDARD.encode(bytes), "encoding": "base64" });
        let answer = self.write(Call::Create, Method::POST, &path, &body).await?;
        if answer.status != 201 {
            return Err(hinted(
                answer.failure(&Method::POST),
                &format!("to keep a large environment there it needs `Contents: write` in {repository}"),
            ));
        }
        let malformed = |what: String| {
            Failure::permanent(format!("POST {}: the answer is malformed: {what}", answer.url))
        };
        let blob: Blob =
            serde_json::from_slice(&answer.body).map_err(|error| malformed(error.to_string()))?;
        blob.sha.parse().map_err(|error: super::NotAName| malformed(error.to_string()))
    }
}

/// What a refused dispatch means for who set the engine up.
fn refused(workflow: &Workflow, answer: &Answer) -> Failure {
    let failure = answer.failure(&Method::POST);
    match answer.status {
        404 => no_workflow(workflow, Absence::NotFound),
        403 => may_write(failure, &workflow.repository),
        422 => Failure::Configuration {
            message: failure.to_string(),
            hint: Some(format!(
                "look whether `{}` is a branch of {} and has the workflow that belongs to this version of tidegate",
                workflow.branch, workflow.repository
            )),
        },
        _ => failure,
    }
}

fn no_workflow(Workflow { repository, file, branch }: &Workflow, reason: Absence) -> Failure {
    Failure::Configuration {
        message: format!("the workflow {file} of {repository}: {reason}"),
        hint: Some(format!(
            "put the workflow at `.github/workflows/{file}` on `{branch}` and on the default branch, and let the token read and write Actions there"
        )),
    }
}

/// The failure of a call that reads about runs.
pub(super) fn may_read(failure: Failure, repository: &RepositoryName) -> Failure {
    hinted(failure, &format!("to follow runs it needs `Actions: read` in {repository}"))
}

fn may_write(failure: Failure, repository: &RepositoryName) -> Failure {
    hinted(failure, &format!("to dispatch and cancel runs it needs `Actions: write` in {repository}"))
}

/// A failure of what the operator wrote, with a hint for this call beside the one that fits every call.
fn hinted(failure: Failure, more: &str) -> Failure {
    match failure {
        Failure::Configuration { message, hint } => {
            let hint = hint.map_or_else(|| more.to_owned(), |hint| format!("{hint}; {more}"));
            Failure::Configuration { message, hint: Some(hint) }
        }
        failure => failure,
    }
}
