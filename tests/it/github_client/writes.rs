//! Writes: each is sent once, compares and swaps, and says why it was refused.

use base64::Engine as _;
use http::Method;
use serde_json::json;
use tidegate::failure::Failure;
use tidegate::github::{
    BranchName, CommitMessage, CommitRefused, FileChange, GitHub, GitHubSettings, Lookup, NewPullRequest,
    OpenRefused, Pace, PullRequestState, PushRefused,
};

use super::server::{Client, Reply, Request, Server};
use super::{oid, repo};

fn branch(name: &str) -> BranchName {
    name.parse().unwrap()
}

fn message() -> CommitMessage {
    CommitMessage { headline: "Promote cli".to_owned(), body: "Tidegate-Key: k".to_owned() }
}

fn changes() -> Vec<FileChange> {
    vec![
        FileChange { path: "packages.json".to_owned(), contents: Some("[]\n".to_owned()) },
        FileChange { path: "old.json".to_owned(), contents: None },
    ]
}

fn new_pull() -> NewPullRequest {
    NewPullRequest {
        title: "Promote cli".to_owned(),
        body: "Why".to_owned(),
        head: branch("tidegate/cli"),
        base: branch("main"),
        draft: false,
    }
}

fn query(request: &Request) -> &str {
    request.body["query"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_write_that_meets_a_502_is_sent_once_and_says_that_it_may_be_tried_again() {
    let server = Server::answering(|_| Reply::empty(502)).await;
    let client = Client::of(&server).await;
    let error = client.github.comment(&repo("o/r"), 7, "hello").await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].method, seen[0].path.as_str()), (&Method::POST, "/repos/o/r/issues/7/comments"));
    assert_eq!(seen[0].body, json!({ "body": "hello" }));
}

#[tokio::test]
async fn a_write_to_a_repository_that_has_moved_is_not_carried_elsewhere() {
    let server = Server::answering(|request| match request.path.as_str() {
        "/repos/o/r/issues/7/comments" => {
            Reply::empty(307).with("location", "/repositories/1/issues/7/comments")
        }
        other => panic!("followed to {other}"),
    })
    .await;
    let client = Client::of(&server).await;
    let error = client.github.comment(&repo("o/r"), 7, "hello").await.unwrap_err();
    assert!(error.to_string().contains("has moved"), "{error}");
}

#[tokio::test]
async fn a_commit_is_one_mutation_that_names_the_head_it_expects() {
    let server = Server::answering(|_| {
        let commit = json!({ "commit": { "oid": "e".repeat(40) } });
        Reply::json(200, json!({ "data": { "createCommitOnBranch": commit } }))
    })
    .await;
    let client = Client::of(&server).await;
    let made = client
        .github
        .commit_files(&repo("o/r"), &branch("main"), &oid("a"), &changes(), &message())
        .await
        .unwrap();
    assert_eq!(made.oid, oid("e"));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    let contents = base64::engine::general_purpose::STANDARD.encode("[]\n");
    assert_eq!(
        *seen[0].variable("input"),
        json!({
            "branch": { "repositoryNameWithOwner": "o/r", "branchName": "main" },
            "expectedHeadOid": "a".repeat(40),
            "message": { "headline": "Promote cli", "body": "Tidegate-Key: k" },
            "fileChanges": {
                "additions": [{ "path": "packages.json", "contents": contents }],
                "deletions": [{ "path": "old.json" }],
            },
        })
    );
}

#[tokio::test]
async fn a_commit_on_a_head_that_has_moved_is_refused_as_such() {
    let server = Server::answering(|_| {
        let error =
            json!({ "type": "STALE_DATA", "path": ["createCommitOnBranch"], "message": "Expected a" });
        Reply::json(200, json!({ "data": { "createCommitOnBranch": null }, "errors": [error] }))
    })
    .await;
    let client = Client::of(&server).await;
    let refused = client
        .github
        .commit_files(&repo("o/r"), &branch("main"), &oid("a"), &changes(), &message())
        .await
        .unwrap_err();
    assert!(matches!(refused, CommitRefused::HeadMoved { .. }), "{refused:?}");
}

/// A server for pushes: `moved` is what it says to the moving of the branch, `head` where that is then.
async fn push_server(moved: serde_json::Value, head: serde_json::Value) -> Server {
    Server::answering(move |request| match (request.path.as_str(), query(request)) {
        ("/graphql", query) if query.starts_with("query Base") => Reply::json(
            200,
            json!({ "data": { "repository": { "id": "R_1", "object": { "tree": { "oid": "1".repeat(40) } } } } }),
        ),
        ("/graphql", query) if query.starts_with("mutation Move") => Reply::json(200, moved.clone()),
        ("/graphql", query) if query.starts_with("query Head") => {
            Reply::json(200, json!({ "data": { "repository": { "ref": head } } }))
        }
        ("/repos/o/r/git/trees", _) => Reply::json(201, json!({ "sha": "2".repeat(40) })),
        ("/repos/o/r/git/commits", _) => Reply::json(201, json!({ "sha": "3".repeat(40) })),
        other => panic!("{other:?}"),
    })
    .await
}

