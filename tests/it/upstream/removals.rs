//! Removals on request: out of every list, never back by itself, and undone by one word.

use tidegate::daemon::wishes;
use tidegate::domain::{RemovalChange, RemovalWish, VerdictKind};

use super::scene::{COMMUNITY, LATER, STAGING, Scene, description};

fn wish(change: RemovalChange) -> RemovalWish {
    RemovalWish {
        distribution: "demo".to_owned(),
        package: "alpha".to_owned(),
        change,
        by: "ada".to_owned(),
        reason: "asked for by @its maintainer".to_owned(),
    }
}

async fn ask(scene: &Scene, change: RemovalChange) -> String {
    wishes::remove(&scene.store, &wish(change), scene.now()).await.unwrap()
}

fn everywhere() -> RemovalChange {
    RemovalChange::Remove { channels: Vec::new() }
}

async fn staged_by(policy: &'static str) -> Scene {
    let mut scene = Scene::of_one().await;
    scene.policy = policy;
    scene.pass("releases").await;
    scene.pass("staging").await;
    scene
}

#[tokio::test]
async fn by_commit_it_leaves_staging_in_the_next_pass_and_never_comes_back_by_itself() {
    let scene = staged_by("via = \"commit\"\n").await;
    assert!(scene.list(STAGING).contains_key("alpha"));
    let told = ask(&scene, everywhere()).await;
    insta::assert_snapshot!(told, @"alpha leaves all channels of demo with the next passes, and the next snapshot leaves it out; published snapshots stay as they are");
    scene.pass("staging").await;
    assert!(!scene.list(STAGING).contains_key("alpha"));
    let verdict = scene.verdict("alpha").await;
    assert_eq!(verdict.kind, VerdictKind::Removed);
    insta::assert_snapshot!(format!("{} {}", verdict.reason, verdict.next), @"Ada asked for it to be taken out, at 2026-04-16T10:00:00Z: asked for by @its maintainer. It leaves staging in this pass; `tidegate remove alpha --distribution demo --undo` puts it back.");
    scene.release("owner/alpha", "v2.0.0", &[("DESCRIPTION", &description("alpha", "2.0.0"))], LATER);
    for _ in 0..2 {
        scene.pass("releases").await;
        scene.pass("staging").await;
    }
    assert!(!scene.list(STAGING).contains_key("alpha"));

    ask(&scene, RemovalChange::Undo).await;
    scene.pass("staging").await;
    assert!(scene.list(STAGING).contains_key("alpha"));
    assert_eq!(scene.told("removal", "action").await, ["alpha removed", "alpha undone"]);
}

#[tokio::test]
async fn the_first_channel_is_asked_by_pull_request_once() {
    let scene = staged_by("via = \"commit\"\n").await;
    ask(&scene, everywhere()).await;
    scene.pass("releases").await;
    scene.pass("releases").await;
    let pulls = scene.pulls(COMMUNITY);
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0].title, "Remove alpha from community on request");
    insta::assert_snapshot!(pulls[0].body.split("<!--").next().unwrap());
    scene.merge(COMMUNITY, 1);
    scene.pass("releases").await;
    assert!(scene.list(COMMUNITY).is_empty());
    assert_eq!(scene.store.open_pull_requests().await.unwrap(), Vec::new());
}

#[tokio::test]
async fn an_undone_removal_closes_its_pull_request() {
    let scene = staged_by("via = \"commit\"\n").await;
    ask(&scene, everywhere()).await;
    scene.pass("releases").await;
    ask(&scene, RemovalChange::Undo).await;
    scene.pass("releases").await;
    assert!(!scene.pulls(COMMUNITY)[0].is_open());
}

#[tokio::test]
async fn by_pull_request_it_leaves_staging_in_one_of_its_own() {
    let scene = staged_by("").await;
    scene.merge(STAGING, 1);
    ask(&scene, RemovalChange::Remove { channels: vec!["staging".to_owned()] }).await;
    scene.pass("releases").await;
    scene.pass("staging").await;
    scene.pass("staging").await;
    assert_eq!(scene.pulls(COMMUNITY), Vec::new(), "only staging was asked for");
    let pulls = scene.pulls(STAGING);
    assert_eq!(pulls.len(), 2);
    assert_eq!(pulls[1].title, "Remove alpha from staging on request");
    insta::assert_snapshot!(pulls[1].body.split("<!--").next().unwrap());
    assert!(
        scene.verdict("alpha").await.next.starts_with("It leaves staging once the pull request is merged")
    );
    scene.merge(STAGING, 2);
    scene.pass("staging").await;
    assert!(scene.list(STAGING).is_empty());
    let verdict = scene.verdict("alpha").await;
    assert!(verdict.next.starts_with("Staging does not take it again"), "{}", verdict.next);
}

#[tokio::test]
async fn under_follow_the_copy_of_the_list_leaves_it_out() {
    let mut scene = Scene::of_one().await;
    scene.policy = "via = \"commit\"\nstaging = \"follow\"\n";
    scene.pass("staging").await;
    assert!(scene.list(STAGING).contains_key("alpha"));
    ask(&scene, everywhere()).await;
    for _ in 0..2 {
        scene.pass("staging").await;
        assert!(!scene.list(STAGING).contains_key("alpha"));
    }
    assert_eq!(scene.verdict("alpha").await.kind, VerdictKind::Removed);
}

#[tokio::test]
async fn the_command_writes_the_wish_down_and_status_and_explain_show_it() {
    let scene = staged_by("via = \"commit\"\n").await;
    let arguments = ["remove", "alpha", "--distribution", "demo", "--by", "ada", "--reason", "wrong licence"];
    let told = scene.says(&arguments);
    assert!(told.starts_with("alpha leaves all channels of demo with the next passes"), "{told}");
    let row = &scene.store.removals("demo").await.unwrap()[0];
    assert_eq!(
        (row.package.as_str(), row.removal.by.as_str(), row.removal.reason.as_str()),
        ("alpha", "ada", "wrong licence")
    );
    scene.pass("staging").await;
    let status = scene.says(&["status"]);
    assert!(status.contains("removed on request\n  demo, alpha: at "), "{status}");
    let page = scene.says(&["explain", "alpha"]);
    assert!(page.contains("removal      from all channels, at "), "{page}");
    scene.says(&["remove", "alpha", "--distribution", "demo", "--undo", "--reason", "it was right"]);
    assert!(scene.store.removals_in_force("demo").await.unwrap().is_empty());
    let page = scene.says(&["explain", "alpha"]);
    assert!(page.contains("undone at "), "{page}");
}

#[tokio::test]
async fn a_second_wish_for_the_same_package_and_an_undo_without_one_are_refused() {
    let scene = Scene::of_one().await;
    let undo = wishes::remove(&scene.store, &wish(RemovalChange::Undo), scene.now()).await;
    insta::assert_snapshot!(undo.unwrap_err(), @"no removal of alpha from demo is in force");
    ask(&scene, everywhere()).await;
    let again = wishes::remove(&scene.store, &wish(everywhere()), scene.now()).await;
    insta::assert_snapshot!(again.unwrap_err(), @"alpha was removed from demo already, at 2026-04-16T08:00:00Z by ada");
}
