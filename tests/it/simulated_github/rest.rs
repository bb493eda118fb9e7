//! REST calls: refs, pull requests, labels, comments, releases, runs; and what survives a crash.

use serde_json::{Value, json};
use tidegate::rehearse::github::Event;
use tidegate::rehearse::github::state::{Standing, WorkflowRun};

use super::{GitHub, STAGING, hours, start};

#[tokio::test]
async fn a_branch_becomes_a_pull_request_and_is_merged() {
    let github = GitHub::new().await;
    let head = github.branch("tidegate/a", "a").await;
    let opened = github.open_pull("tidegate/a", "a").await;
    assert_eq!(opened.status, 201, "{}", opened.json);
    assert_eq!((&opened.json["number"], &opened.json["mergeable"]), (&json!(1), &json!(true)));
    assert_eq!(opened.json["head"]["sha"], head.as_str());
    assert_eq!(opened.json["changed_files"], 1);
    let files = github.get(&format!("/repos/{STAGING}/pulls/1/files")).await.json;
    assert_eq!(files[0]["filename"], "packages.json");
    assert!(files[0]["patch"].as_str().unwrap().contains("+  \"branch\": \"2 tidegate/a\""), "{files}");

    let stale = github.call("PUT", "/pulls/1/merge", json!({"sha": "0".repeat(40)})).await;
    assert_eq!(stale.status, 409);
    let merged = github.call("PUT", "/pulls/1/merge", json!({"sha": head})).await;
    assert_eq!((merged.status, &merged.json["merged"]), (200, &json!(true)));
    let pull = github.pull(1).await;
    assert_eq!((&pull["state"], &pull["merged"]), (&json!("closed"), &json!(true)));
    assert_eq!(pull["merge_commit_sha"], github.tip("main").await.as_str());
    assert!(github.text_of("main").await.contains("2 tidegate/a"));
    github.assert_no_violations();
}

#[tokio::test]
async fn two_changes_of_one_place_conflict_once_the_first_is_merged() {
    let github = GitHub::new().await;
    for (branch, package) in [("one", "c"), ("other", "c"), ("third", "h")] {
        github.branch(branch, package).await;
        assert_eq!(github.open_pull(branch, package).await.status, 201);
    }
    assert_eq!(github.pull(2).await["mergeable"], true);
    assert_eq!(github.call("PUT", "/pulls/1/merge", json!({})).await.status, 200);
    let second = github.pull(2).await;
    assert_eq!((&second["mergeable"], &second["mergeable_state"]), (&json!(false), &json!("dirty")));
    assert_eq!(github.call("PUT", "/pulls/2/merge", json!({})).await.status, 405);
    assert_eq!(github.call("PUT", "/pulls/3/merge", json!({"merge_method": "squash"})).await.status, 200);
    let text = github.text_of("main").await;
    assert!(text.contains("2 one") && text.contains("2 third") && !text.contains("2 other"));
}

#[tokio::test]
async fn a_second_pull_request_for_a_branch_and_an_empty_one_are_refused() {
    let github = GitHub::new().await;
    github.branch("tidegate/a", "a").await;
    assert_eq!(github.open_pull("tidegate/a", "a").await.status, 201);
    let again = github.open_pull("tidegate/a", "a").await;
    assert_eq!(again.status, 422);
    assert_eq!(
        again.json["errors"][0]["message"],
        "A pull request already exists for r-multiverse:tidegate/a."
    );
    let main = github.tip("main").await;
    github.call("POST", "/git/refs", json!({"ref": "refs/heads/empty", "sha": main})).await;
    let empty = github.open_pull("empty", "a").await;
    assert_eq!(empty.json["errors"][0]["message"], "No commits between main and empty");
    assert_eq!(github.open_pull("missing", "a").await.json["errors"][0]["field"], "head");
    github.assert_no_violations();
}

