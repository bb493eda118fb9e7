//! What becomes of a pull request: closed, edited, superseded, conflicting, merged under our feet, its branch deleted.

use serde_json::json;
use tidegate::store::{PullRequestState, RunState};

use super::scene::Scene;

/// Packages that fail, whose newer releases are proposed.
async fn proposed(packages: &[&str]) -> Scene {
    let mut scene = Scene::of(packages).await;
    for package in packages {
        scene.release(package, "1.1");
    }
    scene.settle().await;
    scene
}

#[tokio::test]
async fn each_newer_release_is_proposed_once() {
    let scene = proposed(&["alpha", "beta"]).await;
    assert_eq!(
        scene.pulls(),
        ["#1 open: Promote alpha 1.1 to staging", "#2 open: Promote beta 1.1 to staging"]
    );
}

#[tokio::test]
async fn closed_by_a_person_it_stays_declined_until_the_label_asks_for_it_again() {
    let scene = proposed(&["alpha"]).await;
    scene.close(1);
    scene.settle().await;
    assert_eq!(scene.pulls(), ["#1 closed: Promote alpha 1.1 to staging"]);
    assert_eq!(scene.verdict("alpha").await, "refused: Pull request #1 was closed without being merged.");
    scene.label(1, "Tidegate: Propose Again");
    scene.settle().await;
    assert_eq!(
        scene.pulls(),
        ["#1 closed: Promote alpha 1.1 to staging", "#2 open: Promote alpha 1.1 to staging"]
    );
    scene.close(2);
    scene.settle().await;
    assert_eq!(scene.verdict("alpha").await, "refused: Pull request #2 was closed without being merged.");
    scene.reopen(2);
    scene.settle().await;
    assert_eq!(scene.rows().await, [(1, PullRequestState::Withdrawn), (2, PullRequestState::Open)]);
    assert!(scene.pull(1).body.contains("give it the label `tidegate: propose again`"));
}

#[tokio::test]
async fn on_one_that_a_person_edited_each_newer_version_is_told_once() {
    let mut scene = proposed(&["alpha"]).await;
    scene.commit("tidegate/staging/alpha", "NOTES.md", "mine\n");
    scene.settle().await;
    assert!(scene.comments(1).is_empty(), "there is nothing new to tell");
    scene.release("alpha", "1.2");
    // The comment is written, and the answer is lost.
    scene.faults(&["POST /repos/demo/staging/issues/1/comments nth 1 drop-after"]);
    assert_eq!(scene.pass().await.state, RunState::Failed);
    scene.settle().await;
    assert_eq!(scene.comments(1).len(), 1);
    assert!(scene.comments(1)[0].contains("`alpha` `1.2`"));
    scene.release("alpha", "1.3");
    scene.settle().await;
    scene.release("alpha", "1.2");
    scene.settle().await;
    assert_eq!(scene.comments(1).len(), 2, "what was told once is not told again");
    assert_eq!(scene.pulls().len(), 1);
    assert!(scene.verdict("alpha").await.starts_with("hands-off: "));
}

#[tokio::test]
async fn a_comment_that_is_refused_holds_nothing_up() {
    let mut scene = proposed(&["alpha", "beta"]).await;
    scene.commit("tidegate/staging/alpha", "NOTES.md", "mine\n");
    scene.release("alpha", "1.2");
    scene.release("beta", "1.2");
    scene.faults(&["POST /repos/demo/staging/issues/1/comments every 1 status 403"]);
    scene.settle().await;
    assert_eq!(scene.pulls()[1], "#2 open: Promote beta 1.2 to staging");
    let [warning] = &scene.told("warning").await[..] else { panic!("one warning") };
    assert_eq!(warning.body["refused"], "a comment");
}

#[tokio::test]
async fn after_an_edited_one_is_merged_the_next_version_comes_by_the_same_branch() {
    let mut scene = proposed(&["alpha"]).await;
    scene.commit("tidegate/staging/alpha", "NOTES.md", "mine\n");
    scene.settle().await;
    scene.merge(1);
    scene.builds("alpha", "1.1");
    scene.release("alpha", "1.2");
    scene.settle().await;
    assert_eq!(
        scene.pulls(),
        ["#1 merged: Promote alpha 1.1 to staging", "#2 open: Promote alpha 1.2 to staging"]
    );
    assert_eq!(scene.pull(2).head, "tidegate/staging/alpha");
}

#[tokio::test]
async fn a_branch_of_somebody_else_is_left_alone_and_others_go_on() {
    let mut scene = Scene::of(&["alpha", "beta"]).await;
    scene.branch("tidegate/staging/alpha", true);
    scene.commit("tidegate/staging/alpha", "NOTES.md", "mine\n");
    scene.release("alpha", "1.1");
    scene.release("beta", "1.1");
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Failed);
    let error = run.error.unwrap();
    assert!(
        error.contains("the pull request staging/alpha") && error.contains("merge, move or delete"),
        "{error}"
    );
    assert_eq!(scene.pulls(), ["#1 open: Promote beta 1.1 to staging"]);
    scene.branch("tidegate/staging/alpha", false);
    scene.settle().await;
    assert_eq!(scene.pulls()[1], "#2 open: Promote alpha 1.1 to staging");
}

