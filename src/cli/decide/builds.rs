//! The builds that are under way, from workflow runs as GitHub's REST API lists them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::super::CommandError;
use crate::domain::{PackageFacts, PackageName};
use crate::github::WorkflowRun;
use crate::jobs::check_status::is_alive;

/// The states of a run that has not ended, as upstream asks for them. GitHub has no more of them.
const UNFINISHED: [&str; 6] = ["in_progress", "queued", "requested", "waiting", "pending", "expected"];

/// An answer of the API; the runs alone are taken too.
#[derive(Deserialize)]
#[serde(expecting = "an object with `workflow_runs`")]
struct Answer {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(expecting = "a workflow run with `html_url`")]
struct Run {
    #[serde(default)]
    id: u64,
    name: Option<String>,
    #[serde(default)]
    display_title: String,
    status: Option<String>,
    html_url: String,
    created_at: Option<Timestamp>,
    run_started_at: Option<Timestamp>,
}

/// The packages of `packages` with an unfinished build at `at`, and the address of its run. Of several
/// runs of one package the newest counts. `file` names the list in messages.
pub(super) fn unfinished(
    file: &str,
    bytes: &[u8],
    packages: &BTreeMap<PackageName, PackageFacts>,
    at: Timestamp,
) -> Result<BTreeMap<PackageName, String>, CommandError> {
    let runs = match bytes.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(bytes),
        _ => serde_json::from_slice(bytes).map(|answer: Answer| answer.workflow_runs),
    };
    let mut runs: Vec<Run> = runs.map_err(|error| {
        let wanted = "a list of workflow runs, or an object with one under `workflow_runs`";
        CommandError::invalid(format!("{file}: {error}; the file should be {wanted}"))
    })?;
    runs.sort_by_key(|run| run.id);
    let mut builds = BTreeMap::new();
    for run in runs.into_iter().filter(Run::is_unfinished) {
        let Some(package) = run.package(packages) else { continue };
        let run = run.seen(file)?;
        if is_alive(&run, at) {
            builds.insert(package, run.html_url);
        }
    }
    Ok(builds)
}

impl Run {
    fn is_unfinished(&self) -> bool {
        self.status.as_deref().is_some_and(|status| UNFINISHED.contains(&status))
    }

    /// The package that is built: the first word of the run's title or of its name, which is the name
    /// of the workflow where the workflow names its runs itself.
    fn package(&self, packages: &BTreeMap<PackageName, PackageFacts>) -> Option<PackageName> {
        let titles = [Some(self.display_title.as_str()), self.name.as_deref()];
        let words = titles.into_iter().flatten().filter_map(|title| title.split_whitespace().next());
        words.into_iter().find(|word| packages.contains_key(*word)).map(str::to_owned)
    }

    fn seen(self, file: &str) -> Result<WorkflowRun, CommandError> {
        let Some(created_at) = self.created_at.or(self.run_started_at) else {
            let message =
                format!("{file}: the run {} has neither `created_at` nor `run_started_at`", self.html_url);
            return Err(CommandError::invalid(message));
        };
        Ok(WorkflowRun {
            id: self.id,
            name: self.name,
            display_title: self.display_title,
            status: self.status.unwrap_or_default(),
            html_url: self.html_url,
            created_at,
            run_started_at: self.run_started_at,
        })
    }
}
