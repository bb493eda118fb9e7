//! `pinned`: who may move in which phase, and what everybody else is told.

use tidegate::domain::{Actor, Fact, Issue, VerdictKind};

use super::facts::*;

#[test]
fn a_package_at_its_newest_release_stays() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(
        words(&scene, "a"),
        @"Current: Nothing speaks against it. It goes into the snapshot of 2026-06-15 if this stays so."
    );
}

#[test]
fn in_the_dependency_freeze_every_newer_release_is_proposed_by_itself() {
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .package("b", "1.0")
        .releases("a", "1.1")
        .releases("b", "2.0");
    assert_eq!(
        actions(&scene),
        ["open staging/a: Promote a 1.1 to staging", "open staging/b: Promote b 2.0 to staging"]
    );
    assert_eq!(kind(&scene, "a"), VerdictKind::Proposed);
}

#[test]
fn in_the_candidate_freeze_a_healthy_package_stays_still() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").releases("a", "1.1");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "a"), @"Frozen: It is healthy, and the candidate freeze keeps healthy packages still. It is considered again on 2026-07-15.");
}

#[test]
fn in_the_candidate_freeze_a_failing_package_takes_a_newer_release() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").releases("a", "1.1");
    assert_eq!(actions(&scene), ["open staging/a: Promote a 1.1 to staging"]);
    insta::assert_snapshot!(words(&scene, "a"), @"Proposed: What staging holds now fails: R CMD check ends with ERROR on linux-release-x86_64. It moves once the pull request is merged.");
}

#[test]
fn a_package_that_fails_through_a_dependency_may_take_a_newer_release_too() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails_through("a", "b").releases("a", "1.1");
    assert_eq!(actions(&scene), ["open staging/a: Promote a 1.1 to staging"]);
    assert_eq!(verdict(&scene.plan(), "a").root_causes, ["b"]);
}

#[test]
fn a_failing_package_without_a_newer_release_is_told_until_when_one_helps() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a");
    insta::assert_snapshot!(words(&scene, "a"), @"Failing: R CMD check ends with ERROR on linux-release-x86_64. A release that mends it still gets into the snapshot of 2026-06-15 if it passes by then.");
    assert_eq!(verdict(&scene.plan(), "a").actor, Actor::Maintainer);
    let after = scene.later(STANDSTILL);
    insta::assert_snapshot!(words(&after, "a"), @"Failing: R CMD check ends with ERROR on linux-release-x86_64. A release that mends it counts from 2026-07-15 on.");
}

#[test]
fn a_blocked_package_names_those_who_have_to_act() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails_through("a", "b");
    insta::assert_snapshot!(words(&scene, "a"), @"BlockedByDependency: It depends on b, which fails. It recovers by itself once that passes: b.");
    let several =
        Issue::Dependencies([("b".to_owned(), vec![]), ("c".to_owned(), vec!["b".to_owned()])].into());
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").has_issue("a", several);
    insta::assert_snapshot!(words(&scene, "a"), @"BlockedByDependency: It depends on b and c, which fail. It recovers by itself once all of them pass: b and c.");
    assert_eq!(verdict(&scene.plan(), "a").actor, Actor::MaintainersOfRootCauses);
}

#[test]
fn a_running_build_holds_a_package() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").building("a").releases("a", "1.1");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "a"), @"Pending: A build of it is running. It is looked at again in the next pass.");
}

#[test]
fn what_nobody_can_tell_holds_a_package() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").undetermined("a").releases("a", "1.1");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "a"), @"CannotDetermine: The CRAN index could not be read. It stays as it is until its sources answer again.");
    let scene =
        Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").releases("a", "1.1").status_unknown();
    assert!(actions(&scene).is_empty());
    assert_eq!(kind(&scene, "a"), VerdictKind::CannotDetermine);
}

#[test]
fn a_release_that_could_not_be_looked_up_holds_its_package_only() {
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .package("b", "1.0")
        .releases("b", "1.1")
        .release_fact("a", Fact::unknown("GitHub did not answer"));
    assert_eq!(actions(&scene), ["open staging/b: Promote b 1.1 to staging"]);
    assert_eq!(kind(&scene, "a"), VerdictKind::CannotDetermine);
}

#[test]
fn a_package_of_which_no_release_was_ever_looked_up_is_not_one_without_releases() {
    let mut scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0");
    scene.facts.releases.clear();
    assert_eq!(kind(&scene, "a"), VerdictKind::CannotDetermine);
    let scene = scene.release_fact("a", Fact::Known(None));
    insta::assert_snapshot!(words(&scene, "a"), @"Inadmissible: Its repository has no release. The first release is considered at once.");
}

#[test]
fn a_release_that_fails_the_light_checks_does_not_move() {
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .releases("a", "1.1")
        .problem("a", "its DESCRIPTION has Remotes: x/y");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "a"), @"Inadmissible: Its DESCRIPTION has Remotes: x/y. A new release without this is considered at once.");
}

#[test]
fn a_version_has_to_rise() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.10").releases("a", "1.9");
    insta::assert_snapshot!(words(&scene, "a"), @"Inadmissible: Its version 1.9 does not rise above 1.10. A new release without this is considered at once.");
    let mut scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0");
    scene.facts.head.listings[0].branch = Some(commit("a", "another 1.0"));
    insta::assert_snapshot!(words(&scene, "a"), @"Inadmissible: Version 1.0 was released again from another commit. A new release without this is considered at once.");
}