fn moved() -> serde_json::Value {
    json!({ "data": { "updateRefs": { "clientMutationId": null } } })
}

fn not_moved() -> serde_json::Value {
    let error = json!({ "type": "UNPROCESSABLE", "path": ["updateRefs"], "message": "cannot lock ref" });
    json!({ "data": { "updateRefs": null }, "errors": [error] })
}

#[tokio::test]
async fn a_branch_is_reset_to_one_commit_on_base_in_one_step() {
    let server = push_server(moved(), json!(null)).await;
    let client = Client::of(&server).await;
    let (base, before) = (oid("a"), oid("b"));
    let pushed = client
        .github
        .push_branch(&repo("o/r"), &branch("tidegate/cli"), &base, Some(&before), &changes(), &message())
        .await
        .unwrap();
    assert_eq!(pushed, oid("3"));
    let seen = server.seen();
    assert_eq!(
        seen[1].body,
        json!({ "base_tree": "1".repeat(40), "tree": [
            { "path": "packages.json", "mode": "100644", "type": "blob", "content": "[]\n" },
            { "path": "old.json", "mode": "100644", "type": "blob", "sha": null },
        ] })
    );
    assert_eq!(
        seen[2].body,
        json!({ "message": "Promote cli\n\nTidegate-Key: k", "tree": "2".repeat(40), "parents": ["a".repeat(40)] })
    );
    assert_eq!(
        seen[3].variable("input")["refUpdates"],
        json!([{
            "name": "refs/heads/tidegate/cli", "beforeOid": "b".repeat(40), "afterOid": "3".repeat(40), "force": true,
        }])
    );
}

#[tokio::test]
async fn a_branch_where_somebody_else_was_is_left_alone() {
    let head = json!({ "target": { "oid": "f".repeat(40), "message": "Mine" } });
    let server = push_server(not_moved(), head).await;
    let client = Client::of(&server).await;
    let pushed = client
        .github
        .push_branch(&repo("o/r"), &branch("tidegate/cli"), &oid("a"), None, &changes(), &message())
        .await;
    let Err(PushRefused::BranchMoved { at, .. }) = pushed else { panic!("{pushed:?}") };
    assert_eq!(at, Some(oid("f")));
    assert_eq!(server.seen()[3].variable("input")["refUpdates"][0]["beforeOid"], "0".repeat(40));
}

#[tokio::test]
async fn a_branch_that_cannot_move_although_nobody_moved_it_is_a_failure() {
    let server = push_server(not_moved(), json!(null)).await;
    let client = Client::of(&server).await;
    let pushed = client
        .github
        .push_branch(&repo("o/r"), &branch("tidegate/cli"), &oid("a"), None, &changes(), &message())
        .await;
    assert!(matches!(pushed, Err(PushRefused::Failed(Failure::Permanent { .. }))), "{pushed:?}");
}

#[tokio::test]
async fn the_head_of_a_branch_shows_its_message_and_a_missing_branch_is_no_missing_repository() {
    let head = json!({ "target": { "oid": "f".repeat(40), "message": "Promote\n\nTidegate-Key: k" } });
    let server = push_server(moved(), head).await;
    let client = Client::of(&server).await;
    let head = client.github.branch_head(&repo("o/r"), &branch("x")).await.found().unwrap();
    assert_eq!(tidegate::github::marker::key_of_commit(&head.message), Some("k"));
    let server = push_server(moved(), json!(null)).await;
    let client = Client::of(&server).await;
    let lookup = client.github.branch_head(&repo("o/r"), &branch("x")).await;
    assert!(matches!(lookup, Lookup::Absent { reason: tidegate::github::Absence::NoSuchBranch }));
}

