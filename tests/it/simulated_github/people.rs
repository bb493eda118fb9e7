//! The people of a world, at their exact times.

use std::time::Duration;

use serde_json::json;
use tidegate::rehearse::github::git::FileChanges;
use tidegate::rehearse::github::people::{Deed, People};

use super::{GitHub, STAGING, hours, scheduled, world};

fn people() -> People {
    People { merge_after: Duration::from_secs(6 * 3600), close: vec!["c".into()], edit: vec!["e".into()] }
}

#[tokio::test]
async fn a_moderator_merges_six_hours_after_the_last_push() {
    let github = GitHub::with_people(people()).await;
    github.branch("a", "a").await;
    github.open_pull("a", "a").await;
    assert_eq!(github.simulated.next_event_after(hours(0)), Some(hours(6)));
    assert_eq!(github.advance_to(hours(4)), []);
    let main = github.tip("main").await;
    github.call("PATCH", "/git/refs/heads/a", json!({"sha": main, "force": true})).await;
    assert_eq!(github.simulated.next_event_after(hours(4)), None, "the reset closed it");

    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    github.advance_to(hours(7));
    let message = "Also this";
    let changes = FileChanges::write([("other.txt", "text\n")]);
    github.simulated.commit_as("tidegate-bot", STAGING, "b", changes, message, hours(7)).unwrap();
    assert_eq!(
        github.simulated.next_event_after(hours(7)),
        Some(hours(13)),
        "a new head starts the wait again"
    );
    let played = github.advance_to(hours(20));
    assert_eq!(
        played.iter().map(|event| (event.at, event.deed)).collect::<Vec<_>>(),
        [(hours(13), Deed::Merged(2))]
    );
    let pull = github.pull(2).await;
    assert_eq!(
        (&pull["merged_by"]["login"], &pull["merged_at"]),
        (&json!("moderator"), &json!("2026-04-15T13:00:00Z"))
    );
}

#[tokio::test]
async fn maintainers_close_or_edit_and_nobody_merges_what_a_person_touched() {
    let github = GitHub::with_people(people()).await;
    for package in ["c", "e", "h"] {
        github.branch(package, package).await;
        github.open_pull(package, package).await;
    }
    let played = github.advance_to(hours(48));
    let deeds: Vec<_> = played.iter().map(|event| (event.at, event.deed)).collect();
    assert_eq!(
        deeds,
        [(hours(3), Deed::Closed(1)), (hours(3), Deed::Edited(2)), (hours(6), Deed::Merged(3))]
    );
    assert_eq!(github.pull(1).await["merged"], false);
    let edited = github.pull(2).await;
    assert_eq!((&edited["state"], &edited["commits"]), (&json!("open"), &json!(2)));
    let commits = github.get(&format!("/repos/{STAGING}/pulls/2/commits")).await.json;
    assert_eq!(commits[1]["author"]["login"], "maintainer");
    assert_eq!(github.simulated.next_event_after(hours(48)), None);
}

#[tokio::test]
async fn drafts_and_conflicts_wait_until_they_can_be_merged() {
    let github = GitHub::with_people(people()).await;
    for branch in ["one", "other"] {
        github.branch(branch, "b").await;
        github.open_pull(branch, "b").await;
    }
    assert_eq!(github.advance_to(hours(10)).len(), 1, "the second conflicts with the first");
    assert_eq!(github.simulated.next_event_after(hours(10)), None);
    let main = github.tip("main").await;
    let tree = github.get(&format!("/repos/{STAGING}/git/commits/{main}")).await.json["tree"]["sha"].clone();
    let commit = json!({"message": "Both", "tree": tree, "parents": [main, github.tip("other").await]});
    let commit = github.call("POST", "/git/commits", commit).await;
    let commit = commit.json["sha"].clone();
    github.call("PATCH", "/git/refs/heads/other", json!({"sha": commit})).await;
    assert_eq!(github.pull(2).await["mergeable"], true);
    assert_eq!(github.simulated.next_event_after(hours(10)), Some(hours(16)));
}

#[tokio::test]
async fn the_schedule_goes_on_where_a_crash_ended_it() {
    let mut initial = world();
    initial.schedule([
        scheduled(hours(9), "third\n"),
        scheduled(hours(1), "first\n"),
        scheduled(hours(5), "second\n"),
    ]);
    let github = GitHub::of(initial).await;
    assert_eq!(github.simulated.next_event_after(hours(0)), Some(hours(1)));
    assert_eq!(github.advance_to(hours(6)).len(), 2);
    let again = github.reopened();
    assert_eq!(again.last_event(), Some(hours(6)));
    assert_eq!(again.next_event_after(hours(6)), Some(hours(9)));
    let played = again.advance_to(hours(10)).unwrap();
    assert_eq!(
        played.iter().map(|event| (event.at, event.deed)).collect::<Vec<_>>(),
        [(hours(9), Deed::Scheduled)]
    );
}
