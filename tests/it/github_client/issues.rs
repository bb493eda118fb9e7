//! Issues: written once, found again by lists, and refused in ways that a caller can tell apart.

use http::Method;
use serde_json::{Value, json};
use tidegate::github::{IssueRefused, NewIssue};

use super::repo;
use super::server::{Client, Reply, Server};

fn new_issue() -> NewIssue {
    NewIssue { title: "Look".to_owned(), body: "at this".to_owned(), labels: vec!["recheck".to_owned()] }
}

fn issue(number: u64, created_at: &str) -> Value {
    json!({
        "number": number, "title": "Look", "body": null, "state": "open", "user": {"login": "bot"},
        "html_url": format!("https://github.com/o/r/issues/{number}"), "created_at": created_at,
    })
}

#[tokio::test]
async fn an_issue_is_opened_once_with_its_labels() {
    let server = Server::answering(|_| Reply::json(201, issue(7, "2026-07-01T00:00:00Z"))).await;
    let client = Client::of(&server).await;
    let opened = client.github.open_issue(&repo("o/r"), &new_issue()).await.unwrap();
    assert_eq!((opened.number, opened.url.as_str()), (7, "https://github.com/o/r/issues/7"));
    let seen = server.seen();
    assert_eq!((seen.len(), &seen[0].method, seen[0].path.as_str()), (1, &Method::POST, "/repos/o/r/issues"));
    assert_eq!(seen[0].body, json!({ "title": "Look", "body": "at this", "labels": ["recheck"] }));
}

#[tokio::test]
async fn each_way_of_being_refused_is_told_apart() {
    for (status, expected) in [
        (403, "Forbidden"),
        (404, "NotThere"),
        (410, "Gone"),
        (307, "Moved"),
        (422, "Invalid"),
        (401, "Failed"),
        (502, "Failed"),
    ] {
        let server = Server::answering(move |_| {
            let reply = Reply::json(status, json!({ "message": "no" }));
            if status == 307 { reply.with("location", "/repositories/1/issues") } else { reply }
        })
        .await;
        let client = Client::of(&server).await;
        let refused = client.github.open_issue(&repo("o/r"), &new_issue()).await.unwrap_err();
        assert!(format!("{refused:?}").starts_with(expected), "{status}: {refused:?}");
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_limit_is_no_refusal() {
    let server = Server::answering(|_| {
        Reply::json(403, json!({ "message": "You have exceeded a secondary rate limit" }))
            .with("retry-after", 60)
    })
    .await;
    let client = Client::of(&server).await;
    let refused = client.github.open_issue(&repo("o/r"), &new_issue()).await.unwrap_err();
    assert!(matches!(&refused, IssueRefused::Failed(failure) if failure.is_transient()), "{refused:?}");
}

#[tokio::test]
async fn a_list_of_issues_leaves_pull_requests_out_and_ends_where_it_is_too_old() {
    let server = Server::answering(|request| {
        let page = if request.path.contains("&page=1") { 1 } else { 2 };
        let issues: Vec<Value> = (0..100)
            .map(|number| {
                let day =
                    if page == 1 && number < 99 { "2026-07-10T00:00:00Z" } else { "2026-06-01T00:00:00Z" };
                let mut issue = issue(1000 - number, day);
                if number == 0 {
                    issue["pull_request"] = json!({ "url": "https://api.github.com/repos/o/r/pulls/1000" });
                }
                issue
            })
            .collect();
        Reply::json(200, json!(issues))
    })
    .await;
    let client = Client::of(&server).await;
    let since = "2026-07-01T00:00:00.5Z".parse().unwrap();
    let issues = client.github.issues_since(&repo("o/r"), since).await.unwrap();
    assert_eq!(issues.len(), 99);
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "the second page is older");
    assert!(seen[0].path.contains("since=2026-07-01T00%3A00%3A00Z"), "{}", seen[0].path);
}