#[tokio::test]
async fn a_path_that_leaves_the_repository_never_reaches_github() {
    let server = Server::answering(|request| panic!("{request:?}")).await;
    let client = Client::of(&server).await;
    let bad = [FileChange { path: "../x".to_owned(), contents: Some(String::new()) }];
    let refused = client
        .github
        .commit_files(&repo("o/r"), &branch("main"), &oid("a"), &bad, &message())
        .await
        .unwrap_err();
    assert!(matches!(refused, CommitRefused::Failed(Failure::Permanent { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_pull_request_is_opened_with_its_title_branches_and_text() {
    let server = Server::answering(|_| Reply::json(201, json!({ "number": 12 }))).await;
    let client = Client::of(&server).await;
    assert_eq!(client.github.open_pull_request(&repo("o/r"), &new_pull()).await.unwrap(), 12);
    let seen = server.seen();
    assert_eq!((&seen[0].method, seen[0].path.as_str()), (&Method::POST, "/repos/o/r/pulls"));
    assert_eq!(
        seen[0].body,
        json!({ "title": "Promote cli", "body": "Why", "head": "tidegate/cli", "base": "main", "draft": false })
    );
}

#[tokio::test]
async fn a_refused_pull_request_says_whether_to_adopt_one_or_to_let_it_be() {
    for (said, expected) in [
        ("A pull request already exists for o:tidegate/cli.", "adopt"),
        ("No commits between main and tidegate/cli", "nothing"),
        ("Validation failed on base", "failed"),
    ] {
        let server = Server::answering(move |_| {
            let errors = json!([{ "resource": "PullRequest", "code": "custom", "message": said }]);
            Reply::json(422, json!({ "message": "Validation Failed", "errors": errors }))
        })
        .await;
        let client = Client::of(&server).await;
        let came = match client.github.open_pull_request(&repo("o/r"), &new_pull()).await.unwrap_err() {
            OpenRefused::AlreadyExists => "adopt",
            OpenRefused::NoCommits => "nothing",
            OpenRefused::Failed(failure) => {
                assert!(failure.to_string().contains(said), "{failure}");
                "failed"
            }
        };
        assert_eq!(came, expected, "{said}");
    }
}

#[tokio::test]
async fn a_pull_request_is_edited_labelled_and_closed() {
    let server = Server::answering(|request| match request.path.ends_with("/labels") {
        true => Reply::json(200, json!([])),
        false => Reply::json(200, json!({ "number": 3 })),
    })
    .await;
    let client = Client::of(&server).await;
    client.github.update_pull_request(&repo("o/r"), 3, "New", "Text").await.unwrap();
    client.github.add_labels(&repo("o/r"), 3, &["freeze"]).await.unwrap();
    client.github.close(&repo("o/r"), 3).await.unwrap();
    let seen: Vec<_> = server.seen().iter().map(|r| format!("{} {} {}", r.method, r.path, r.body)).collect();
    insta::assert_snapshot!(seen.join("\n"), @r#"
    PATCH /repos/o/r/pulls/3 {"title":"New","body":"Text"}
    POST /repos/o/r/issues/3/labels {"labels":["freeze"]}
    PATCH /repos/o/r/pulls/3 {"state":"closed"}
    "#);
}

#[tokio::test]
async fn pull_requests_are_found_by_their_branch_open_or_not() {
    let pull = |number: u64, head: &str, merged: Option<&str>| {
        json!({
            "number": number, "title": "t", "body": null, "state": "closed", "draft": false,
            "head": { "ref": head, "sha": "a".repeat(40), "repo": { "owner": { "login": "o" } } },
            "base": { "ref": "main" }, "merged_at": merged, "closed_at": "2026-07-02T00:00:00Z",
            "created_at": "2026-07-01T00:00:00Z", "updated_at": "2026-07-02T00:00:00Z",
            "user": { "login": "bot" }, "labels": [{ "name": "freeze" }],
        })
    };
    let server = Server::answering(move |request| {
        assert_eq!(request.path, "/repos/o/r/pulls?state=all&head=o%3Atidegate%2Fcli&per_page=100&page=1");
        let merged = Some("2026-07-02T00:00:00Z");
        Reply::json(
            200,
            json!([pull(5, "tidegate/cli", None), pull(2, "tidegate/cli", merged), pull(9, "x", None)]),
        )
    })
    .await;
    let client = Client::of(&server).await;
    let found =
        client.github.find_pull_requests_by_head(&repo("o/r"), &branch("tidegate/cli")).await.unwrap();
    let states: Vec<_> = found.iter().map(|pull| (pull.number, pull.state)).collect();
    assert_eq!(states, [(2, PullRequestState::Merged), (5, PullRequestState::Closed)]);
}

#[tokio::test]
async fn a_look_up_of_pull_requests_that_fails_is_no_empty_list() {
    let server = Server::answering(|_| Reply::json(404, json!({ "message": "Not Found" }))).await;
    let client = Client::of(&server).await;
    assert!(client.github.find_pull_requests_by_head(&repo("o/r"), &branch("x")).await.is_err());
    assert!(client.github.comments(&repo("o/r"), 1).await.is_err());
}

#[tokio::test]
async fn comments_are_read_page_by_page() {
    let server = Server::answering(|request| {
        let ids = if request.path.ends_with("page=1") { 0..100 } else { 100..101 };
        let comments: Vec<_> = ids
            .map(|id| json!({ "id": id, "user": null, "body": "b", "created_at": "2026-07-01T00:00:00Z" }))
            .collect();
        Reply::json(200, json!(comments))
    })
    .await;
    let client = Client::of(&server).await;
    assert_eq!(client.github.comments(&repo("o/r"), 1).await.unwrap().len(), 101);
}

#[tokio::test]
async fn the_token_goes_to_loopback_or_over_https_only() {
    let server = Server::answering(|_| Reply::empty(500)).await;
    let client = Client::of(&server).await;
    let settings = GitHubSettings::new("http://github.example".parse().unwrap(), "ghp_secret".into());
    assert!(!format!("{settings:?}").contains("ghp_secret"));
    let made = GitHub::new(settings, client.store.clone(), client.clock.clone(), Pace::None).await;
    let Err(Failure::Configuration { message, .. }) = made else { panic!("accepted plain http") };
    assert!(message.contains("http://github.example"), "{message}");
}
