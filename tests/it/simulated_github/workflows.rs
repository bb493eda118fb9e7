//! Workflows whose files the simulated GitHub holds: what a dispatch takes, and the run that comes of it.

use serde_json::{Value, json};
use tidegate::rehearse::github::git::FileChanges;

use super::{GitHub, STAGING, start};

const WORKFLOW: &str = "name: test\nrun-name: test ${{ inputs.key }}\non:\n  workflow_dispatch:\n    inputs:\n      \
                        key:\n        required: true\n      note:\n        default: none\n";
const DISPATCHES: &str = "/actions/workflows/test.yml/dispatches";

async fn with_workflow() -> GitHub {
    let github = GitHub::new().await;
    let files =
        [(".github/workflows/test.yml", WORKFLOW), (".github/workflows/push.yml", "on:\n  push: {}\n")];
    let changes = FileChanges::write(files);
    github.simulated.commit_as("moderator", STAGING, "main", changes, "Add workflows", start()).unwrap();
    github
}

#[tokio::test]
async fn a_dispatch_makes_a_run_that_is_told_found_and_cancelled() {
    let github = with_workflow().await;
    let runs = format!("/repos/{STAGING}/actions/workflows/test.yml/runs?event=workflow_dispatch");
    assert_eq!(github.get(&runs).await.json["total_count"], 0);
    let body = json!({"ref": "main", "inputs": {"key": "k"}, "return_run_details": true});
    let told = github.call("POST", DISPATCHES, body).await;
    assert_eq!(told.status, 200);
    let id = told.json["workflow_run_id"].clone();
    let run = github.get(&runs).await.json["workflow_runs"][0].clone();
    assert_eq!(
        (&run["id"], &run["display_title"], &run["status"]),
        (&id, &json!("test k"), &json!("queued"))
    );
    assert_eq!(run["html_url"], told.json["html_url"]);

    let cancel = format!("/repos/{STAGING}/actions/runs/{id}/cancel");
    assert_eq!(github.send(github.request("POST", &cancel)).await.status, 202);
    assert_eq!(github.send(github.request("POST", &cancel)).await.status, 409);
    let again = github.reopened();
    let run = again.read(|state| state.repository(STAGING).unwrap().runs[0].clone());
    assert_eq!((run.status.as_str(), run.conclusion.as_deref()), ("completed", Some("cancelled")));
    github.assert_no_violations();
}

#[tokio::test]
async fn inputs_that_the_workflow_does_not_take_are_refused() {
    let github = with_workflow().await;
    let refused = async |path: &str, inputs: Value| {
        let answer = github.call("POST", path, json!({"ref": "main", "inputs": inputs})).await;
        assert_eq!(answer.status, 422, "{}", answer.json);
        answer.json["message"].as_str().unwrap().to_owned()
    };
    let told = [
        refused(DISPATCHES, json!({})).await,
        refused(DISPATCHES, json!({"key": "k", "other": "x"})).await,
        refused(DISPATCHES, json!({"key": "k", "note": "x".repeat(65_535)})).await,
        refused("/actions/workflows/push.yml/dispatches", json!({})).await,
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    Required input 'key' not provided
    Unexpected inputs provided: ["other"]
    inputs are too large.
    Workflow does not have 'workflow_dispatch' trigger
    "#);
    let runs = github.simulated.read(|state| state.repository(STAGING).unwrap().runs.len());
    assert_eq!(runs, 0);
    github.assert_no_violations();
}
