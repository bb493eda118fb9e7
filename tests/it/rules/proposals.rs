//! `pinned`: how moves become pull requests or commits, and what becomes of those.

use tidegate::domain::{Action, NewContents, VerdictKind};

use super::facts::*;

fn names(scene: &Scene) -> Vec<String> {
    let plan = scene.plan();
    changes(&plan).iter().flat_map(|change| &change.moves).map(|moved| moved.package.clone()).collect()
}

#[test]
fn the_freeze_begins_with_one_grouped_change() {
    let scene = Scene::without_group(FREEZE_BEGINS)
        .package("a", "1.0")
        .package("b", "1.0")
        .package("gone", "1.0")
        .without("gone")
        .new_package("n", "0.1")
        .releases("a", "1.1");
    assert_eq!(
        actions(&scene),
        ["open staging/freeze-2026-04-15: Begin the dependency freeze of 2026-04-15: pin 2 packages"]
    );
    let plan = scene.plan();
    let [change] = changes(&plan)[..] else { panic!("one change") };
    assert_eq!(change.targets.as_ref(), Some(&scene.facts.targets));
    let NewContents::Rows { set, removed } = &change.contents else { panic!("rows") };
    assert_eq!(set.iter().map(|row| row.package.as_str()).collect::<Vec<_>>(), ["a", "n"]);
    assert_eq!(removed, &["gone"]);
    insta::assert_snapshot!(words(&scene, "gone"), @"Gone: Community does not list it any more. It leaves staging once the pull request that begins the freeze is merged.");
    assert_eq!(kind(&scene.by_commit(), "gone"), VerdictKind::Gone);
}

#[test]
fn the_group_is_kept_up_to_date_while_it_is_open() {
    let scene =
        Scene::without_group(FREEZE_BEGINS).package("a", "1.0").package("b", "1.0").releases("a", "1.1");
    let open = scene.acted().later(DEPENDENCY_FREEZE);
    assert!(actions(&open).is_empty());
    let more = open.clone().releases("b", "1.1");
    assert_eq!(
        actions(&more),
        ["update #1 staging/freeze-2026-04-15: Begin the dependency freeze of 2026-04-15: pin 2 packages"]
    );
    let fewer = open.without("b");
    assert_eq!(actions(&fewer).len(), 1, "a package that leaves changes the group too");
}

#[test]
fn once_the_group_is_merged_releases_come_one_by_one() {
    let merged = Scene::without_group(FREEZE_BEGINS).package("a", "1.0").releases("a", "1.1").merged();
    assert!(actions(&merged).is_empty());
    assert_eq!(kind(&merged, "a"), VerdictKind::Current);
    assert_eq!(actions(&merged.releases("a", "1.2")), ["open staging/a: Promote a 1.2 to staging"]);
}

#[test]
fn a_group_that_is_closed_declines_its_versions_and_no_later_ones() {
    let scene =
        Scene::without_group(FREEZE_BEGINS).package("a", "1.0").releases("a", "1.1").package("b", "1.0");
    let closed = scene.acted().closed(1);
    assert!(actions(&closed).is_empty());
    insta::assert_snapshot!(words(&closed, "a"), @"Refused: Pull request #1 was closed without being merged. The next version is proposed again; to have this one, reopen that pull request.");
    assert_eq!(actions(&closed.releases("b", "1.1")), ["open staging/b: Promote b 1.1 to staging"]);
}

#[test]
fn a_refused_version_stays_refused_and_the_next_one_is_proposed() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted().closed(2);
    assert!(actions(&scene).is_empty());
    assert_eq!(kind(&scene, "a"), VerdictKind::Refused);
    let next = scene.clone().releases("a", "1.2");
    assert_eq!(actions(&next), ["open staging/a: Promote a 1.2 to staging"]);
    let reopened = scene.proposal(2, |seen| seen.state = tidegate::domain::ProposalState::Open);
    assert_eq!(kind(&reopened, "a"), VerdictKind::Proposed);
    assert!(actions(&reopened).is_empty());
}

#[test]
fn an_open_pull_request_is_brought_to_the_next_version_in_place() {
    let open = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    assert!(actions(&open).is_empty());
    assert_eq!(actions(&open.releases("a", "1.2")), ["update #2 staging/a: Promote a 1.2 to staging"]);
}

#[test]
fn a_branch_with_a_persons_commit_is_left_alone() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    let theirs = scene.proposal(2, |seen| seen.touched = true);
    assert!(actions(&theirs).is_empty());
    let theirs = theirs.releases("a", "1.2");
    assert_eq!(actions(&theirs), ["comment on #2"], "the newer release is told there");
    let told = theirs.clone().acted();
    assert!(actions(&told).is_empty(), "and once only");
    assert_eq!(actions(&told.releases("a", "1.3")), ["comment on #2"]);
    insta::assert_snapshot!(words(&theirs, "a"), @"HandsOff: A person committed to the branch of pull request #2. That pull request is theirs to finish.");
}

