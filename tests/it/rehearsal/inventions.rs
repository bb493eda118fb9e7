//! Made-up worlds, played in every way.

use tidegate::domain::{StagingModel, Via};

use super::invented::{Invented, Tempers};
use super::laws;
use super::stage::{Played, TWICE_A_DAY, Way};

fn play(seed: u64, tempers: Tempers, way: Way) -> Played {
    let world = Invented::from_seed(seed, tempers).world();
    let played = Played::of(world.clone(), TWICE_A_DAY, way, None);
    laws::hold(&world, &played, TWICE_A_DAY, way);
    played
}

#[test]
fn pinned_by_pull_request_keeps_the_laws_among_people_who_refuse() {
    let played = play(1, Tempers::Contrary, Way::SHIPPED);
    assert!(!played.left.pull_requests("closed").is_empty());
    assert!(!played.left.pull_requests("touched").is_empty());
}

#[test]
fn a_rolling_pull_request_that_is_closed_is_not_opened_again() {
    let way = Way { staging: StagingModel::Follow, ..Way::SHIPPED };
    let world = Invented::from_seed(1, Tempers::Contrary).world();
    let played = Played::of(world, TWICE_A_DAY, way, Some("2026-05-25T00:00:00Z"));
    assert!(!played.left.pull_requests("closed").is_empty());
    laws::a_refused_version_is_not_proposed_again(&played);
}

#[test]
fn every_way_of_pinning_keeps_the_laws() {
    for way in Way::all(StagingModel::Pinned) {
        eprintln!("{way:?}");
        play(2, Tempers::Agreeable, way);
    }
}

#[test]
fn every_way_of_following_keeps_the_laws() {
    for way in Way::all(StagingModel::Follow) {
        eprintln!("{way:?}");
        play(2, Tempers::Agreeable, way);
    }
}

#[test]
fn the_same_world_twice_leaves_the_same_behind() {
    for way in [Way::SHIPPED, Way { staging: StagingModel::Follow, via: Via::Commit, ..Way::SHIPPED }] {
        let world = Invented::from_seed(3, Tempers::Contrary).world();
        let to = Some("2026-06-16T00:00:00Z");
        let (one, other) =
            (Played::of(world.clone(), TWICE_A_DAY, way, to), Played::of(world, TWICE_A_DAY, way, to));
        assert_eq!(one.left.summary(), other.left.summary());
        assert_eq!(one.left.timeline(), other.left.timeline());
        assert_eq!(one.left.pages(), other.left.pages());
        assert!(one.left.published() == other.left.published(), "published trees differ");
    }
}
