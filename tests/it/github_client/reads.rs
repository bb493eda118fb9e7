//! Polls, conditional GETs, views and workflow runs.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tidegate::failure::Failure;
use tidegate::github::{
    Absence, GitHub, GitHubSettings, Lookup, Pace, Prereleases, Priority, PullRequestState, ReleasesSeen,
    RepositoryName,
};

use super::server::{Client, Reply, Server, batch, release, repository};
use super::{oid, repo};

fn names(count: usize) -> Vec<RepositoryName> {
    (0..count).map(|index| repo(&format!("owner/r{index:03}"))).collect()
}

fn found(answers: &BTreeMap<RepositoryName, Lookup<ReleasesSeen>>) -> usize {
    answers.values().filter(|lookup| matches!(lookup, Lookup::Found(_))).count()
}

#[tokio::test]
async fn one_bad_name_among_a_hundred_costs_one_request_and_spoils_nothing() {
    let server = Server::answering(|request| {
        batch(request, |name| match name {
            "owner/r042" => Err("NOT_FOUND"),
            "owner/r043" => Err("FORBIDDEN"),
            _ => Ok(repository(name, "v1.0.0")),
        })
    })
    .await;
    let client = Client::of(&server).await;
    let answers = client.github.poll_releases(&names(100), 100).await.unwrap();
    assert_eq!(server.seen().len(), 1);
    assert_eq!(found(&answers), 98);
    assert!(matches!(answers[&repo("owner/r042")], Lookup::Absent { reason: Absence::NotFound }));
    assert!(matches!(answers[&repo("owner/r043")], Lookup::Failed(Failure::Permanent { .. })));
}

#[tokio::test]
async fn a_batch_that_github_cannot_answer_is_halved_and_grows_again() {
    let server = Server::answering(|request| match request.repositories().len() {
        0..=25 => batch(request, |name| Ok(repository(name, "v1"))),
        _ => Reply::json(502, json!({ "message": "Something went wrong" })),
    })
    .await;
    let client = Client::of(&server).await;
    let answers = client.github.poll_releases(&names(200), 100).await.unwrap();
    assert_eq!(found(&answers), 200);
    let sizes: Vec<_> = server.seen().iter().map(|request| request.repositories().len()).collect();
    assert_eq!(sizes[0], 100);
    assert!(sizes.len() < 40, "{sizes:?}");
}

#[tokio::test]
async fn a_repository_that_graphql_cannot_answer_about_is_asked_for_by_rest() {
    let server = Server::answering(|request| match request.path.as_str() {
        "/graphql" if request.repositories().contains(&"owner/r001".to_owned()) => Reply::empty(502),
        "/graphql" => batch(request, |name| Ok(repository(name, "v1"))),
        "/repos/owner/r001/releases/latest" => Reply::json(
            200,
            json!({
                "tag_name": "v2/rc", "html_url": "https://github.com/new/home/releases/tag/v2%2Frc",
                "published_at": "2026-07-02T00:00:00Z", "created_at": "2026-07-01T00:00:00Z",
                "draft": false, "prerelease": false,
            }),
        ),
        "/repos/new/home/commits/v2%2Frc?per_page=1" => Reply::json(200, json!({ "sha": "b".repeat(40) })),
        other => panic!("{other}"),
    })
    .await;
    let client = Client::of(&server).await;
    let mut answers = client.github.poll_releases(&names(4), 100).await.unwrap();
    assert_eq!(found(&answers), 4);
    let seen = answers.remove(&repo("owner/r001")).unwrap().found().unwrap();
    assert_eq!(seen.moved_to, Some(repo("new/home")));
    let newest = seen.newest(Prereleases::Ignore).unwrap();
    assert_eq!((newest.tag.as_str(), newest.commit.clone()), ("v2/rc", Some(oid("b"))));
}

