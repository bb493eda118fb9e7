//! Faults on order, as a client meets them.

use std::time::Duration;

use serde_json::json;
use tidegate::rehearse::github::faults::Fault;

use super::{GitHub, STAGING};

fn order(github: &GitHub, faults: &[&str]) {
    github.simulated.set_faults(faults.iter().map(|fault| fault.parse::<Fault>().unwrap()).collect());
}

fn comments(github: &GitHub) -> usize {
    github.simulated.read(|state| state.repository(STAGING).unwrap().comments.len())
}

async fn ready() -> (GitHub, reqwest::RequestBuilder) {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    let path = format!("/repos/{STAGING}/issues/1/comments");
    let request = github.request("POST", &path).json(&json!({"body": "x"}));
    (github, request)
}

#[tokio::test]
async fn a_connection_dropped_before_the_effect_leaves_nothing_behind() {
    let (github, request) = ready().await;
    order(&github, &["POST /repos nth 1 drop-before"]);
    assert!(request.try_clone().unwrap().send().await.is_err());
    assert_eq!(comments(&github), 0);
    assert_eq!(github.send(request).await.status, 201);
}

#[tokio::test]
async fn a_connection_dropped_after_the_effect_hides_what_was_done() {
    let (github, request) = ready().await;
    order(&github, &["POST /repos nth 1 drop-after"]);
    assert!(request.send().await.is_err());
    assert_eq!(comments(&github), 1);
}

#[tokio::test]
async fn a_truncated_answer_has_its_headers_and_half_its_body() {
    let (github, request) = ready().await;
    order(&github, &["POST /repos nth 1 truncate"]);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert!(response.bytes().await.is_err());
    assert_eq!(comments(&github), 1);
}

#[tokio::test]
async fn a_status_and_a_secondary_limit_do_nothing() {
    let (github, request) = ready().await;
    order(&github, &["POST /repos nth 1 status 502", "POST /repos nth 2 retry-after 30"]);
    assert_eq!(github.send(request.try_clone().unwrap()).await.status, 502);
    let limited = github.send(request).await;
    assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (403, "30"));
    assert_eq!(comments(&github), 0);
    github.assert_no_violations();
}

#[tokio::test]
async fn silence_lasts_longer_than_a_client_waits() {
    let (github, request) = ready().await;
    order(&github, &["POST /repos every 1 timeout"]);
    let error = request.timeout(Duration::from_millis(100)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(comments(&github), 0);
}

#[tokio::test]
async fn a_graphql_operation_is_struck_by_its_name() {
    let (github, _) = ready().await;
    order(&github, &["graphql sweep nth 1 status 502"]);
    let query = |text: &str| github.request("POST", "/graphql").json(&json!({"query": text}));
    assert_eq!(github.send(query("query other { viewer { login } }")).await.status, 200);
    assert_eq!(github.send(query("query sweep { viewer { login } }")).await.status, 502);
    assert_eq!(github.send(query("query sweep { viewer { login } }")).await.status, 200);
}