#[tokio::test]
async fn superseded_it_is_closed_which_declines_nothing() {
    for lost in [None, Some("PATCH /repos/demo/staging/pulls/1 nth 2 drop-after")] {
        let scene = proposed(&["alpha"]).await;
        scene.pin("alpha", "1.1");
        scene.faults(lost.as_slice());
        scene.pass().await;
        scene.settle().await;
        assert_eq!(scene.pulls(), ["#1 closed: Promote alpha: staging holds this already"], "{lost:?}");
        assert_eq!(scene.rows().await, [(1, PullRequestState::Withdrawn)], "{lost:?}");
        let told = scene.told("pull-request").await;
        assert_eq!(told.iter().filter(|event| event.body["action"] == "closed").count(), 1, "{lost:?}");
        // Somebody goes back, and upstream's release is wanted again.
        scene.pin("alpha", "1.0");
        scene.settle().await;
        assert!(!scene.verdict("alpha").await.starts_with("refused"), "{lost:?}");
    }
}

#[tokio::test]
async fn one_that_conflicts_is_made_anew_in_place() {
    let scene = proposed(&["alpha"]).await;
    let before = scene.pull(1).head_oid;
    let other = scene.file("main", "packages.json").replace("owner/alpha", "owner/alpha-moved");
    scene.commit("main", "packages.json", &other);
    scene.settle().await;
    assert_eq!(scene.pulls(), ["#1 open: Promote alpha 1.1 to staging"]);
    assert_ne!(scene.pull(1).head_oid, before);
}

#[tokio::test]
async fn merged_under_our_feet_it_is_merged() {
    let mut scene = proposed(&["alpha", "beta"]).await;
    scene.merge(1);
    scene.builds("alpha", "1.1");
    scene.settle().await;
    assert_eq!(scene.rows().await, [(1, PullRequestState::Merged), (2, PullRequestState::Open)]);
    assert!(scene.file("main", "packages.json").contains(&crate::rules::facts::commit("alpha", "1.1")));
}

#[tokio::test]
async fn its_branch_deleted_it_counts_as_declined() {
    let mut scene = proposed(&["alpha"]).await;
    scene.branch("tidegate/staging/alpha", false);
    scene.settle().await;
    assert_eq!(scene.rows().await, [(1, PullRequestState::Closed)]);
    scene.release("alpha", "1.2");
    scene.settle().await;
    assert_eq!(scene.pulls()[1], "#2 open: Promote alpha 1.2 to staging");
}

#[tokio::test]
async fn one_that_is_not_there_any_more_is_withdrawn() {
    let scene = proposed(&["alpha"]).await;
    let mut row = scene.store.pull_request("demo/staging", 1).await.unwrap().unwrap();
    (row.number, row.branch, row.key) = (Some(99), "tidegate/staging/x".into(), "staging/x".into());
    scene.store.save_pull_request(&row).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.rows().await, [(1, PullRequestState::Open), (99, PullRequestState::Withdrawn)]);
}

#[tokio::test]
async fn what_people_wrote_into_the_list_stays_and_unchanged_files_are_no_part_of_a_commit() {
    let extra = json!({ "metadata": { "owner": ["x", "y"] } });
    let mut scene = Scene::at("2026-05-20T08:00:00Z", &["alpha", "beta"], &extra).await;
    let before = scene.file("main", "packages.json");
    scene.release("alpha", "1.1");
    scene.settle().await;
    let after = scene.file("tidegate/staging/alpha", "packages.json");
    let commit = |version| crate::rules::facts::commit("alpha", version);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&after).unwrap().to_string(),
        serde_json::from_str::<serde_json::Value>(&before.replace(&commit("1.0"), &commit("1.1")))
            .unwrap()
            .to_string(),
        "only the pin differs, and every row has its columns in their order"
    );
    let files = scene.github.read(|state| {
        let git = state.repository("demo/staging").unwrap().git.as_ref().unwrap();
        let tree = |branch| git.commit(git.branch(branch).unwrap()).unwrap().tree;
        let changed = git.differences(Some(tree("main")), Some(tree("tidegate/staging/alpha")));
        changed.keys().cloned().collect::<Vec<_>>()
    });
    assert_eq!(files, ["packages.json"]);
}

#[tokio::test]
async fn a_row_that_a_person_took_out_is_not_proposed_again() {
    let time = "2026-04-20T08:00:00Z";
    let scene = Scene::at(time, &["alpha", "beta"], &json!(null)).await;
    scene.settle().await;
    for number in 1..=scene.pulls().len() as u64 {
        scene.merge(number);
    }
    scene.settle().await;
    let before = scene.pulls();
    scene.remove("beta");
    scene.settle().await;
    assert_eq!(scene.pulls(), before);
    assert_eq!(scene.verdict("beta").await, "hands-off: A person took it out of staging.");
}

#[tokio::test]
async fn what_community_says_of_exactly_the_release_is_in_the_text_and_follows_it() {
    let mut scene = proposed(&["alpha"]).await;
    assert!(
        scene.pull(1).body.contains("the status of demo/community was never read"),
        "{}",
        scene.pull(1).body
    );
    scene.community.insert("alpha".to_owned(), "1.0".to_owned());
    scene.settle().await;
    assert!(
        scene.pull(1).body.contains("was not built at this commit in community"),
        "{}",
        scene.pull(1).body
    );
    scene.community.insert("alpha".to_owned(), "1.1".to_owned());
    scene.settle().await;
    assert!(scene.pull(1).body.contains("`1.1` passes in community, at this very commit"));
    assert_eq!(
        scene.pulls(),
        ["#1 open: Promote alpha 1.1 to staging"],
        "it is one pull request all the time"
    );
}