#[test]
fn a_pull_request_that_conflicts_is_made_anew_in_place() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    let conflicting = scene.proposal(2, |seen| seen.conflicting = true);
    assert_eq!(actions(&conflicting), ["update #2 staging/a: Promote a 1.1 to staging"]);
}

#[test]
fn where_only_the_evidence_changes_only_the_text_does() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").releases("a", "1.1").acted();
    assert!(actions(&scene).is_empty());
    let worse = scene.fails_through("a", "b");
    assert_eq!(actions(&worse), ["retext #2 staging/a: Promote a 1.1 to staging"]);
    assert!(actions(&worse.acted()).is_empty());
}

#[test]
fn no_more_pull_requests_are_opened_than_may_be_open() {
    let mut scene = Scene::on(DEPENDENCY_FREEZE);
    for package in ["a", "b", "c"] {
        scene = scene.package(package, "1.0").releases(package, "1.1");
    }
    scene.facts.max_open = 2;
    assert_eq!(names(&scene), ["a", "b"]);
    insta::assert_snapshot!(words(&scene, "c"), @"Queued: At most 2 pull requests may be open at once, and that many are; its place in the queue is 1. It is proposed as soon as one of the open pull requests is merged or closed.");
    let full = scene.acted();
    assert!(actions(&full).is_empty());
    insta::assert_snapshot!(words(&full, "c"), @"Queued: At most 2 pull requests may be open at once, and that many are; its place in the queue is 1. It is proposed as soon as one of the open pull requests is merged or closed.");
    let newer = full.clone().releases("a", "1.2");
    assert_eq!(names(&newer), ["a"], "an open one is still brought up to date");
    assert_eq!(names(&full.closed(2)), ["c"]);
}

#[test]
fn a_pull_request_from_before_the_freeze_stays_open_for_the_moderators() {
    let open = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    let frozen = open.later(CANDIDATE_FREEZE);
    assert!(actions(&frozen).is_empty());
    insta::assert_snapshot!(words(&frozen, "a"), @"Proposed: Pull request #2 proposed it before; by now it is healthy, and the candidate freeze keeps healthy packages still. It moves only if that pull request is merged all the same.");
}

#[test]
fn a_pull_request_is_closed_once_the_channel_holds_its_commit_or_a_newer_one() {
    let open = || Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    let closes = ["close #2 staging/a: Promote a: staging holds this already"];
    assert_eq!(actions(&open().pinned_at("a", "1.1")), closes);
    let newer = open().releases("a", "1.2").pinned_at("a", "1.2");
    assert_eq!(actions(&newer), closes);
    let [Action::Close { body, .. }] = &newer.plan().actions[..] else { panic!("it is closed") };
    insta::assert_snapshot!(body, @r"
    tidegate closed this, since staging holds what it asked for. Nobody has to do anything.

    - `a`: staging holds a newer release (`1.2`).
    ");
    assert!(actions(&newer.acted()).is_empty());
    let theirs = open().pinned_at("a", "1.1").proposal(2, |seen| seen.touched = true);
    assert!(actions(&theirs).is_empty(), "who took it over closes it");
}

#[test]
fn a_pull_request_is_not_closed_because_the_package_is_not_known_now() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    let unknown = scene.release_fact("a", tidegate::domain::Fact::unknown("GitHub did not answer"));
    assert!(actions(&unknown).is_empty());
}

#[test]
fn by_commit_everything_of_a_pass_is_one_commit() {
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .by_commit()
        .package("a", "1.0")
        .package("b", "1.0")
        .releases("a", "1.1")
        .releases("b", "1.1");
    assert_eq!(actions(&scene), ["commit: Promote a 1.1 and b 1.1 to staging"]);
    insta::assert_snapshot!(words(&scene, "a"), @"Moves: Every newer admissible release is promoted until the candidate freeze begins on 2026-05-15. Staging holds it after this pass.");
    assert!(actions(&scene.merged()).is_empty());
}

#[test]
fn by_commit_a_new_cycle_begins_though_no_package_moves() {
    let scene = Scene::on(DEPENDENCY_FREEZE).by_commit().package("a", "1.0").later("2026-07-15");
    assert_eq!(actions(&scene), ["commit: Begin the dependency freeze of 2026-07-15"]);
    let begun = scene.merged();
    assert_eq!(begun.facts.head.targets.as_ref(), Some(&begun.facts.targets));
    assert!(actions(&begun).is_empty());
}