#[tokio::test]
async fn a_github_that_is_down_is_left_alone_after_a_few_requests() {
    let server = Server::answering(|_| Reply::empty(502)).await;
    let client = Client::of(&server).await;
    let answers = client.github.poll_releases(&names(1000), 100).await.unwrap();
    assert_eq!(answers.len(), 1000);
    assert!(answers.values().all(|lookup| matches!(lookup, Lookup::Failed(Failure::Transient { .. }))));
    assert!(server.seen().len() < 60, "{} requests", server.seen().len());
}

#[tokio::test]
async fn without_a_server_every_repository_has_failed_and_none_is_absent() {
    let client = Client::at("http://127.0.0.1:9".parse().unwrap()).await;
    let answers = client.github.poll_releases(&names(3), 100).await.unwrap();
    assert_eq!(answers.len(), 3);
    assert!(answers.values().all(|lookup| matches!(lookup, Lookup::Failed(Failure::Transient { .. }))));
}

#[tokio::test]
async fn a_refused_token_is_a_matter_of_configuration() {
    let server = Server::answering(|_| Reply::json(401, json!({ "message": "Bad credentials" }))).await;
    let client = Client::of(&server).await;
    let error = client.github.poll_releases(&names(3), 100).await.unwrap_err();
    let Failure::Configuration { message, hint } = error else { panic!("{error:?}") };
    assert!(message.ends_with("/graphql: GitHub answered 401 (Bad credentials)"), "{message}");
    assert!(hint.unwrap().contains("token"));
}

#[tokio::test]
async fn a_renamed_repository_says_where_it_went_and_case_is_no_rename() {
    let server = Server::answering(|request| {
        batch(request, |name| match name {
            "owner/old" => Ok(repository("other/new", "v1")),
            _ => Ok(repository("Owner/Same", "v1")),
        })
    })
    .await;
    let client = Client::of(&server).await;
    let asked = [repo("owner/old"), repo("owner/same")];
    let mut answers = client.github.poll_releases(&asked, 100).await.unwrap();
    let mut moved_to = |name| answers.remove(&repo(name)).unwrap().found().unwrap().moved_to;
    assert_eq!(moved_to("owner/old"), Some(repo("other/new")));
    assert_eq!(moved_to("owner/same"), None);
}

#[tokio::test]
async fn the_newest_release_is_the_last_published_that_is_no_draft() {
    let server = Server::answering(|request| {
        batch(request, |name| {
            let mut draft = release("v9", "2026-07-09T00:00:00Z");
            draft["isDraft"] = true.into();
            draft["publishedAt"] = json!(null);
            draft["tagCommit"] = json!(null);
            let mut candidate = release("v3-rc", "2026-07-08T00:00:00Z");
            candidate["isPrerelease"] = true.into();
            let mut node = repository(name, "v1");
            let backport = release("v1.1", "2026-07-05T00:00:00Z");
            node["releases"]["nodes"] =
                json!([release("v2", "2026-07-03T00:00:00Z"), draft, backport, candidate]);
            Ok(node)
        })
    })
    .await;
    let client = Client::of(&server).await;
    let mut answers = client.github.poll_releases(&[repo("o/r")], 100).await.unwrap();
    let seen = answers.remove(&repo("o/r")).unwrap().found().unwrap();
    assert_eq!(seen.newest(Prereleases::Ignore).unwrap().tag, "v1.1");
    assert_eq!(seen.newest(Prereleases::Accept).unwrap().tag, "v3-rc");
}

