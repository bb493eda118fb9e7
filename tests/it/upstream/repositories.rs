//! Where repositories stand: what is believed at once, and what only after several looks.

use tidegate::domain::{Absent, Actor, VerdictKind};
use tidegate::rehearse::github::state::Standing;
use tidegate::store::RunState;

use super::scene::{EARLIER, LATER, STAGING, Scene, description, row};

/// Looks until `hours` have passed, and decides after each.
async fn look_for(scene: &Scene, hours: i64) {
    for _ in 0..hours / 6 {
        scene.hours_later(4);
        scene.pass("releases").await;
        scene.pass("staging").await;
    }
}

async fn settled_scene() -> Scene {
    let mut scene = Scene::of_one().await;
    scene.policy = "via = \"commit\"\n";
    scene.pass("releases").await;
    scene.pass("staging").await;
    scene.pass("staging").await;
    assert_eq!(scene.verdict("alpha").await.kind, VerdictKind::CannotDetermine, "no universe says anything");
    scene
}

#[tokio::test]
async fn a_repository_that_is_not_found_once_and_then_back_changes_nothing() {
    let scene = settled_scene().await;
    let (before, list) = (scene.seen("alpha").await, scene.list(STAGING));
    scene.becomes("owner/alpha", Standing::Gone);
    scene.pass("releases").await;
    scene.pass("staging").await;
    let verdict = scene.verdict("alpha").await;
    assert_eq!((verdict.kind, verdict.actor), (VerdictKind::CannotDetermine, Actor::Nobody));
    insta::assert_snapshot!(verdict.reason, @"Its repository was not found since 2026-04-16T11:00:00Z.");
    scene.becomes("owner/alpha", Standing::Present);
    scene.pass("releases").await;
    scene.pass("staging").await;
    assert_eq!((scene.seen("alpha").await, scene.list(STAGING)), (before, list));
    assert_eq!(scene.told("upstream", "what").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repository_is_gone_after_several_looks_over_a_day_and_then_nothing_is_written() {
    let scene = settled_scene().await;
    scene.becomes("owner/alpha", Standing::Gone);
    look_for(&scene, 18).await;
    assert_eq!(scene.verdict("alpha").await.kind, VerdictKind::CannotDetermine);
    look_for(&scene, 12).await;
    let verdict = scene.verdict("alpha").await;
    assert_eq!((verdict.kind, verdict.actor), (VerdictKind::Vanished, Actor::Maintainer));
    insta::assert_snapshot!(format!("{} {}", verdict.reason, verdict.next), @"Its repository https://github.com/owner/alpha was not found since 2026-04-16T15:00:00Z: it was deleted or made private, which look the same. Staging keeps what it holds, and snapshots have it as long as the universe does; it moves again once the repository is back.");
    assert_eq!(scene.told("upstream", "what").await, ["alpha gone"]);
    assert!(scene.list(STAGING).contains_key("alpha"));
    assert_eq!(scene.pass("releases").await.state, RunState::Unchanged);

    scene.becomes("owner/alpha", Standing::Present);
    scene.pass("releases").await;
    assert_eq!(scene.told("upstream", "what").await, ["alpha gone", "alpha back"]);
    assert_eq!(scene.seen("alpha").await.repository, None);
}

#[tokio::test]
async fn what_is_blocked_is_told_from_what_is_gone() {
    let scene = settled_scene().await;
    scene.becomes("owner/alpha", Standing::Withheld);
    look_for(&scene, 30).await;
    let missing = scene.seen("alpha").await.repository.unwrap().missing.unwrap();
    assert_eq!(missing.how, Absent::Blocked);
    let verdict = scene.verdict("alpha").await;
    assert_eq!((verdict.kind, verdict.actor), (VerdictKind::Vanished, Actor::Moderators));
    assert!(verdict.reason.contains("GitHub withholds it for legal reasons"), "{}", verdict.reason);
}

#[tokio::test]
async fn an_archived_repository_is_shown_and_goes_on() {
    let scene = settled_scene().await;
    scene.change("owner/alpha", |known| known.archived = true);
    scene.release("owner/alpha", "v1.1.0", &[("DESCRIPTION", &description("alpha", "1.1.0"))], LATER);
    scene.pass("releases").await;
    scene.pass("staging").await;
    assert_eq!(scene.told("upstream", "what").await, ["alpha archived"]);
    assert_eq!(scene.verdict("alpha").await.kind, VerdictKind::Moves);
    let page = scene.says(&["explain", "alpha"]);
    assert!(page.contains("archived     since 2026-04-16T11:00:00Z"), "{page}");
}

#[tokio::test]
async fn a_renamed_repository_is_followed_at_once_also_when_somebody_takes_the_old_name() {
    let mut scene = settled_scene().await;
    scene.policy = "via = \"commit\"\nupstream = { propose_listing = false }\n";
    scene.move_repository("owner/alpha", "owner/better");
    scene.release("owner/better", "v1.1.0", &[("DESCRIPTION", &description("alpha", "1.1.0"))], LATER);
    scene.pass("releases").await;
    assert_eq!(scene.version("alpha").await, "1.1.0");
    assert_eq!(scene.seen("alpha").await.repository.unwrap().moved.unwrap().to, "owner/better");
    assert_eq!(scene.told("upstream", "to").await, ["alpha owner/better"]);
    // A stranger makes a repository of the old name.
    scene.github.happen(|state| drop(state.repositories.remove("owner/alpha")));
    scene.release("owner/alpha", "v9.0.0", &[("DESCRIPTION", &description("alpha", "9.0.0"))], LATER);
    scene.pass("releases").await;
    assert_eq!(scene.version("alpha").await, "1.1.0");
}

#[tokio::test]
async fn one_bad_name_and_one_that_times_out_spoil_nothing_for_the_other_ninety_eight() {
    let names: Vec<String> = (0..100).map(|number| format!("pkg{number:02}")).collect();
    let rows: Vec<serde_json::Value> = names.iter().map(|name| row(name, &format!("owner/{name}"))).collect();
    let scene = Scene::listing(&rows).await;
    for name in names.iter().filter(|name| *name != "pkg41") {
        let text = description(name, "1.0.0");
        scene.release(&format!("owner/{name}"), "v1.0.0", &[("DESCRIPTION", &text)], EARLIER);
    }
    scene.github.set_unreachable(["owner/pkg42"]);
    scene.attempt("releases").await;
    let known = |name: &'static str| scene.seen(name);
    let bad = known("pkg41").await;
    assert_eq!(bad.repository.unwrap().missing.unwrap().looks, 1);
    assert!(known("pkg42").await.failing.is_some());
    for name in names.iter().filter(|name| !["pkg41", "pkg42"].contains(&name.as_str())) {
        assert_eq!(scene.version(name).await, "1.0.0", "{name}");
    }
}

#[tokio::test]
async fn more_missing_at_once_than_can_be_looked_at_twice_are_not_believed() {
    let names: Vec<String> = (0..40).map(|number| format!("pkg{number:02}")).collect();
    let rows: Vec<serde_json::Value> = names.iter().map(|name| row(name, &format!("owner/{name}"))).collect();
    let scene = Scene::listing(&rows).await;
    scene.pass("releases").await;
    let mut unknown = 0;
    for name in &names {
        unknown += usize::from(scene.seen(name).await.failing.is_some());
    }
    assert_eq!(unknown, 20);
}

#[tokio::test]
async fn a_limit_reached_in_the_middle_loses_nothing_that_was_read() {
    let rows: Vec<serde_json::Value> =
        ["alpha", "beta"].iter().map(|name| row(name, &format!("owner/{name}"))).collect();
    let scene = Scene::listing(&rows).await;
    for name in ["alpha", "beta"] {
        let text = description(name, "1.0.0");
        scene.release(&format!("owner/{name}"), "v1.0.0", &[("DESCRIPTION", &text)], EARLIER);
    }
    // The list, the releases, and then a limit at the DESCRIPTIONs.
    scene.github.set_faults(vec!["graphql Files every 1 retry-after 60".parse().unwrap()]);
    scene.attempt("releases").await;
    let alpha = scene.seen("alpha").await;
    assert!(!alpha.answered && alpha.failing.is_some(), "{alpha:?}");
    scene.github.set_faults(Vec::new());
    scene.pass("releases").await;
    assert_eq!((scene.version("alpha").await, scene.version("beta").await), ("1.0.0".into(), "1.0.0".into()));
}

#[tokio::test]
async fn explain_says_when_a_repository_answered_last() {
    let scene = settled_scene().await;
    let page = scene.says(&["explain", "alpha"]);
    assert!(page.contains("answered     2026-04-16T08:00:00Z"), "{page}");
    scene.github.set_unreachable(["owner/alpha"]);
    scene.attempt("releases").await;
    let json: serde_json::Value = serde_json::from_str(&scene.says(&["explain", "alpha", "--json"])).unwrap();
    assert_eq!(json["upstream"][0]["answered_at"], "2026-04-16T08:00:00Z");
    assert_eq!(json["upstream"][0]["failing"]["since"], "2026-04-16T11:00:00Z");
}
