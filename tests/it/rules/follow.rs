//! `follow`: the copy, the pins that stick, and the one rolling pull request.

use tidegate::decide::stage::stage_candidates;
use tidegate::domain::{NewContents, ProposalState, VerdictKind};

use super::facts::*;

fn pinned(scene: &Scene) -> Vec<String> {
    let rows = scene.facts.head.listings.iter().filter(|listing| listing.pin().is_some());
    rows.map(|listing| listing.package.clone()).collect()
}

#[test]
fn in_the_dependency_freeze_the_list_is_copied_byte_by_byte() {
    let scene = Scene::follow(DEPENDENCY_FREEZE)
        .by_commit()
        .package("a", "1.0")
        .package("b", "1.0")
        .without("b")
        .new_package("n", "0.1");
    assert_eq!(actions(&scene), ["commit: Dependency freeze"]);
    let plan = scene.plan();
    assert_eq!(changes(&plan)[0].contents, NewContents::CopyOfSource);
    assert_eq!(kind(&scene, "a"), VerdictKind::Current);
    insta::assert_snapshot!(words(&scene, "n"), @"Moves: It is new to community. Staging builds it then.");
    insta::assert_snapshot!(words(&scene, "b"), @"Gone: Community does not list it any more. It leaves staging in this pass.");
    let copied = scene.merged();
    assert_eq!(copied.facts.head.listings, copied.facts.source);
    assert!(actions(&copied).is_empty());
}

#[test]
fn the_copy_takes_last_cycles_pins_away() {
    let pinned_before = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").merged();
    assert_eq!(pinned(&pinned_before), ["a"]);
    let copied = pinned_before.later("2026-07-15").merged();
    assert!(pinned(&copied).is_empty());
    assert_eq!(copied.facts.head.targets.as_ref(), Some(&copied.facts.targets));
}

#[test]
fn guarded_does_not_copy_a_list_that_was_lost() {
    let scene = Scene::follow(DEPENDENCY_FREEZE).by_commit().package("a", "1.0").without("a");
    assert!(actions(&scene).is_empty());
    assert_eq!(kind(&scene, "a"), VerdictKind::CannotDetermine);
    assert_eq!(actions(&scene.faithful()), ["commit: Dependency freeze"]);
}

#[test]
fn in_the_candidate_freeze_what_passes_is_pinned_and_nothing_else() {
    let scene = Scene::follow(CANDIDATE_FREEZE)
        .by_commit()
        .package("a", "1.0")
        .package("fails", "1.0")
        .fails("fails")
        .package("builds", "1.0")
        .building("builds")
        .package("unknown", "1.0")
        .undetermined("unknown")
        .new_package("n", "0.1");
    assert_eq!(actions(&scene), ["commit: Candidate freeze"]);
    assert_eq!(kind(&scene, "a"), VerdictKind::Moves);
    assert_eq!(kind(&scene, "fails"), VerdictKind::Failing);
    assert_eq!(kind(&scene, "builds"), VerdictKind::Pending);
    assert_eq!(kind(&scene, "unknown"), VerdictKind::CannotDetermine);
    insta::assert_snapshot!(words(&scene, "n"), @"Frozen: It joined community after the dependency freeze. It enters staging with the next cycle, on 2026-07-15.");
    assert_eq!(pinned(&scene.merged()), ["a"]);
}

#[test]
fn faithful_pins_what_has_no_issue_even_if_nobody_can_tell() {
    let scene = Scene::follow(CANDIDATE_FREEZE).by_commit().faithful().package("a", "1.0").undetermined("a");
    assert_eq!(pinned(&scene.merged()), ["a"]);
}

#[test]
fn pins_stick_when_a_package_fails_later() {
    let staged = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").merged().fails("a");
    assert!(actions(&staged).is_empty());
    insta::assert_snapshot!(words(&staged, "a"), @"Staged: Staging holds it at one commit for the coming snapshot, though by now R CMD check ends with ERROR on linux-release-x86_64. It is part of the snapshot of 2026-06-15.");
}

#[test]
fn guarded_does_not_pin_a_staged_package_again() {
    let staged = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").merged();
    let newer = staged.assess("a", |assessment| {
        assessment.version = Some("1.1".to_owned());
        assessment.commit = Some(commit("a", "1.1"));
    });
    assert!(actions(&newer).is_empty());
    assert_eq!(actions(&newer.faithful()), ["commit: Candidate freeze"]);
}

#[test]
fn a_persons_pin_is_theirs() {
    let scene = Scene::follow(CANDIDATE_FREEZE)
        .by_commit()
        .faithful()
        .package("a", "1.0")
        .pinned_at("a", "0.9")
        .pinned_by_person("a");
    assert!(actions(&scene).is_empty());
    assert_eq!(kind(&scene, "a"), VerdictKind::Staged);
}

