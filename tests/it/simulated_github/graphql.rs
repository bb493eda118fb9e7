//! GraphQL: sweeps over many repositories, pull requests, and the two mutations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{GitHub, STAGING, hours};

const COMMIT: &str = "mutation commit($input: CreateCommitOnBranchInput!) { \
    createCommitOnBranch(input: $input) { commit { oid message } ref { name } } }";

fn commit(head: &str, text: &str) -> Value {
    json!({"input": {
        "branch": {"repositoryNameWithOwner": STAGING, "branchName": "main"},
        "expectedHeadOid": head,
        "message": {"headline": "Change", "body": "Because"},
        "fileChanges": {"additions": [{"path": "config/new.json", "contents": STANDARD.encode(text)}]},
    }})
}

#[tokio::test]
async fn one_query_sweeps_repositories_and_a_bad_one_spoils_no_other() {
    let github = GitHub::new().await;
    github.clock.set(hours(6));
    let query = "query sweep {
        a: repository(owner: \"owner\", name: \"upstream\") { ...releases }
        b: repository(owner: \"owner\", name: \"gone\") { ...releases }
        c: repository(owner: \"owner\", name: \"old-name\") { ...releases }
        d: repository(owner: \"owner\", name: \"old-name\", followRenames: false) { ...releases }
        rateLimit { cost remaining limit resetAt }
    }
    fragment releases on Repository {
        nameWithOwner
        isArchived
        latestRelease { tagName }
        releases(first: 1, orderBy: {field: CREATED_AT, direction: DESC}) {
            nodes { tagName tagCommit { oid } isDraft isPrerelease isLatest publishedAt }
            pageInfo { hasNextPage }
        }
        object(expression: \"v1.0:DESCRIPTION\") { ... on Blob { text byteSize isBinary isTruncated } }
    }";
    let answered = github.graphql(query, json!({})).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&answered).unwrap());
    github.assert_no_violations();
}

#[tokio::test]
async fn a_commit_is_made_only_where_the_head_is_the_expected_one() {
    let github = GitHub::new().await;
    let head = github.tip("main").await;
    let made = github.graphql(COMMIT, commit(&head, "{}\n")).await;
    let payload = &made["data"]["createCommitOnBranch"];
    assert_eq!(payload["commit"]["oid"], github.tip("main").await.as_str());
    assert_eq!(payload["commit"]["message"], "Change\n\nBecause");
    assert_eq!(payload["ref"]["name"], "main");
    let file = github.get(&format!("/repos/{STAGING}/contents/config/new.json")).await.json;
    assert_eq!(file["content"], format!("{}\n", STANDARD.encode("{}\n")));

    let stale = github.graphql(COMMIT, commit(&head, "[]\n")).await;
    assert_eq!(stale["errors"][0]["type"], "STALE_DATA");
    assert_eq!(stale["errors"][0]["path"], json!(["createCommitOnBranch"]));
    assert_eq!(stale["data"], json!({"createCommitOnBranch": null}));
    github.assert_no_violations();
}

#[tokio::test]
async fn refs_are_updated_together_or_not_at_all() {
    let github = GitHub::new().await;
    let main = github.tip("main").await;
    let head = github.branch("b", "b").await;
    let id =
        github.graphql("{ repository(owner: \"r-multiverse\", name: \"staging\") { id } }", json!({})).await;
    let id = id["data"]["repository"]["id"].clone();
    let update = async |updates: Value| {
        let query = "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";
        github.graphql(query, json!({"input": {"repositoryId": id, "refUpdates": updates}})).await
    };
    let zero = "0".repeat(40);
    let reset = json!({"name": "refs/heads/b", "beforeOid": head, "afterOid": main, "force": true});
    let exists = json!({"name": "refs/heads/main", "beforeOid": zero, "afterOid": main});
    let refused = update(json!([reset, exists])).await;
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("already exists"), "{refused}");
    assert_eq!(github.tip("b").await, head, "the first update was not carried out alone");

    let create = json!({"name": "refs/heads/new", "beforeOid": zero, "afterOid": head});
    assert!(update(json!([reset, create])).await["errors"].is_null());
    assert_eq!((github.tip("b").await, github.tip("new").await), (main.clone(), head.clone()));
    let stale = update(json!([{"name": "refs/heads/b", "beforeOid": head, "afterOid": head}])).await;
    assert_eq!(stale["errors"][0]["type"], "STALE_DATA");
    update(json!([{"name": "refs/heads/new", "afterOid": zero}])).await;
    assert_eq!(github.get(&format!("/repos/{STAGING}/git/ref/heads/new")).await.status, 404);
}

#[tokio::test]
async fn pull_requests_are_listed_with_their_commits_and_labels() {
    let github = GitHub::new().await;
    for package in ["a", "d", "g"] {
        github.branch(package, package).await;
        github.open_pull(package, package).await;
    }
    github.call("POST", "/issues/1/labels", json!({"labels": ["x"]})).await;
    github.call("PATCH", "/pulls/2", json!({"state": "closed"})).await;
    let query = "query pulls($after: String) { repository(owner: \"r-multiverse\", name: \"staging\") {
        pullRequests(first: 1, after: $after, states: [OPEN], baseRefName: \"main\", orderBy: {field: CREATED_AT, direction: ASC}) {
            totalCount
            pageInfo { hasNextPage endCursor }
            nodes {
                number state title isDraft merged mergeable headRefName baseRefName author { login }
                labels(first: 5) { nodes { name } }
                commits(last: 1) { totalCount nodes { commit { message author { name user { login } } } } }
            }
        }
        pullRequest(number: 2) { state closedAt }
    } }";
    let first = github.graphql(query, json!({})).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&first).unwrap());
    let pulls = &first["data"]["repository"]["pullRequests"];
    let second = github.graphql(query, json!({"after": pulls["pageInfo"]["endCursor"]})).await;
    let second = &second["data"]["repository"]["pullRequests"];
    assert_eq!(
        (&second["nodes"][0]["number"], &second["pageInfo"]["hasNextPage"]),
        (&json!(3), &json!(false))
    );
    github.assert_no_violations();
}

#[tokio::test]
async fn a_field_without_data_is_an_error_that_names_it() {
    let github = GitHub::new().await;
    let query = "{ repository(owner: \"owner\", name: \"upstream\") { name stargazerCount } }";
    let answered = github.graphql(query, json!({})).await;
    assert_eq!(answered["errors"][0]["path"], json!(["repository", "stargazerCount"]));
    let named = "the simulated GitHub does not have the field Repository.stargazerCount";
    assert_eq!(answered["errors"][0]["message"], named);
    assert_eq!(github.simulated.violations(), [named]);
}