#[tokio::test]
async fn a_head_reset_to_its_base_closes_the_pull_request_unmerged() {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    let main = github.tip("main").await;
    let update = json!({"sha": main, "force": false});
    assert_eq!(github.call("PATCH", "/git/refs/heads/b", update).await.status, 422, "not a fast forward");
    assert_eq!(
        github.call("PATCH", "/git/refs/heads/b", json!({"sha": main, "force": true})).await.status,
        200
    );
    let pull = github.pull(1).await;
    assert_eq!((&pull["state"], &pull["merged"]), (&json!("closed"), &json!(false)));
    let reopened = github.call("PATCH", "/pulls/1", json!({"state": "open"})).await;
    assert_eq!(reopened.status, 422);
}

#[tokio::test]
async fn a_base_that_comes_to_contain_the_head_makes_the_pull_request_merged() {
    let github = GitHub::new().await;
    let head = github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    assert_eq!(github.call("PATCH", "/git/refs/heads/main", json!({"sha": head})).await.status, 200);
    assert_eq!(github.pull(1).await["merged"], true);
}

#[tokio::test]
async fn a_deleted_branch_closes_its_pull_request_and_a_closed_one_can_be_reopened() {
    let github = GitHub::new().await;
    for branch in ["b", "c"] {
        github.branch(branch, branch).await;
        github.open_pull(branch, branch).await;
    }
    assert_eq!(
        github.send(github.request("DELETE", &format!("/repos/{STAGING}/git/refs/heads/b"))).await.status,
        204
    );
    assert_eq!(github.pull(1).await["state"], "closed");
    assert_eq!(github.call("PATCH", "/pulls/2", json!({"state": "closed"})).await.json["state"], "closed");
    assert_eq!(
        github.call("PATCH", "/pulls/2", json!({"state": "open", "title": "New"})).await.json["title"],
        "New"
    );
    assert_eq!(github.call("PATCH", "/pulls/1", json!({"state": "open"})).await.status, 422);
    let open = github.get(&format!("/repos/{STAGING}/pulls")).await.json;
    assert_eq!(open.as_array().unwrap().len(), 1);
    let by_head = github.get(&format!("/repos/{STAGING}/pulls?state=all&head=r-multiverse:b")).await.json;
    assert_eq!(by_head[0]["number"], 1);
    github.assert_no_violations();
}

#[tokio::test]
async fn labels_and_comments_are_kept() {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    let label = json!({"name": "Freeze", "color": "ff0000", "description": "held"});
    assert_eq!(github.call("POST", "/labels", label.clone()).await.status, 201);
    let again = github.call("POST", "/labels", label).await;
    assert_eq!((again.status, &again.json["errors"][0]["code"]), (422, &json!("already_exists")));
    let labels = github.call("POST", "/issues/1/labels", json!({"labels": ["freeze", "new"]})).await.json;
    let names: Vec<_> =
        labels.as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Freeze", "new"], "labels are one whatever their case");
    let comment = github.call("POST", "/issues/1/comments", json!({"body": "Hello"})).await;
    assert_eq!((comment.status, &comment.json["user"]["login"]), (201, &json!("tidegate-bot")));
    let comments = github.get(&format!("/repos/{STAGING}/issues/1/comments")).await.json;
    assert_eq!(comments[0]["body"], "Hello");
    let long = github.call("POST", "/issues/1/comments", json!({"body": "x".repeat(65_537)})).await;
    assert_eq!(long.status, 422);
    github.assert_no_violations();
}

#[tokio::test]
async fn releases_appear_at_their_time_and_an_unchanged_list_is_free() {
    let github = GitHub::new().await;
    let path = "/repos/owner/upstream/releases";
    let first = github.get(path).await;
    assert_eq!(first.json.as_array().unwrap().len(), 1);
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let used = |answered: &super::Answered| answered.headers["x-ratelimit-used"].to_str().unwrap().to_owned();
    assert_eq!(used(&first), "1");
    let same = github.send(github.request("GET", path).header("if-none-match", &etag)).await;
    assert_eq!((same.status, used(&same).as_str()), (304, "1"));
    let other_token = github.request("GET", path).header("if-none-match", &etag).build().unwrap();
    let mut other_token = other_token;
    other_token.headers_mut().insert("authorization", "Bearer other".parse().unwrap());
    let status = github.client.execute(other_token).await.unwrap().status();
    assert_eq!(status, 200, "an ETag is bound to its token");
    github.clock.set(hours(5));
    let later = github.send(github.request("GET", path).header("if-none-match", &etag)).await;
    assert_eq!((later.status, &later.json[0]["tag_name"]), (200, &json!("v1.1")));
    let latest = github.get("/repos/owner/upstream/releases/latest").await.json;
    assert_eq!((&latest["tag_name"], &latest["prerelease"]), (&json!("v1.1"), &json!(false)));
    let file = github.get("/repos/owner/upstream/contents/DESCRIPTION?ref=v1.0").await.json;
    assert_eq!(file["size"], "Package: upstream\nVersion: 1.0\n".len());
    github.assert_no_violations();
}