#[test]
fn an_unknown_status_pins_nothing() {
    let scene = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").status_unknown();
    assert!(actions(&scene).is_empty());
    assert_eq!(kind(&scene, "a"), VerdictKind::CannotDetermine);
}

#[test]
fn nothing_moves_after_the_snapshot() {
    let scene = Scene::follow(STANDSTILL).by_commit().package("a", "1.0").package("b", "1.0").fails("b");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "b"), @"Frozen: It was not staged in time: R CMD check ends with ERROR on linux-release-x86_64. It is considered again from 2026-07-15 on.");
    assert_eq!(kind(&scene, "a"), VerdictKind::Frozen);
}

#[test]
fn one_rolling_pull_request_carries_the_copy_and_is_updated_in_place() {
    let scene = Scene::follow(DEPENDENCY_FREEZE).package("a", "1.0").new_package("n", "0.1");
    assert_eq!(
        actions(&scene),
        ["open staging/rolling: Dependency freeze: bring staging up to date with community"]
    );
    assert_eq!(kind(&scene, "n"), VerdictKind::Proposed);
    let open = scene.acted();
    assert!(actions(&open).is_empty());
    assert_eq!(
        actions(&open.new_package("o", "0.1")),
        ["update #1 staging/rolling: Dependency freeze: bring staging up to date with community"]
    );
}

#[test]
fn one_rolling_pull_request_carries_the_pins() {
    let open = Scene::follow(CANDIDATE_FREEZE).package("a", "1.0").package("b", "1.0").fails("b").acted();
    assert_eq!(kind(&open, "a"), VerdictKind::Proposed);
    assert!(actions(&open).is_empty());
    let mended = open.clone().assess("b", |assessment| *assessment = super::facts::assessment("b", "1.1"));
    assert_eq!(
        actions(&mended),
        ["update #1 staging/rolling: Candidate freeze: stage 2 packages for the snapshot of 2026-06-15"]
    );
    let theirs = mended.proposal(1, |seen| seen.touched = true);
    assert!(actions(&theirs).is_empty());
    assert_eq!(kind(&theirs, "a"), VerdictKind::HandsOff);
}

#[test]
fn a_closed_rolling_pull_request_is_not_opened_again_for_the_same() {
    let copy = Scene::follow(DEPENDENCY_FREEZE).package("a", "1.0").new_package("n", "0.1").acted().closed(1);
    assert!(actions(&copy).is_empty());
    assert_eq!(kind(&copy, "n"), VerdictKind::Refused);
    assert_eq!(
        actions(&copy.new_package("o", "0.1")),
        ["open staging/rolling: Dependency freeze: bring staging up to date with community"]
    );

    let pins =
        Scene::follow(CANDIDATE_FREEZE).package("a", "1.0").package("b", "1.0").fails("b").acted().closed(1);
    assert!(actions(&pins).is_empty());
    assert_eq!(kind(&pins, "a"), VerdictKind::Refused);
    let mended = pins.assess("b", |assessment| *assessment = super::facts::assessment("b", "1.1"));
    let plan = mended.plan();
    let moves: Vec<&str> = changes(&plan)[0].moves.iter().map(|moved| moved.package.as_str()).collect();
    assert_eq!(moves, ["b"], "a stays declined");
}

#[test]
fn a_merged_rolling_pull_request_makes_room_for_the_next() {
    let merged = Scene::follow(CANDIDATE_FREEZE).package("a", "1.0").package("b", "1.0").fails("b").merged();
    assert_eq!(merged.facts.proposals[0].state, ProposalState::Merged);
    assert_eq!(kind(&merged, "a"), VerdictKind::Staged);
    let mended = merged.assess("b", |assessment| *assessment = super::facts::assessment("b", "1.1"));
    assert_eq!(
        actions(&mended),
        ["open staging/rolling: Candidate freeze: stage 1 package for the snapshot of 2026-06-15"]
    );
}

#[test]
fn staging_candidates_keeps_what_did_not_succeed_and_sorts_as_upstream() {
    let before =
        [listing("b", None), listing("A", Some("*release")), listing("c", Some(&commit("c", "1.0")))];
    let succeeded =
        [("A".to_owned(), commit("A", "2.0")), ("not-listed".to_owned(), commit("x", "1"))].into();
    let after = stage_candidates(&before, &succeeded);
    let rows: Vec<_> = after.iter().map(|row| (row.package.as_str(), row.branch.clone())).collect();
    let unstaged = Some("*release".to_owned());
    assert_eq!(rows, [("A", Some(commit("A", "2.0"))), ("b", unstaged), ("c", Some(commit("c", "1.0")))]);
}
