//! Dispatches of workflows: what different servers answer, and which runs come of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate::failure::Failure;
use tidegate::github::{DispatchFailed, Workflow};

use super::repo;
use super::server::{Client, Reply, Server};

fn workflow() -> Workflow {
    let (file, branch) = ("test.yml".parse().unwrap(), "main".parse().unwrap());
    Workflow { repository: repo("qiime2/tests"), file, branch }
}

fn inputs() -> BTreeMap<&'static str, String> {
    BTreeMap::from([("tag", "a.1".to_owned())])
}

#[tokio::test]
async fn the_number_of_the_run_is_taken_from_an_answer_that_tells_it() {
    let server = Server::answering(|_| {
        Reply::json(200, json!({ "workflow_run_id": 7, "run_url": "https://x", "html_url": "https://y" }))
    })
    .await;
    let client = Client::of(&server).await;
    assert_eq!(client.github.dispatch_workflow(&workflow(), &inputs()).await.unwrap(), Some(7));
    let sent = &server.seen()[0];
    assert_eq!(sent.path, "/repos/qiime2/tests/actions/workflows/test.yml/dispatches");
    assert_eq!(sent.body, json!({ "ref": "main", "inputs": { "tag": "a.1" }, "return_run_details": true }));
}

#[tokio::test]
async fn a_server_that_tells_no_number_or_does_not_know_the_question_is_one_all_the_same() {
    let silent = Server::answering(|_| Reply::empty(204)).await;
    let client = Client::of(&silent).await;
    assert_eq!(client.github.dispatch_workflow(&workflow(), &inputs()).await.unwrap(), None);
    assert_eq!(silent.seen().len(), 1);

    let older = Server::answering(|request| match request.body.get("return_run_details") {
        Some(_) => Reply::json(422, json!({ "message": "\"return_run_details\" is not a permitted key." })),
        None => Reply::empty(204),
    })
    .await;
    let client = Client::of(&older).await;
    assert_eq!(client.github.dispatch_workflow(&workflow(), &inputs()).await.unwrap(), None);
    assert_eq!(older.seen().len(), 2);
}

#[tokio::test]
async fn what_may_have_happened_is_told_from_what_did_not() {
    for (status, happened) in
        [(502, true), (500, true), (403, false), (404, false), (422, false), (429, false)]
    {
        let server = Server::answering(move |_| Reply::json(status, json!({ "message": "no" }))).await;
        let client = Client::of(&server).await;
        let failed = client.github.dispatch_workflow(&workflow(), &inputs()).await.unwrap_err();
        assert_eq!(matches!(failed, DispatchFailed::Unanswered(_)), happened, "{status}: {failed:?}");
        assert_eq!(server.seen().len(), 1, "{status}: it is sent once");
    }
}

fn run(id: u64, created_at: &str) -> Value {
    json!({
        "id": id, "display_title": format!("tidegate {id}"), "status": "queued", "conclusion": null,
        "html_url": "https://github.com/qiime2/tests/actions/runs/1", "created_at": created_at,
    })
}

#[tokio::test]
async fn runs_are_listed_as_far_back_as_asked_and_no_page_may_be_missing() {
    let server = Server::answering(|request| {
        let page = |first: u64, at: &str| {
            let runs: Vec<Value> = (first..first + 100).map(|id| run(id, at)).collect();
            Reply::json(200, json!({ "workflow_runs": runs }))
        };
        match request.path.rsplit("page=").next() {
            Some("1") => page(300, "2026-11-20T04:00:00Z"),
            Some("2") => page(200, "2026-11-20T03:00:00Z"),
            _ => Reply::json(502, json!({ "message": "no" })),
        }
    })
    .await;
    let client = Client::of(&server).await;
    let since = |time: &str| format!("2026-11-20T{time}Z").parse().unwrap();
    let runs = client.github.dispatched_runs(&workflow(), since("03:30:00")).await.unwrap();
    assert_eq!((runs.len(), runs.keys().next()), (100, Some(&300)));
    let failure = client.github.dispatched_runs(&workflow(), since("01:00:00")).await.unwrap_err();
    assert!(matches!(failure, Failure::Transient { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_dispatch_for_which_there_is_no_leave_is_known_not_to_have_been_sent() {
    let server = Server::answering(|_| Reply::empty(204)).await;
    let client = Client::of(&server).await;
    for _ in 0..80 {
        client.github.dispatch_workflow(&workflow(), &inputs()).await.unwrap();
    }
    let failed = client.github.dispatch_workflow(&workflow(), &inputs()).await.unwrap_err();
    let DispatchFailed::Refused(Failure::Transient { retry_at: Some(_), .. }) = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(server.seen().len(), 80);
}