#[test]
fn nothing_moves_after_the_snapshot() {
    let scene =
        Scene::on(STANDSTILL).package("a", "1.0").fails("a").releases("a", "1.1").new_package("n", "0.1");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "a"), @"Frozen: Nothing moves until the next cycle. It is considered again on 2026-07-15.");
    assert_eq!(kind(&scene, "n"), VerdictKind::Frozen);
    let quiet = Scene::on(STANDSTILL).package("a", "1.0");
    insta::assert_snapshot!(words(&quiet, "a"), @"Current: Nothing speaks against it. It stays as it is until the next cycle begins on 2026-07-15.");
}

#[test]
fn an_exception_passes_every_freeze_at_its_version_only() {
    for day in [CANDIDATE_FREEZE, STANDSTILL] {
        let scene = Scene::on(day).package("a", "1.0").releases("a", "1.1").exception("a", "1.1");
        assert_eq!(actions(&scene), ["open staging/a: Promote a 1.1 to staging"], "{day}");
        assert_eq!(kind(&scene.clone().releases("a", "1.2"), "a"), VerdictKind::Frozen, "{day}");
    }
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").releases("a", "1.1").exception("a", "1.1");
    insta::assert_snapshot!(words(&scene, "a"), @"Proposed: An exception by Ada lets this version pass the freeze (mends a leak). It moves once the pull request is merged.");
}

#[test]
fn an_exception_does_not_pass_the_light_checks() {
    let scene = Scene::on(CANDIDATE_FREEZE)
        .package("a", "1.0")
        .releases("a", "1.1")
        .problem("a", "its DESCRIPTION has no maintainer")
        .exception("a", "1.1");
    assert_eq!(kind(&scene, "a"), VerdictKind::Inadmissible);
}

#[test]
fn a_new_package_enters_in_the_dependency_freeze_only() {
    let new = |day| Scene::on(day).package("a", "1.0").new_package("n", "0.1");
    assert_eq!(actions(&new(DEPENDENCY_FREEZE)), ["open staging/n: Promote n 0.1 to staging"]);
    insta::assert_snapshot!(words(&new(CANDIDATE_FREEZE), "n"), @"Frozen: No new package enters in the candidate freeze. It is considered again on 2026-07-15.");
    assert_eq!(kind(&new(STANDSTILL), "n"), VerdictKind::Frozen);
}

#[test]
fn a_package_that_community_dropped_leaves_with_the_next_cycle() {
    for day in [DEPENDENCY_FREEZE, CANDIDATE_FREEZE, STANDSTILL] {
        let scene = Scene::on(day).package("a", "1.0").package("gone", "1.0").without("gone");
        assert!(actions(&scene).is_empty(), "{day}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(words(&scene, "gone"), @"Gone: Community does not list it any more. It leaves staging with the next cycle, on 2026-07-15.");
        }
    }
}

#[test]
fn a_list_that_was_lost_empties_nothing() {
    for scene in [Scene::without_group(FREEZE_BEGINS), Scene::without_group(FREEZE_BEGINS).by_commit()] {
        let scene = scene.package("a", "1.0").without("a");
        assert!(actions(&scene).is_empty());
        insta::allow_duplicates! {
            insta::assert_snapshot!(words(&scene, "a"), @"CannotDetermine: Community lists no package at all. It stays as it is until its sources answer again.");
        }
    }
}

#[test]
fn what_speaks_for_the_old_version_says_nothing_of_the_pinned_one() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").pinned_at("a", "1.1").releases("a", "1.1");
    insta::assert_snapshot!(words(&scene, "a"), @"Pending: The commit it is pinned to is not built yet. It is looked at again in the next pass.");
    let scene =
        Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").pinned_at("a", "1.1").releases("a", "1.2");
    assert!(actions(&scene).is_empty(), "whether 1.1 fails is not known yet");
}

#[test]
fn a_pinned_commit_that_does_not_build_fails() {
    let scene = Scene::on(CANDIDATE_FREEZE)
        .package("a", "1.0")
        .pinned_at("a", "1.1")
        .assess("a", |assessment| assessment.failed_build = Some(commit("a", "1.1")))
        .releases("a", "1.1");
    assert_eq!(kind(&scene, "a"), VerdictKind::Failing);
    assert_eq!(actions(&scene.releases("a", "1.2")), ["open staging/a: Promote a 1.2 to staging"]);
}

#[test]
fn a_persons_pin_is_never_reverted() {
    let theirs = |day| {
        Scene::on(day).package("a", "1.0").pinned_at("a", "1.5").pinned_by_person("a").releases("a", "1.1")
    };
    for day in [DEPENDENCY_FREEZE, CANDIDATE_FREEZE, STANDSTILL] {
        assert_eq!(kind(&theirs(day), "a"), VerdictKind::HandsOff, "{day}");
        assert!(actions(&theirs(day)).is_empty(), "{day}");
    }
    insta::assert_snapshot!(words(&theirs(DEPENDENCY_FREEZE), "a"), @"HandsOff: A person set the pin. The pin stays until a release with a higher version comes.");
    let higher = theirs(DEPENDENCY_FREEZE).releases("a", "1.6");
    assert_eq!(actions(&higher), ["open staging/a: Promote a 1.6 to staging"]);
    assert_eq!(kind(&theirs(CANDIDATE_FREEZE).releases("a", "1.6"), "a"), VerdictKind::HandsOff);
}

#[test]
fn a_persons_pin_whose_version_nobody_knows_stays_too() {
    let mut scene = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .pinned_at("a", "?")
        .pinned_by_person("a")
        .releases("a", "1.1");
    scene.facts.held_versions.clear();
    assert_eq!(kind(&scene, "a"), VerdictKind::HandsOff);
}
