//! Calls about GitHub Actions, and the one about the limits.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::artifact_storage;
use super::super::event::Event;
use super::super::files::{File, read, resolve};
use super::super::limits::Resource;
use super::super::refused::Refused;
use super::super::simulation::Inner;
use super::super::state::{Artifact, WorkflowRun, not_simulated};
use super::super::workflows;
use super::{Call, shapes};

/// The state of all budgets. The ones that the simulation does not use are whole.
pub(super) fn rate_limit(inner: &mut Inner, now: Timestamp) -> Answer {
    let core = shapes::rate(inner.usage.rate(Resource::Core, now));
    let graphql = shapes::rate(inner.usage.rate(Resource::GraphQl, now));
    let search = json!({"limit": 30, "used": 0, "remaining": 30, "reset": now.as_second() + 60});
    Answer::ok(&json!({"resources": {"core": core, "search": search, "graphql": graphql}, "rate": core}))
}

impl Call<'_> {
    /// Runs of a workflow, newest first. A workflow is known where the repository lists it, or it has a run or was dispatched.
    pub(super) fn list_runs(&self) -> Result<Answer, Refused> {
        self.only_query(&["status", "event", "per_page", "page", "exclude_pull_requests"])?;
        if self.query("event").is_some_and(|event| event != "workflow_dispatch") {
            return Err(not_simulated("runs that were not dispatched"));
        }
        let repository = self.repository()?;
        let workflow = self.parameter("workflow_id");
        let known = repository.workflows.contains(workflow)
            || self.has_workflow_file(workflow)?
            || repository.runs.iter().any(|run| run.workflow == workflow)
            || repository.dispatches.iter().any(|dispatch| dispatch.workflow == workflow);
        if !known {
            return Err(Refused::not_found("Not Found"));
        }
        let wanted = |run: &&WorkflowRun| {
            run.workflow == workflow
                && run.created_at <= self.now
                && self
                    .query("status")
                    .is_none_or(|status| run.status == status || run.conclusion.as_deref() == Some(status))
        };
        let mut runs: Vec<_> = repository.runs.iter().filter(wanted).collect();
        runs.sort_by_key(|run| std::cmp::Reverse((run.created_at, run.id)));
        let total = runs.len();
        let (entries, link) = self.cut(runs);
        let shape = |run| shapes::run(&self.request.api, repository, run);
        let runs: Value = entries.into_iter().map(shape).collect();
        let answer = Answer::ok(&json!({"total_count": total, "workflow_runs": runs}));
        Ok(if link.is_empty() { answer } else { answer.with("link", link) })
    }

    pub(super) fn get_run(&self) -> Result<Answer, Refused> {
        let (repository, id) = (self.repository()?, self.number("run_id")?);
        let run = repository.runs.iter().find(|run| run.id == id && run.created_at <= self.now);
        let run = run.ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::ok(&shapes::run(&self.request.api, repository, run)))
    }

    /// Artifacts of a run, newest first. Those that cannot be seen yet are not there, nor in a run that is not.
    pub(super) fn list_artifacts(&self) -> Result<Answer, Refused> {
        self.only_query(&["name", "per_page", "page"])?;
        let (repository, run_id) = (self.repository()?, self.number("run_id")?);
        if !repository.runs.iter().any(|run| run.id == run_id && run.created_at <= self.now) {
            return Err(Refused::not_found("Not Found"));
        }
        let wanted = |artifact: &&Artifact| {
            artifact.run_id == run_id
                && artifact.created_at <= self.now
                && self.query("name").is_none_or(|name| artifact.name == name)
        };
        let mut artifacts: Vec<_> = repository.artifacts.iter().filter(wanted).collect();
        artifacts.sort_by_key(|artifact| std::cmp::Reverse((artifact.created_at, artifact.id)));
        let total = artifacts.len();
        let (entries, link) = self.cut(artifacts);
        let shape = |artifact| shapes::artifact(&self.request.api, repository, artifact);
        let artifacts: Value = entries.into_iter().map(shape).collect();
        let answer = Answer::ok(&json!({"total_count": total, "artifacts": artifacts}));
        Ok(if link.is_empty() { answer } else { answer.with("link", link) })
    }

    /// Sends the client on to where the zip file lies, with an address that needs no token.
    pub(super) fn download_artifact(&self) -> Result<Answer, Refused> {
        let (repository, id) = (self.repository()?, self.number("artifact_id")?);
        let seen = |artifact: &&Artifact| artifact.id == id && artifact.created_at <= self.now;
        let artifact = repository.artifacts.iter().find(seen);
        let artifact = artifact.filter(|_| self.parameter("archive_format") == "zip");
        let artifact = artifact.ok_or_else(|| Refused::not_found("Not Found"))?;
        if artifact.expired {
            return Err(Refused::status(410, "GONE", "Artifact has expired"));
        }
        let location = artifact_storage::address(&self.request.api, &repository.name, artifact);
        Ok(Answer::found_at(location))
    }

    /// Dispatches a workflow. One whose file the world has makes a run, which waits for somebody to carry it
    /// out; of another one only the dispatch is kept.
    pub(super) fn dispatch(&mut self) -> Result<Answer, Refused> {
        self.only(&["ref", "inputs", "return_run_details"])?;
        let reference = self.text("ref").unwrap_or_default();
        let workflow = self.parameter("workflow_id").to_owned();
        let inputs = self.request.body["inputs"].as_object().cloned().unwrap_or_default();
        let repository = self.repository()?;
        if let Some(git) = &repository.git
            && resolve(git, &reference).is_none()
        {
            return Err(Refused::unprocessable(format!("No ref found for: {reference}")));
        }
        let asked = workflows::Asked { file: &workflow, reference: &reference, inputs: &inputs };
        let run = workflows::dispatched(repository, &asked, self.now)?;
        let wants_details = self.request.body["return_run_details"] == true;
        let details = run.as_ref().filter(|_| wants_details).map(|run| {
            json!({
                "workflow_run_id": run.id,
                "run_url": format!("{}/repos/{}/actions/runs/{}", self.request.api, self.name, run.id),
                "html_url": run.html_url,
            })
        });
        let (repository, at) = (self.name.clone(), self.now);
        self.perform(Event::WorkflowDispatched { repository, workflow, reference, inputs, run, at })?;
        Ok(details.map_or_else(Answer::no_content, |details| Answer::ok(&details)))
    }

    /// Ends a run as a person's click does. One that has ended cannot be cancelled.
    pub(super) fn cancel_run(&mut self) -> Result<Answer, Refused> {
        let id = self.number("run_id")?;
        let run = self.repository()?.runs.iter().find(|run| run.id == id && run.created_at <= self.now);
        let mut run = run.cloned().ok_or_else(|| Refused::not_found("Not Found"))?;
        if run.status == "completed" {
            return Err(Refused::status(409, "CONFLICT", "Cannot cancel a workflow run that is completed."));
        }
        run.status = "completed".to_owned();
        run.conclusion = Some("cancelled".to_owned());
        self.perform(Event::RunRecorded { repository: self.name.clone(), run })?;
        Ok(Answer::json(202, &json!({})))
    }

    /// True where the default branch has a file of the workflow.
    fn has_workflow_file(&self, workflow: &str) -> Result<bool, Refused> {
        let repository = self.repository()?;
        let path = format!(".github/workflows/{workflow}");
        Ok(repository.git.is_some()
            && matches!(read(repository, repository.default_branch(), &path)?, Some(File::Content(_))))
    }
}
