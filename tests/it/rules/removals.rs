//! Removals on request and repositories that are gone, as the rules for channels and snapshots see them.

use tidegate::domain::{
    Absence, Absent, Action, Belief, DeletionPolicy, NewContents, Removal, UpstreamFacts, VerdictKind,
};

use super::facts::*;
use super::snapshot::plan_of;

fn removal(channels: &[&str]) -> Removal {
    Removal {
        at: "2026-04-18T10:00:00Z".parse().unwrap(),
        by: "ada".to_owned(),
        reason: "its maintainer asked for it".to_owned(),
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn removed(mut scene: Scene, package: &str, channels: &[&str]) -> Scene {
    scene.facts.removals.insert(package.to_owned(), removal(channels));
    scene
}

#[test]
fn a_removal_is_one_pull_request_beside_all_others_and_nothing_of_it_moves() {
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .package("alpha", "1.0.0")
        .releases("alpha", "1.1.0")
        .package("beta", "1.0.0")
        .releases("beta", "1.1.0");
    let plan = removed(scene, "alpha", &[]).plan();
    assert_eq!(plan.verdicts["alpha"].kind, VerdictKind::Removed);
    assert_eq!(plan.verdicts["beta"].kind, VerdictKind::Proposed);
    let keys: Vec<&str> = plan
        .actions
        .iter()
        .map(|action| match action {
            Action::Propose { key, .. } => key.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(keys, ["staging/beta", "staging/removal-alpha-1776506400"]);
}

#[test]
fn a_removal_from_another_channel_changes_nothing_here() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("alpha", "1.0.0").releases("alpha", "1.1.0");
    let plan = removed(scene.clone(), "alpha", &["community"]).plan();
    assert_eq!(plan, scene.plan());
}

#[test]
fn by_commit_a_removal_goes_with_the_commit_that_is_made_anyway() {
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .by_commit()
        .package("alpha", "1.0.0")
        .package("beta", "1.0.0")
        .releases("beta", "1.1.0");
    let plan = removed(scene, "alpha", &[]).plan();
    let [Action::Commit(change)] = plan.actions.as_slice() else { panic!("{:?}", plan.actions) };
    let NewContents::Rows { set, removed } = &change.contents else { panic!("{change:?}") };
    assert_eq!((set.len(), removed.as_slice()), (1, &["alpha".to_owned()][..]));
}

#[test]
fn under_follow_the_copy_leaves_out_what_is_removed_and_is_settled_then() {
    let scene =
        Scene::follow(DEPENDENCY_FREEZE).by_commit().package("alpha", "1.0.0").package("beta", "1.0.0");
    let mut scene = removed(scene, "alpha", &[]);
    let plan = scene.plan();
    let [Action::Commit(change)] = plan.actions.as_slice() else { panic!("{:?}", plan.actions) };
    scene.facts.head.listings = change.listings(&scene.facts.head.listings).unwrap();
    assert_eq!(scene.facts.head.listings.len(), 1);
    assert_eq!(scene.plan().actions, Vec::new());
}

#[test]
fn an_open_pull_request_that_would_bring_it_in_is_closed() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("alpha", "1.0.0").releases("alpha", "1.1.0");
    let scene = removed(scene.acted(), "alpha", &[]);
    let closes = |action: &Action| matches!(action, Action::Close { key, .. } if key == "staging/alpha");
    assert!(scene.plan().actions.iter().any(closes));
}

#[test]
fn an_undone_removal_closes_its_pull_request_and_a_second_one_opens_another() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("alpha", "1.0.0");
    let mut scene = removed(scene, "alpha", &[]).acted();
    assert_eq!(scene.plan().actions, Vec::new());
    scene.facts.removals.clear();
    let mut scene = scene.acted();
    assert_eq!(scene.plan().actions, Vec::new());
    let again = Removal { at: "2026-04-19T10:00:00Z".parse().unwrap(), ..removal(&[]) };
    scene.facts.removals.insert("alpha".to_owned(), again);
    assert!(matches!(scene.plan().actions.as_slice(), [Action::Propose { update: None, .. }]));
}

#[test]
fn a_removal_that_moderators_declined_is_not_proposed_again_and_says_so() {
    let scene = removed(Scene::on(DEPENDENCY_FREEZE).package("alpha", "1.0.0"), "alpha", &[]).acted();
    let plan = scene.closed(2).plan();
    assert_eq!(plan.actions, Vec::new());
    assert!(plan.verdicts["alpha"].next.starts_with("Pull request #2 was closed, so staging still lists it"));
}

#[test]
fn the_snapshot_leaves_out_what_is_removed_and_that_is_no_shrinking() {
    for scene in [Scene::on(STANDSTILL), Scene::follow(STANDSTILL)] {
        let scene = scene.package("alpha", "1.0.0").package("beta", "1.0.0").pinned_at("beta", "1.0.0");
        let plan = plan_of(&removed(scene.pinned_at("alpha", "1.0.0"), "alpha", &["staging"]));
        assert_eq!(plan.members.len(), 1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(plan.left_out[0].reason, @"It was removed on request: its maintainer asked for it.");
        }
        assert_eq!(plan.held, None);
    }
}

#[test]
fn a_repository_that_is_gone_leaves_the_snapshot_only_where_the_policy_drops_it() {
    for (belief, deleted, members) in [
        (Belief::Confirmed, DeletionPolicy::Drop, 1),
        (Belief::Confirmed, DeletionPolicy::Keep, 2),
        (Belief::Waiting, DeletionPolicy::Drop, 2),
    ] {
        let mut scene = Scene::on(STANDSTILL).package("alpha", "1.0.0").package("beta", "1.0.0");
        let since = "2026-06-01T00:00:00Z".parse().unwrap();
        let absence = Absence { how: Absent::NotFound, since, belief, deleted };
        let facts = UpstreamFacts { absence: Some(absence), ..UpstreamFacts::default() };
        scene.facts.upstream.insert("alpha".to_owned(), facts);
        assert_eq!(plan_of(&scene).members.len(), members, "{belief:?} {deleted:?}");
    }
}