#[tokio::test]
async fn an_unchanged_answer_costs_no_body_and_another_token_asks_afresh() {
    let server = Server::answering(|request| match request.headers.get("if-none-match") {
        Some(etag) if etag == "\"one\"" => Reply::empty(304).with("etag", "\"one\""),
        _ => Reply::json(200, json!({ "a": 1 })).with("etag", "\"one\""),
    })
    .await;
    let client = Client::of(&server).await;
    for _ in 0..2 {
        let fetched = client.github.get(&["repos", "o", "r"], &[], Priority::Poll).await.found().unwrap();
        assert_eq!(&fetched.body[..], br#"{"a":1}"#);
    }
    let other = client.restarted("ghp_other").await;
    other.get(&["repos", "o", "r"], &[], Priority::Poll).await.found().unwrap();
    let asked: Vec<_> = server.seen().iter().map(|r| r.headers.contains_key("if-none-match")).collect();
    assert_eq!(asked, [false, true, false]);
}

#[tokio::test]
async fn a_404_with_an_etag_is_never_kept_as_an_answer() {
    let server = Server::answering(|request| {
        assert!(!request.headers.contains_key("if-none-match"));
        Reply::json(404, json!({ "message": "Not Found" })).with("etag", "\"gone\"")
    })
    .await;
    let client = Client::of(&server).await;
    for _ in 0..2 {
        let lookup = client.github.get(&["repos", "o", "r"], &[], Priority::Poll).await;
        assert!(matches!(lookup, Lookup::Absent { reason: Absence::NotFound }));
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn gone_and_withheld_are_told_apart_and_a_server_error_is_neither() {
    let server = Server::answering(|request| {
        let status: u16 = request.path.trim_start_matches("/status/").parse().unwrap();
        Reply::json(status, json!({ "message": "as asked" }))
    })
    .await;
    let client = Client::of(&server).await;
    let get = async |status: &str| client.github.get(&["status", status], &[], Priority::Poll).await;
    assert!(matches!(get("410").await, Lookup::Absent { reason: Absence::Gone }));
    assert!(matches!(get("451").await, Lookup::Absent { reason: Absence::Withheld }));
    assert!(matches!(get("500").await, Lookup::Failed(Failure::Transient { .. })));
    assert!(matches!(get("422").await, Lookup::Failed(Failure::Permanent { .. })));
    assert!(matches!(get("403").await, Lookup::Failed(Failure::Configuration { .. })));
}

#[tokio::test]
async fn a_move_is_followed_and_reported_but_never_to_another_host() {
    let server = Server::answering(|request| match request.path.as_str() {
        "/repos/o/old" => Reply::empty(301).with("location", "/repositories/7"),
        "/repositories/7" => Reply::json(200, json!({})),
        _ => Reply::empty(301).with("location", "https://evil.example/"),
    })
    .await;
    let client = Client::of(&server).await;
    let fetched = client.github.get(&["repos", "o", "old"], &[], Priority::Poll).await.found().unwrap();
    assert_eq!(fetched.moved_to.unwrap().path(), "/repositories/7");
    let lookup = client.github.get(&["repos", "o", "evil"], &[], Priority::Poll).await;
    assert!(matches!(lookup, Lookup::Failed(Failure::Permanent { .. })));
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_worth_another_try_and_a_malformed_one_is_not() {
    let server = Server::answering(|request| match request.path.as_str() {
        "/cut" => Reply {
            status: 200,
            headers: vec![("content-encoding", "gzip".into())],
            body: vec![0x1f, 0x8b, 8],
        },
        "/graphql" => Reply { status: 200, headers: Vec::new(), body: b"<html>".to_vec() },
        other => panic!("{other}"),
    })
    .await;
    let client = Client::of(&server).await;
    let cut = client.github.get(&["cut"], &[], Priority::Poll).await;
    assert!(matches!(cut, Lookup::Failed(Failure::Transient { .. })), "{cut:?}");
    let query = "{ rateLimit { cost limit remaining resetAt } }";
    let malformed = client.github.graphql(query, json!({}), Priority::Poll).await.unwrap_err();
    assert!(matches!(malformed, Failure::Permanent { .. }), "{malformed:?}");
}

#[tokio::test]
async fn files_are_read_at_exact_commits_and_what_is_no_text_is_refused() {
    let server = Server::answering(|request| {
        let mut data = serde_json::Map::new();
        for index in 0..request.repositories().len() {
            let expression = request.variable(&format!("e{index}")).as_str().unwrap();
            let blob = |text: Option<&str>, size: u64| {
                json!({ "text": text, "isTruncated": false, "isBinary": text.is_none(), "byteSize": size })
            };
            let object = match expression.split_once(':').unwrap().1 {
                "DESCRIPTION" => blob(Some("Package: cli\n"), 13),
                "logo.png" => blob(None, 13),
                "huge.txt" => blob(Some("x"), 300_000),
                "R" => json!({}),
                _ => json!(null),
            };
            data.insert(format!("a{index}"), json!({ "object": object }));
        }
        Reply::json(200, json!({ "data": data }))
    })
    .await;
    let client = Client::of(&server).await;
    let key = |path: &str| (repo("r-lib/cli"), "a".repeat(40), path.to_owned());
    let paths = ["DESCRIPTION", "logo.png", "huge.txt", "R", "missing", "../etc/passwd"];
    let mut answers = client.github.files_at(&paths.map(key)).await;
    assert_eq!(answers.remove(&key("DESCRIPTION")).unwrap().found().unwrap(), "Package: cli\n");
    assert!(matches!(answers[&key("missing")], Lookup::Absent { reason: Absence::NoSuchFile }));
    for refused in ["logo.png", "huge.txt", "R", "../etc/passwd"] {
        assert!(matches!(answers[&key(refused)], Lookup::Failed(Failure::Permanent { .. })), "{refused}");
    }
    let asked = server.seen()[0].body.to_string();
    assert!(!asked.contains("passwd"));
}

fn pull(number: u64, state: &str) -> serde_json::Value {
    json!({
        "number": number, "title": "Promote cli", "body": "text", "state": state, "isDraft": false,
        "headRefName": "tidegate/cli", "headRefOid": "c".repeat(40), "baseRefName": "main",
        "mergedAt": null, "closedAt": null, "createdAt": "2026-07-01T00:00:00Z",
        "updatedAt": "2026-07-02T00:00:00Z", "mergeable": "UNKNOWN", "author": null,
        "isCrossRepository": false, "labels": { "nodes": [{ "name": "freeze" }] },
    })
}

#[tokio::test]
async fn a_view_shows_head_files_and_pull_requests_and_names_known_ones_that_are_gone() {
    let server = Server::answering(|request| {
        if request.body["query"].as_str().unwrap().contains("query Pulls") {
            assert_eq!((request.variable("p0"), request.variable("p1")), (&json!(1), &json!(9)));
            return Reply::json(
                200,
                json!({
                    "data": { "repository": { "p0": pull(1, "MERGED"), "p1": null } },
                    "errors": [{ "type": "NOT_FOUND", "path": ["repository", "p1"], "message": "none" }],
                }),
            );
        }
        assert_eq!(request.variable("f0"), "HEAD:packages.json");
        let blob = json!({ "text": "[]", "isTruncated": false, "isBinary": false, "byteSize": 2 });
        Reply::json(
            200,
            json!({ "data": { "viewer": { "login": "tidegate-bot" }, "repository": {
                "nameWithOwner": "r-multiverse/staging",
                "defaultBranchRef": { "name": "main", "target": { "oid": "d".repeat(40) } },
                "f0": blob, "f1": null, "pullRequests": { "nodes": [pull(7, "OPEN")] },
            } } }),
        )
    })
    .await;
    let client = Client::of(&server).await;
    let files = ["packages.json", "snapshot.json"];
    let view = client.github.view(&repo("r-multiverse/staging"), &files, &[7, 1, 9]).await.unwrap();
    assert_eq!((view.default_branch.as_str(), view.head), ("main", oid("d")));
    assert_eq!(view.files["packages.json"].as_deref(), Some("[]"));
    assert_eq!(view.files["snapshot.json"], None);
    let states: Vec<_> = view.pulls.iter().map(|pull| (pull.number, pull.state)).collect();
    assert_eq!(states, [(1, PullRequestState::Merged), (7, PullRequestState::Open)]);
    assert_eq!(view.missing_pulls, [9]);
    assert_eq!(
        (view.pulls[1].mergeable, view.pulls[1].labels.as_slice()),
        (None, &["freeze".to_owned()][..])
    );
}

#[tokio::test]
async fn a_view_with_an_error_in_it_is_no_view() {
    let server = Server::answering(|_| {
        Reply::json(
            200,
            json!({
                "data": { "repository": null },
                "errors": [{ "type": "NOT_FOUND", "path": ["repository"], "message": "Could not resolve" }],
            }),
        )
    })
    .await;
    let client = Client::of(&server).await;
    let error = client.github.view(&repo("o/r"), &[], &[]).await.unwrap_err();
    insta::assert_snapshot!(error, @"the repository o/r: GitHub answered NOT_FOUND: Could not resolve");
}

#[tokio::test]
async fn unfinished_runs_are_collected_over_states_and_pages_and_counted_once() {
    let run = |id: usize| {
        json!({
            "id": id, "name": "Build", "display_title": format!("build {id}"), "status": "queued",
            "html_url": "https://github.com/o/r/actions/runs/1", "created_at": "2026-07-01T00:00:00Z",
        })
    };
    let server = Server::answering(move |request| {
        assert_eq!(request.method, Method::GET);
        let ids = match request.path.rsplit_once('?').unwrap().1 {
            "status=queued&per_page=100&page=1" => 0..100,
            "status=queued&per_page=100&page=2" => 100..101,
            "status=in_progress&per_page=100&page=1" => 100..102,
            _ => 0..0,
        };
        let runs: Vec<_> = ids.map(run).collect();
        Reply::json(200, json!({ "total_count": runs.len(), "workflow_runs": runs }))
    })
    .await;
    let client = Client::of(&server).await;
    let runs = client.github.unfinished_runs(&repo("o/r"), "build.yml").await.unwrap();
    assert_eq!(runs.len(), 102);
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn runs_that_cannot_all_be_read_are_a_failure_and_not_an_empty_list() {
    let server = Server::answering(move |request| match request.path.contains("in_progress") {
        true => Reply::json(404, json!({ "message": "Not Found" })),
        false => Reply::json(200, json!({ "total_count": 0, "workflow_runs": [] })),
    })
    .await;
    let client = Client::of(&server).await;
    let error = client.github.unfinished_runs(&repo("o/r"), "build.yml").await.unwrap_err();
    assert!(matches!(error, Failure::Permanent { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let server =
        Server::answering(|_| Reply { status: 200, headers: Vec::new(), body: vec![b' '; 33 * 1024 * 1024] })
            .await;
    let client = Client::of(&server).await;
    let lookup = client.github.get(&["big"], &[], Priority::Poll).await;
    let Lookup::Failed(failure) = lookup else { panic!("read it") };
    assert!(failure.to_string().ends_with("the answer is larger than 32 MiB"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_is_not_answered_in_time_is_halved() {
    let server = Server::answering(|request| {
        if request.repositories().len() > 10 {
            std::thread::sleep(Duration::from_millis(900));
        }
        batch(request, |name| Ok(repository(name, "v1")))
    })
    .await;
    let client = Client::of(&server).await;
    let mut settings = GitHubSettings::new(server.url.clone(), "ghp_test".into());
    settings.timeout = Duration::from_millis(300);
    let github = GitHub::new(settings, client.store.clone(), client.clock.clone(), Pace::None).await.unwrap();
    let answers = github.poll_releases(&names(20), 100).await.unwrap();
    assert_eq!(found(&answers), 20);
    let sizes: Vec<_> = server.seen().iter().map(|request| request.repositories().len()).collect();
    assert_eq!(sizes, [20, 10, 10]);
}
