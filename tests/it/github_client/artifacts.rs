//! Artifacts of workflow runs: which one is meant, and what is not followed.

use serde_json::{Value, json};
use tidegate::failure::Failure;
use tidegate::github::Lookup;

use super::repo;
use super::server::{Client, Reply, Server};

fn listed(names: &[&str]) -> Value {
    let artifact = |(index, name): (usize, &&str)| json!({ "id": index + 1, "name": name, "size_in_bytes": 10, "expired": false });
    let artifacts: Vec<Value> = names.iter().enumerate().map(artifact).collect();
    json!({ "total_count": names.len(), "artifacts": artifacts })
}

#[tokio::test]
async fn exactly_one_artifact_has_the_name() {
    let server = Server::answering(|request| match request.path.as_str() {
        path if path.contains("/runs/1/") => Reply::json(200, listed(&["linux-64", "osx-64"])),
        path if path.contains("/runs/2/") => Reply::json(200, listed(&["linux-64", "linux-64"])),
        path if path.contains("/runs/3/") => Reply::json(200, listed(&[])),
        _ => Reply::json(404, json!({ "message": "Not Found" })),
    })
    .await;
    let github = Client::of(&server).await.github;
    let repository = repo("qiime2/q2-types");
    let Lookup::Found(one) = github.run_artifact(&repository, 1, "osx-64").await else { panic!() };
    assert_eq!((one.id, one.name.as_str()), (2, "osx-64"));
    assert!(server.seen()[0].path.contains("/repos/qiime2/q2-types/actions/runs/1/artifacts?name=osx-64"));
    let two = github.run_artifact(&repository, 2, "linux-64").await;
    assert!(matches!(two, Lookup::Failed(Failure::Permanent { .. })), "{two:?}");
    for run in [3, 4] {
        let none = github.run_artifact(&repository, run, "linux-64").await;
        assert!(matches!(none, Lookup::Absent { .. }), "{none:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_anything_but_https_is_not_followed() {
    for location in
        ["http://storage.example/zip", "https://user:word@storage.example/zip", "ftp://a.example/", "/zip"]
    {
        let server = Server::answering(move |_| Reply::empty(302).with("location", location)).await;
        let github = Client::of(&server).await.github;
        let mut zip = Vec::new();
        let ended = github.download_artifact(&repo("qiime2/q2-types"), 7, 100, &mut zip).await;
        assert!(matches!(ended, Err(Failure::Permanent { .. })), "{location}: {ended:?}");
        assert_eq!(server.seen().len(), 1, "{location}");
        assert!(zip.is_empty());
    }
}

#[tokio::test]
async fn a_content_that_is_gone_is_no_content() {
    let server = Server::answering(|_| Reply::json(410, json!({ "message": "Artifact has expired" }))).await;
    let github = Client::of(&server).await.github;
    let ended = github.download_artifact(&repo("qiime2/q2-types"), 7, 100, &mut Vec::new()).await;
    assert!(matches!(ended, Err(Failure::Permanent { .. })), "{ended:?}");
}
