//! Packages that one commit of one repository releases move together, by the pull request that is there.

use tidegate::domain::{Action, ProposalState, VerdictKind};

use super::facts::*;

const MONO: &str = "https://github.com/Owner/mono.repo.git";

/// Two packages of one repository and one of another.
fn mono(day: &str) -> Scene {
    Scene::on(day)
        .package("a", "1.0")
        .package("b", "1.0")
        .package("c", "1.0")
        .at_url("a", MONO)
        .at_url("b", "https://github.com/owner/mono.repo")
}

fn names(scene: &Scene) -> Vec<String> {
    let plan = scene.plan();
    changes(&plan).iter().flat_map(|change| &change.moves).map(|moved| moved.package.clone()).collect()
}

#[test]
fn the_packages_of_one_commit_move_together_and_others_by_themselves() {
    let scene = mono(DEPENDENCY_FREEZE).released_together(&[("a", "1.1"), ("b", "2.0")]).releases("c", "1.1");
    assert_eq!(
        actions(&scene),
        [
            "open staging/c: Promote c 1.1 to staging",
            "open staging/owner--mono.repo: Promote a 1.1 and b 2.0 to staging"
        ]
    );
    let declined = scene.acted().closed(3);
    let again = declined.releases("b", "2.1");
    assert_eq!(names(&again), ["b"], "a stays declined at its version");
    assert_eq!(kind(&again, "a"), VerdictKind::Refused);
}

#[test]
fn siblings_at_different_commits_are_separate_moves() {
    let scene = mono(DEPENDENCY_FREEZE).releases("a", "1.1").releases("b", "2.0");
    assert_eq!(
        actions(&scene),
        ["open staging/a: Promote a 1.1 to staging", "open staging/b: Promote b 2.0 to staging"]
    );
    assert!(actions(&scene.acted()).is_empty());
}

#[test]
fn the_packages_of_one_repository_elsewhere_move_together_too() {
    let elsewhere = "https://gitlab.example.org/group/sub group/mono";
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .package("b", "1.0")
        .at_url("a", elsewhere)
        .at_url("b", elsewhere)
        .released_together(&[("a", "1.1"), ("b", "1.1")]);
    let [Action::Propose { key, .. }] = &scene.plan().actions[..] else { panic!("one pull request") };
    assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte)), "{key}");
}

#[test]
fn a_package_that_is_listed_later_joins_the_pull_request_that_is_open() {
    let alone = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .at_url("a", MONO)
        .released_together(&[("a", "1.1"), ("b", "1.1")])
        .acted();
    let listed =
        alone.new_package("b", "1.1").at_url("b", MONO).released_together(&[("a", "1.1"), ("b", "1.1")]);
    assert_eq!(actions(&listed), ["update #2 staging/a: Promote a 1.1 and b 1.1 to staging"]);
    let joined = listed.acted();
    assert!(actions(&joined).is_empty());
    let next = joined.released_together(&[("a", "1.2"), ("b", "1.2")]);
    assert_eq!(actions(&next), ["update #2 staging/a: Promote a 1.2 and b 1.2 to staging"]);
}

#[test]
fn two_commits_of_one_repository_never_share_a_pull_request() {
    let both = mono(DEPENDENCY_FREEZE).released_together(&[("a", "1.1"), ("b", "1.1")]).acted();
    let apart = both.releases("a", "1.2");
    assert_eq!(
        actions(&apart),
        [
            "open staging/a: Promote a 1.2 to staging",
            "update #2 staging/owner--mono.repo: Promote b 1.1 to staging"
        ]
    );
    assert!(actions(&apart.acted()).is_empty());
}

#[test]
fn in_the_candidate_freeze_healthy_siblings_of_the_very_commit_come_along() {
    let scene = mono(CANDIDATE_FREEZE).fails("a");
    let together = scene.clone().released_together(&[("a", "1.1"), ("b", "1.1")]);
    assert_eq!(actions(&together), ["open staging/owner--mono.repo: Promote a 1.1 and b 1.1 to staging"]);
    insta::assert_snapshot!(words(&together, "b"), @"Proposed: The same commit releases a, which may move, and they belong together. It moves once the pull request is merged.");
    assert!(
        text(&together)
            .contains("`b` moves from `1.0` to `1.1` in staging, because the same commit releases a")
    );
    let apart = scene.releases("a", "1.1").releases("b", "1.1");
    assert_eq!(names(&apart), ["a"]);
    assert_eq!(kind(&apart, "b"), VerdictKind::Frozen);
    let building = together.clone().building("b");
    assert_eq!(names(&building), ["a"], "what is not known to be healthy stays");
    let refused = together.acted().closed(2).released_together(&[("a", "1.1"), ("b", "1.1")]);
    assert_eq!(kind(&refused, "b"), VerdictKind::Refused);
}

#[test]
fn the_group_that_begins_a_freeze_leaves_out_what_older_pull_requests_carry() {
    let old = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").releases("a", "1.1").acted();
    let begun = old.later("2026-07-15").package("b", "1.0").releases("b", "1.1").releases("a", "1.2");
    assert_eq!(
        actions(&begun),
        [
            "open staging/freeze-2026-07-15: Begin the dependency freeze of 2026-07-15: pin 1 package",
            "update #2 staging/a: Promote a 1.2 to staging"
        ]
    );
    let open = begun.acted();
    assert!(actions(&open).is_empty());
    assert_eq!(kind(&open, "a"), VerdictKind::Proposed);
}

#[test]
fn the_group_comes_first_and_is_not_queued() {
    let mut scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").releases("a", "1.1").acted();
    scene.facts.max_open = 1;
    let begun = scene.later("2026-07-15").package("b", "1.0").releases("b", "1.1");
    assert_eq!(
        actions(&begun),
        [
            "open staging/freeze-2026-07-15: Begin the dependency freeze of 2026-07-15: pin 1 package",
            "retext #2 staging/a: Promote a 1.1 to staging"
        ]
    );
    assert_eq!(kind(&begun, "b"), VerdictKind::Proposed);
}

#[test]
fn what_a_group_still_proposes_is_not_proposed_beside_it() {
    let group = Scene::without_group(FREEZE_BEGINS).package("a", "1.0").releases("a", "1.1").acted();
    assert_eq!(group.facts.proposals[0].state, ProposalState::Open);
    let failing = group.later(CANDIDATE_FREEZE).fails("a");
    assert!(actions(&failing).is_empty());
    insta::assert_snapshot!(words(&failing, "a"), @"Proposed: Pull request #1 proposes it with others. It moves once that pull request is merged.");
}