#[tokio::test]
async fn a_renamed_repository_redirects_and_a_deleted_one_is_not_found() {
    let github = GitHub::new().await;
    let renamed = github.get("/repos/owner/old-name/releases?per_page=5").await;
    assert_eq!(renamed.status, 301);
    let location = renamed.headers["location"].to_str().unwrap();
    assert_eq!(location, format!("{}/repos/Owner/Upstream/releases?per_page=5", github.served.base_url()));
    assert_eq!(github.get("/repos/owner/gone").await.status, 404);
    assert_eq!(github.get("/repos/owner/never").await.status, 404);
    github.assert_no_violations();
}

#[tokio::test]
async fn lists_come_in_pages_that_link_to_each_other() {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    for body in ["1", "2", "3"] {
        github.call("POST", "/issues/1/comments", json!({"body": body})).await;
    }
    let path = format!("/repos/{STAGING}/issues/1/comments?per_page=2");
    let first = github.get(&path).await;
    let link = first.headers["link"].to_str().unwrap();
    let next = format!("<{}{path}&page=2>; rel=\"next\"", github.served.base_url());
    assert!(link.contains(&next), "{link}");
    let second = github.get(&format!("{path}&page=2")).await.json;
    assert_eq!(second.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn runs_of_a_workflow_are_listed_and_dispatches_are_kept() {
    let github = GitHub::new().await;
    let path = format!("/repos/{STAGING}/actions/workflows/test.yml/runs?status=completed&per_page=10");
    assert_eq!(github.get(&path).await.status, 404);
    let dispatched = github
        .call(
            "POST",
            "/actions/workflows/test.yml/dispatches",
            json!({"ref": "main", "inputs": {"key": "k"}}),
        )
        .await;
    assert_eq!(dispatched.status, 204);
    assert_eq!(github.get(&path).await.json, json!({"total_count": 0, "workflow_runs": []}));
    let run = WorkflowRun {
        id: 7,
        workflow: "test.yml".into(),
        name: "test".into(),
        display_title: "test k".into(),
        status: "completed".into(),
        conclusion: Some("success".into()),
        html_url: "https://github.com/r-multiverse/staging/actions/runs/7".into(),
        created_at: start(),
        run_started_at: start(),
    };
    github.simulated.perform(Event::RunRecorded { repository: STAGING.into(), run }).unwrap();
    let listed = github.get(&path).await.json;
    assert_eq!(listed["workflow_runs"][0]["display_title"], "test k");
    let inputs =
        github.simulated.read(|state| state.repository(STAGING).unwrap().dispatches[0].inputs.clone());
    assert_eq!(Value::from(inputs), json!({"key": "k"}));
    github.assert_no_violations();
}

#[tokio::test]
async fn everything_that_was_answered_survives_a_crash() {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    github.call("POST", "/issues/1/labels", json!({"labels": ["x"]})).await;
    github.call("POST", "/issues/1/comments", json!({"body": "Hello"})).await;
    github.call("PUT", "/pulls/1/merge", json!({})).await;
    github.advance_to(hours(2));
    // A request that was being journalled when the process ended, and so was never answered.
    let mut journal = std::fs::read(github.journal()).unwrap();
    journal.extend_from_slice(b"{\"commented\":{\"repository\":\"r-mult");
    std::fs::write(github.journal(), journal).unwrap();
    let again = github.reopened();
    let pulls = |simulated: &tidegate::rehearse::github::SimulatedGitHub| {
        simulated.read(|state| {
            let repository = state.repository(STAGING).unwrap();
            let git = repository.git.as_ref().unwrap();
            (repository.pulls.clone(), repository.comments.clone(), git.refs.clone())
        })
    };
    assert_eq!(pulls(&again), pulls(&github.simulated));
    assert_eq!(again.last_event(), Some(hours(2)));
    drop(again);
    assert_eq!(pulls(&github.reopened()), pulls(&github.simulated), "the torn line is gone for good");
}

#[tokio::test]
async fn an_etag_hides_a_new_conflict_as_github_does() {
    let github = GitHub::new().await;
    for branch in ["one", "other"] {
        github.branch(branch, "c").await;
        github.open_pull(branch, "c").await;
    }
    let path = format!("/repos/{STAGING}/pulls/2");
    let before = github.get(&path).await;
    assert_eq!(before.json["mergeable"], true);
    github.call("PUT", "/pulls/1/merge", json!({})).await;
    let etag = before.headers["etag"].to_str().unwrap();
    assert_eq!(github.send(github.request("GET", &path).header("if-none-match", etag)).await.status, 304);
    assert_eq!(github.pull(2).await["mergeable"], false);
}

#[tokio::test]
async fn a_repository_that_is_renamed_lives_on_under_its_new_name() {
    let github = GitHub::new().await;
    let rename = |from: &str, to: &str| {
        let (repository, standing) = (from.to_owned(), Standing::RenamedTo(to.to_owned()));
        github.simulated.perform(Event::StandingChanged { repository, standing })
    };
    assert!(rename(STAGING, "owner/upstream").is_err(), "the name is taken");
    rename(STAGING, "r-multiverse/stage").unwrap();
    assert_eq!(github.get(&format!("/repos/{STAGING}/git/ref/heads/main")).await.status, 301);
    assert_eq!(github.call("POST", "/labels", json!({"name": "x"})).await.status, 307);
    assert_eq!(github.get("/repos/r-multiverse/stage/git/ref/heads/main").await.status, 200);
    let query = "{ repository(owner: \"r-multiverse\", name: \"staging\") { nameWithOwner } }";
    let found = github.graphql(query, json!({})).await;
    assert_eq!(found["data"]["repository"]["nameWithOwner"], "r-multiverse/stage");
    rename("r-multiverse/stage", STAGING).unwrap();
    assert_eq!(github.get(&format!("/repos/{STAGING}/git/ref/heads/main")).await.status, 200);
}

#[tokio::test]
async fn an_issue_is_opened_edited_commented_on_and_closed_beside_pull_requests() {
    let github = GitHub::new().await;
    github.branch("tidegate/a", "a").await;
    assert_eq!(github.open_pull("tidegate/a", "a").await.json["number"], 1);
    let body = json!({"title": "Look", "body": "at this", "labels": ["recheck"]});
    let opened = github.call("POST", "/issues", body).await;
    assert_eq!((opened.status, &opened.json["number"]), (201, &json!(2)), "one row of numbers for both");
    assert_eq!(opened.json["labels"][0]["name"], "recheck");
    assert_eq!(github.call("POST", "/issues/2/comments", json!({"body": "news"})).await.status, 201);
    let closed = json!({"state": "closed", "state_reason": "completed"});
    let closed = github.call("PATCH", "/issues/2", closed).await.json;
    assert_eq!((&closed["state"], &closed["state_reason"]), (&json!("closed"), &json!("completed")));

    let listed = |json: Value| -> Vec<String> {
        json.as_array().unwrap().iter().map(|issue| issue["number"].to_string()).collect()
    };
    let path = format!("/repos/{STAGING}/issues");
    assert_eq!(listed(github.get(&format!("{path}?state=all")).await.json), ["2", "1"], "both, newest first");
    assert_eq!(listed(github.get(&path).await.json), ["1"], "open ones by default");
    assert_eq!(listed(github.get(&format!("{path}?state=all&labels=recheck")).await.json), ["2"]);
    let later = hours(1).to_string();
    assert_eq!(listed(github.get(&format!("{path}?state=all&since={later}")).await.json).len(), 0);
    assert_eq!(listed(github.get(&format!("{path}?state=all&creator=somebody")).await.json).len(), 0);
    assert_eq!(github.call("POST", "/issues", json!({"title": " "})).await.status, 422);
    github.assert_no_violations();
}
