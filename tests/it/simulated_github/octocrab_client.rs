//! A typed client of GitHub reads every answer that it would read from GitHub.

use octocrab::Octocrab;
use octocrab::models::IssueState;
use octocrab::params::State;
use octocrab::params::repos::Reference;
use serde_json::json;

use super::{GitHub, STAGING};

fn client(github: &GitHub) -> Octocrab {
    let builder = Octocrab::builder().base_uri(github.served.base_url()).unwrap();
    builder.personal_token("secret".to_owned()).build().unwrap()
}

#[tokio::test]
async fn octocrab_opens_finds_comments_on_and_merges_a_pull_request() {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    let octocrab = client(&github);
    let (owner, repo) = STAGING.split_once('/').unwrap();
    let pulls = octocrab.pulls(owner, repo);
    let opened = pulls.create("Promote b", "b", "main").body("Why").send().await.unwrap();
    assert_eq!((opened.number, opened.mergeable), (1, Some(true)));
    let found = pulls.list().state(State::All).head("r-multiverse:b").send().await.unwrap();
    assert_eq!(found.items[0].body.as_deref(), Some("Why"));
    let issues = octocrab.issues(owner, repo);
    let comment = issues.create_comment(1, "Hello").await.unwrap();
    assert_eq!(comment.user.login, "tidegate-bot");
    let labels = issues.add_labels(1, &["freeze".to_owned()]).await.unwrap();
    assert_eq!(labels[0].name, "freeze");
    let commits = pulls.pr_commits(1).send().await.unwrap();
    assert_eq!(commits.items.len(), 1);
    let files = pulls.list_files(1).await.unwrap();
    assert_eq!(files.items[0].filename, "packages.json");
    let merged = pulls.merge(1).title("Merge it").send().await.unwrap();
    assert!(merged.merged);
    let pull = pulls.get(1).await.unwrap();
    assert_eq!((pull.merged, pull.state), (Some(true), Some(IssueState::Closed)));
    github.assert_no_violations();
}

#[tokio::test]
async fn octocrab_reads_refs_files_releases_and_runs() {
    let github = GitHub::new().await;
    let octocrab = client(&github);
    let (owner, repo) = STAGING.split_once('/').unwrap();
    let repos = octocrab.repos(owner, repo);
    let main = repos.get_ref(&Reference::Branch("main".into())).await.unwrap();
    assert_eq!(main.ref_field, "refs/heads/main");
    let content = repos.get_content().path("packages.json").r#ref("main").send().await.unwrap();
    assert_eq!(content.items[0].decoded_content().unwrap(), super::packages());
    assert_eq!(repos.get().await.unwrap().full_name.as_deref(), Some(STAGING));
    assert_eq!(repos.list_commits().send().await.unwrap().items.len(), 1);
    let upstream = octocrab.repos("owner", "upstream");
    assert_eq!(upstream.releases().get_latest().await.unwrap().tag_name, "v1.0");
    assert_eq!(upstream.list_tags().send().await.unwrap().items[0].name, "v1.0");
    octocrab.actions().create_workflow_dispatch(owner, repo, "test.yml", "main").send().await.unwrap();
    let runs = octocrab.workflows(owner, repo).list_runs("test.yml").send().await.unwrap();
    assert_eq!(runs.items.len(), 0);
    let limits = octocrab.ratelimit().get().await.unwrap();
    assert_eq!(limits.resources.core.limit, 5_000);
    github.assert_no_violations();
}

#[tokio::test]
async fn octocrab_speaks_graphql() {
    let github = GitHub::new().await;
    let answered: serde_json::Value =
        client(&github).graphql(&json!({"query": "{ viewer { login } }"})).await.unwrap();
    assert_eq!(answered, json!({"viewer": {"login": "tidegate-bot"}}));
    github.assert_no_violations();
}
