//! Workflows as GitHub reads them from a repository when they are dispatched: which inputs they take, and what
//! their runs are called. Nothing is run here; whoever owns the world does that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{File, read};
use super::refused::Refused;
use super::state::{Repository, WorkflowRun, not_simulated};

/// The most characters of all inputs of a dispatch together (GitHub's documentation of `workflow_dispatch`).
const LARGEST_INPUTS: usize = 65_535;

/// What a dispatch asks for.
pub(super) struct Asked<'a> {
    pub(super) file: &'a str,
    pub(super) reference: &'a str,
    pub(super) inputs: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct Workflow {
    name: Option<String>,
    #[serde(rename = "run-name")]
    run_name: Option<String>,
    on: Triggers,
}

#[derive(Deserialize)]
struct Triggers {
    workflow_dispatch: Option<Trigger>,
}

#[derive(Deserialize)]
struct Trigger {
    #[serde(default)]
    inputs: BTreeMap<String, Input>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    required: bool,
    #[serde(default)]
    default: String,
}

/// The run that a dispatch makes; none where the world has no file of this workflow, and only keeps that it
/// was dispatched.
pub(super) fn dispatched(
    repository: &Repository,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Option<WorkflowRun>, Refused> {
    let size: usize = asked.inputs.values().filter_map(Value::as_str).map(str::len).sum();
    if size > LARGEST_INPUTS {
        return Err(Refused::unprocessable("inputs are too large."));
    }
    let path = format!(".github/workflows/{}", asked.file);
    let content = match repository.git.is_some() {
        true => read(repository, asked.reference, &path)?,
        false => None,
    };
    let Some(File::Content(text)) = content else { return Ok(None) };
    let text = String::from_utf8_lossy(&text);
    let workflow: Workflow = serde_yaml::from_str(&text)
        .map_err(|error| not_simulated(&format!("the workflow {path}: {error}")))?;
    let trigger = workflow.on.workflow_dispatch.as_ref();
    let trigger = trigger
        .ok_or_else(|| Refused::unprocessable("Workflow does not have 'workflow_dispatch' trigger"))?;
    let inputs = given(&trigger.inputs, asked.inputs)?;
    let name = workflow.name.unwrap_or_else(|| path.clone());
    let display_title = workflow.run_name.map(|title| filled(&title, &inputs)).transpose()?;
    let id = repository.runs.iter().map(|run| run.id).max().unwrap_or(1_000) + 1;
    Ok(Some(WorkflowRun {
        id,
        workflow: asked.file.to_owned(),
        display_title: display_title.unwrap_or_else(|| name.clone()),
        name,
        status: "queued".to_owned(),
        conclusion: None,
        html_url: format!("https://github.com/{}/actions/runs/{id}", repository.name),
        created_at: now,
        run_started_at: now,
    }))
}

/// The inputs with their defaults. Those that the workflow does not declare, or lacks, are refused.
fn given(
    declared: &BTreeMap<String, Input>,
    given: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, Refused> {
    let unexpected: Vec<_> = given.keys().filter(|name| !declared.contains_key(*name)).collect();
    if !unexpected.is_empty() {
        return Err(Refused::unprocessable(format!("Unexpected inputs provided: {unexpected:?}")));
    }
    let mut inputs = BTreeMap::new();
    for (name, input) in declared {
        let value = given.get(name).and_then(Value::as_str).unwrap_or(&input.default);
        if input.required && value.is_empty() {
            return Err(Refused::unprocessable(format!("Required input '{name}' not provided")));
        }
        inputs.insert(name.clone(), value.to_owned());
    }
    Ok(inputs)
}

/// A title with its expressions replaced. Only inputs are known here.
fn filled(title: &str, inputs: &BTreeMap<String, String>) -> Result<String, Refused> {
    let mut filled = String::new();
    let mut rest = title;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) =
            after.split_once("}}").ok_or_else(|| not_simulated(&format!("the title {title}")))?;
        let name = expression.trim().strip_prefix("inputs.");
        let value = name.and_then(|name| inputs.get(name));
        filled.push_str(before);
        filled.push_str(value.ok_or_else(|| not_simulated(&format!("`{expression}` in a title")))?);
        rest = after;
    }
    Ok(filled + rest)
}
