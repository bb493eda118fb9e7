//! Runs of a workflow that have not ended: a package whose build is under way is pending.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::Lookup;
use super::client::GitHub;
use super::limits::Priority;
use super::names::RepositoryName;
use crate::failure::Failure;

/// In the order in which a run goes through them: one that moves on while we ask is seen at least once.
const UNFINISHED: [&str; 5] = ["requested", "waiting", "pending", "queued", "in_progress"];
const PAGE: usize = 100;
const MOST_PAGES: usize = 10;

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRun {
    /// GitHub's number of it.
    pub id: u64,
    /// The name of the workflow.
    pub name: Option<String>,
    /// What the run is about, as its list shows it.
    pub display_title: String,
    /// Its state when it was seen last.
    pub status: String,
    /// Its page.
    pub html_url: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its current attempt started.
    pub run_started_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    name: Option<String>,
    display_title: String,
    status: String,
    html_url: String,
    created_at: Timestamp,
    run_started_at: Option<Timestamp>,
}

impl GitHub {
    /// All runs of `workflow` (a file name such as `build.yml`) that have not ended, by number. A page
    /// that cannot be read fails the whole: a missing run would look like one that has ended.
    pub async fn unfinished_runs(
        &self,
        repository: &RepositoryName,
        workflow: &str,
    ) -> Result<Vec<WorkflowRun>, Failure> {
        let mut runs = BTreeMap::new();
        for status in UNFINISHED {
            for run in self.runs_in(repository, workflow, status).await? {
                runs.insert(run.id, run);
            }
        }
        Ok(runs.into_values().collect())
    }

    async fn runs_in(
        &self,
        repository: &RepositoryName,
        workflow: &str,
        status: &str,
    ) -> Result<Vec<WorkflowRun>, Failure> {
        let about = format!("the {status} runs of {workflow} in {repository}");
        let path = ["repos", repository.owner(), repository.name(), "actions", "workflows", workflow, "runs"];
        let size = PAGE.to_string();
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let page = page.to_string();
            let query = [("status", status), ("per_page", size.as_str()), ("page", page.as_str())];
            let fetched = match self.get(&path, &query, Priority::Poll).await {
                Lookup::Found(fetched) => fetched,
                Lookup::Absent { reason } => return Err(Failure::permanent(format!("{about}: {reason}"))),
                Lookup::Failed(failure) => return Err(failure),
            };
            let runs = fetched.json::<Runs>(&about)?.workflow_runs;
            let is_last = runs.len() < PAGE;
            all.extend(runs.into_iter().map(Run::seen));
            if is_last {
                return Ok(all);
            }
        }
        Err(Failure::permanent(format!("{about}: more than {}", PAGE * MOST_PAGES)))
    }
}

impl Run {
    fn seen(self) -> WorkflowRun {
        WorkflowRun {
            id: self.id,
            name: self.name,
            display_title: self.display_title,
            status: self.status,
            html_url: self.html_url,
            created_at: self.created_at,
            run_started_at: self.run_started_at,
        }
    }
}
