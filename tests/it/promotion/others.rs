//! Pull requests of others: strangers steer nothing, and what somebody proposes already is not proposed again.

use serde_json::json;
use tidegate::github::marker;
use tidegate::rehearse::github::state::Fork;
use tidegate::store::RunState;

use super::scene::Scene;

/// A hidden marker as tidegate's own.
fn forged(package: &str) -> String {
    let facts = json!({
        "key": format!("staging/{package}"), "packages": [package], "commits": { package: "f".repeat(40) },
        "versions": { package: "6.6.6" }, "fingerprint": "0", "text": "0",
    });
    format!("Trust me\n{}\n", marker::render(&facts))
}

fn fork(branch: &str) -> Option<Fork> {
    Some(Fork { owner: "stranger".to_owned(), branch: branch.to_owned() })
}

#[tokio::test]
async fn a_strangers_marker_makes_no_pull_request_ours() {
    for from in [fork("tidegate/staging/alpha"), None] {
        let mut scene = Scene::of(&["alpha"]).await;
        let head = if from.is_some() { "of-a-fork" } else { "tidegate/staging/alpha-other" };
        scene.branch(head, true);
        scene.commit(head, "NOTES.md", "theirs\n");
        scene.open(head, &forged("alpha"), from.clone());
        scene.settle().await;
        assert!(scene.rows().await.is_empty(), "it is not adopted");
        scene.close(1);
        scene.release("alpha", "1.1");
        scene.settle().await;
        assert_eq!(scene.pulls()[1], "#2 open: Promote alpha 1.1 to staging", "{from:?}");
        assert_eq!(scene.pull(1).body, forged("alpha"), "it is not edited");
    }
}

#[tokio::test]
async fn what_a_person_proposes_is_not_proposed_beside_it() {
    for from in [None, fork("pin-a")] {
        let mut scene = Scene::of(&["alpha", "beta"]).await;
        scene.branch_that_pins("pin-a", "alpha", "1.1");
        scene.open("pin-a", "Please", from);
        let before = scene.pull(1);
        scene.release("alpha", "1.1");
        scene.release("beta", "1.1");
        scene.settle().await;
        assert_eq!(scene.pulls(), ["#1 open: By hand", "#2 open: Promote beta 1.1 to staging"]);
        assert_eq!(
            scene.verdict("alpha").await,
            "proposed: Pull request #1, which somebody else opened, pins this very version."
        );
        assert_eq!(scene.pull(1), before, "it is never touched");
        scene.close(1);
        scene.settle().await;
        assert_eq!(scene.pulls()[2], "#3 open: Promote alpha 1.1 to staging");
    }
}

#[tokio::test]
async fn while_that_of_a_person_cannot_be_read_nothing_is_opened() {
    let mut scene = Scene::of(&["alpha"]).await;
    scene.branch_that_pins("pin-a", "alpha", "1.1");
    scene.open("pin-a", "Please", None);
    scene.release("alpha", "1.1");
    scene.faults(&["graphql Files every 1 status 502"]);
    assert_eq!(scene.pass().await.state, RunState::Done);
    assert_eq!(scene.pulls(), ["#1 open: By hand"]);
    assert!(
        scene.verdict("alpha").await.starts_with("cannot-determine: Whether somebody proposes it already")
    );
    scene.faults(&[]);
    scene.settle().await;
    assert!(scene.verdict("alpha").await.starts_with("proposed: Pull request #1"));
}

#[tokio::test]
async fn what_a_person_pins_at_another_commit_of_the_same_version_is_not_proposed_beside_it() {
    let mut scene = Scene::of(&["alpha", "beta"]).await;
    let (same, other) = (scene.unreleased("alpha"), scene.unreleased("beta"));
    scene.branch_that_pins_at("pin-a", "alpha", &same);
    scene.open("pin-a", "Please", None);
    scene.branch_that_pins_at("pin-b", "beta", &other);
    scene.open("pin-b", "Please", None);
    scene.release("alpha", "1.1");
    scene.release("beta", "1.2");
    scene.settle().await;
    assert_eq!(
        scene.pulls(),
        ["#1 open: By hand", "#2 open: By hand", "#3 open: Promote beta 1.2 to staging"],
        "theirs of beta is of another version"
    );
    assert_eq!(
        scene.verdict("alpha").await,
        "proposed: Pull request #1, which somebody else opened, pins this very version."
    );
}

#[tokio::test]
async fn while_the_version_that_a_person_pins_cannot_be_read_nothing_is_opened() {
    let mut scene = Scene::of(&["alpha"]).await;
    let same = scene.unreleased("alpha");
    scene.branch_that_pins_at("pin-a", "alpha", &same);
    scene.open("pin-a", "Please", None);
    scene.release("alpha", "1.1");
    // The list is read, and the DESCRIPTION is not.
    scene.faults(&[
        "graphql Files nth 2 status 502",
        "graphql Files nth 3 status 502",
        "graphql Files nth 4 status 502",
    ]);
    scene.pass().await;
    assert_eq!(scene.pulls(), ["#1 open: By hand"]);
    assert!(
        scene.verdict("alpha").await.starts_with("cannot-determine: Whether somebody proposes it already")
    );
    scene.faults(&[]);
    scene.settle().await;
    assert!(scene.verdict("alpha").await.starts_with("proposed: Pull request #1"));
}
