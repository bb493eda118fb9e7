//! What `[policy.pull_request]` says: caps, drafts, reviewers, auto-merge.

use std::collections::BTreeSet;

use tidegate::rehearse::github::event::Event;

use super::scene::{STAGING, Scene};

async fn wanted(packages: &[&str], pull_request: &str) -> Scene {
    let mut scene = Scene::of(packages).await;
    scene.pull_request = pull_request.to_owned();
    for package in packages {
        scene.release(package, "1.1");
    }
    scene
}

#[tokio::test]
async fn no_more_are_opened_within_an_hour_than_may_be() {
    let scene = wanted(&["alpha", "beta", "gamma"], "max_per_hour = 2").await;
    scene.pass().await;
    assert_eq!(scene.pulls().len(), 2);
    assert_eq!(
        scene.verdict("gamma").await,
        "queued: At most 2 pull requests may be opened within an hour; its place in the queue is 1."
    );
    scene.settle().await;
    assert_eq!(scene.pulls().len(), 2);
    let status = scene.says(&["status"]);
    assert!(status.contains("queue\n  demo, staging, 1: gamma 1.1"), "{status}");
    let json: serde_json::Value = serde_json::from_str(&scene.says(&["status", "--json"])).unwrap();
    assert_eq!((&json["queue"][0]["package"], &json["queue"][0]["place"]), (&"gamma".into(), &1.into()));
    scene.later(60);
    scene.settle().await;
    assert_eq!(scene.pulls().len(), 3);
    assert!(!scene.says(&["status"]).contains("queue"));
}

#[tokio::test]
async fn the_one_that_waits_longest_is_next() {
    let mut scene = wanted(&["beta", "gamma"], "max_open = 1").await;
    scene.settle().await;
    assert_eq!(scene.pulls(), ["#1 open: Promote beta 1.1 to staging"]);
    // A newcomer with an earlier name does not overtake.
    scene.release("beta", "1.1");
    scene.merge(1);
    scene.builds("beta", "1.1");
    scene.release("beta", "1.2");
    scene.settle().await;
    assert_eq!(scene.pulls()[1], "#2 open: Promote gamma 1.1 to staging");
    assert!(scene.verdict("beta").await.starts_with("queued: "));
}

#[tokio::test]
async fn drafts_reviewers_and_auto_merge_are_asked_for() {
    let settings =
        "draft = true\nauto_merge = \"squash\"\nreviewers = [\"ada\"]\nteam_reviewers = [\"board\"]";
    let scene = wanted(&["alpha"], settings).await;
    scene.pass().await;
    assert!(scene.pull(1).draft);
    // The world knows neither of them, and allows no auto-merge: three warnings, and no failure.
    let refused: BTreeSet<String> = scene
        .told("warning")
        .await
        .iter()
        .map(|event| event.body["refused"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), ["a reviewer", "a team of reviewers", "auto-merge"]);
    scene.settle().await;
    assert_eq!(scene.told("warning").await.len(), 3);
}

#[tokio::test]
async fn what_the_repository_allows_is_given() {
    let settings = "auto_merge = \"merge\"\nreviewers = [\"ada\", \"gone\"]\nteam_reviewers = [\"board\"]";
    let scene = wanted(&["alpha"], settings).await;
    scene
        .github
        .perform(Event::Allowed {
            repository: STAGING.to_owned(),
            auto_merge: true,
            collaborators: ["ada".to_owned(), "board".to_owned()].into(),
        })
        .unwrap();
    scene.settle().await;
    let pull = scene.pull(1);
    assert!(pull.auto_merge);
    assert_eq!(pull.reviewers.into_iter().collect::<Vec<_>>(), ["ada", "board"]);
    assert_eq!(scene.told("warning").await.len(), 1, "one of them is gone");
}
