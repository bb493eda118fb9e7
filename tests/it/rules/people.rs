//! What people did stays theirs: rows that they took out or pinned, pull requests of their own, leave that they
//! gave, and a change of mind.

use jiff::civil::Date;
use tidegate::decide::promote::TakenOut;
use tidegate::domain::{Fact, NewContents, PersonsProposal, VerdictKind};

use super::facts::*;

fn removed(mut scene: Scene, package: &str) -> Scene {
    scene.facts.head.listings.retain(|listing| listing.package != package);
    scene.facts.people.removed.insert(package.to_owned());
    scene
}

fn proposed_by_person(mut scene: Scene, package: &str, version: &str) -> Scene {
    let commits = [(package.to_owned(), commit(package, version))].into();
    scene.facts.people.proposals.push(PersonsProposal { number: 77, commits });
    scene
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

#[test]
fn a_row_that_goes_while_its_package_is_listed_was_taken_out_by_a_person() {
    let (a, b) = (listing("a", None), listing("b", None));
    let both = [a.clone(), b.clone()];
    let (july, october) = (date("2026-07-15"), date("2026-10-15"));
    let first = TakenOut::after(None, july, &both, &both);
    assert!(first.removed.is_empty());
    let without = TakenOut::after(Some(&first), july, std::slice::from_ref(&a), &both);
    assert_eq!(without.removed.iter().collect::<Vec<_>>(), ["b"]);
    let still = TakenOut::after(Some(&without), july, std::slice::from_ref(&a), &both);
    assert_eq!(still, without, "it is remembered");
    assert!(TakenOut::after(Some(&still), july, &both, &both).removed.is_empty(), "until it is put back");
    let next = TakenOut::after(Some(&still), october, std::slice::from_ref(&a), &both);
    assert!(next.removed.is_empty(), "or the next cycle begins");
    let dropped = TakenOut::after(Some(&first), july, std::slice::from_ref(&a), std::slice::from_ref(&a));
    assert!(dropped.removed.is_empty(), "what community dropped was taken out by tidegate");
}

#[test]
fn under_pinned_a_removed_row_is_not_proposed_again() {
    let scene = removed(Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").package("b", "1.0"), "b");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "b"), @"HandsOff: A person took it out of staging. It stays out until somebody puts it back, or the next cycle begins on 2026-07-15.");
    let excepted = scene.clone().exception("b", "1.0");
    assert_eq!(
        actions(&excepted),
        ["open staging/b: Promote b 1.0 to staging"],
        "leave is a person's word too"
    );
    let mut back = scene;
    back.facts.people.removed.clear();
    assert_eq!(actions(&back), ["open staging/b: Promote b 1.0 to staging"]);
}

#[test]
fn under_follow_a_removed_row_is_not_copied_again() {
    let scene = Scene::follow(DEPENDENCY_FREEZE).by_commit().package("a", "1.0").package("b", "1.0");
    let scene = removed(scene, "b");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "b"), @"HandsOff: A person took it out of staging. It stays out until somebody puts it back, or the next cycle begins on 2026-07-15.");
    let new = scene.clone().new_package("n", "0.1");
    assert_eq!(actions(&new), ["commit: Dependency freeze"]);
    let plan = new.plan();
    let NewContents::Rows { set, .. } = &changes(&plan)[0].contents else { panic!("it is no copy") };
    assert_eq!(set.iter().map(|row| row.package.as_str()).collect::<Vec<_>>(), ["n"]);
    let copied = new.merged();
    assert!(actions(&copied).is_empty());
    assert_eq!(actions(&scene.faithful()), ["commit: Dependency freeze"], "upstream copies");
}

#[test]
fn under_follow_the_copy_leaves_peoples_pins_alone() {
    let scene = Scene::follow(DEPENDENCY_FREEZE)
        .by_commit()
        .package("a", "1.0")
        .package("b", "1.0")
        .pinned_at("a", "0.9")
        .pinned_by_person("a");
    assert!(actions(&scene).is_empty());
    insta::assert_snapshot!(words(&scene, "a"), @"HandsOff: A person set the pin. Staging keeps it there until somebody takes the pin away.");
    let new = scene.clone().new_package("n", "0.1").merged();
    assert!(new.facts.head.listings.iter().any(|row| row.branch == Some(commit("a", "0.9"))));
    assert_eq!(new.facts.head.listings.len(), 3);
    let copied = scene.faithful().merged();
    assert_eq!(copied.facts.head.listings, copied.facts.source);
}

#[test]
fn under_follow_what_community_dropped_keeps_its_row_and_the_verdict_says_so() {
    let scene = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").package("b", "1.0").merged();
    let dropped = scene.without("b");
    assert!(actions(&dropped).is_empty());
    insta::assert_snapshot!(words(&dropped, "b"), @"Gone: Community does not list it any more, and staging holds it at one commit for this cycle. It leaves staging with the next cycle, on 2026-07-15.");
    let waiting = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").fails("a").without("a");
    insta::assert_snapshot!(words(&waiting, "a"), @"Gone: Community does not list it any more, and staging keeps its row for this cycle. It leaves staging with the next cycle, on 2026-07-15.");
}

#[test]
fn no_second_pull_request_is_opened_beside_that_of_a_person() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1");
    let theirs = proposed_by_person(scene.clone(), "a", "1.1");
    assert!(actions(&theirs).is_empty());
    insta::assert_snapshot!(words(&theirs, "a"), @"Proposed: Pull request #77, which somebody else opened, pins this very version. It moves once that one is merged, and tidegate opens none beside it.");
    assert_eq!(actions(&theirs.releases("a", "1.2")), ["open staging/a: Promote a 1.2 to staging"]);
    let ours = proposed_by_person(scene.acted(), "a", "1.1");
    assert!(actions(&ours).is_empty());
    assert_eq!(kind(&ours, "a"), VerdictKind::Proposed);
}

#[test]
fn while_it_is_not_known_what_people_propose_nothing_is_opened() {
    let mut scene = Scene::on(DEPENDENCY_FREEZE)
        .package("a", "1.0")
        .releases("a", "1.1")
        .acted()
        .package("b", "1.0")
        .releases("b", "1.1")
        .releases("a", "1.2");
    scene.facts.people.unread = Some("pull request #9 could not be read (GitHub did not answer)".to_owned());
    assert_eq!(actions(&scene), ["update #2 staging/a: Promote a 1.2 to staging"]);
    insta::assert_snapshot!(words(&scene, "b"), @"CannotDetermine: Whether somebody proposes it already is not known: pull request #9 could not be read (GitHub did not answer). It stays as it is until its sources answer again.");
}

#[test]
fn what_tidegate_withdrew_declines_nothing() {
    let open = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    assert_eq!(kind(&open.clone().closed(2), "a"), VerdictKind::Refused);
    assert_eq!(actions(&open.withdrawn(2)), ["open staging/a: Promote a 1.1 to staging"]);
}

#[test]
fn a_refusal_says_how_to_change_ones_mind() {
    let mut scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted().closed(2);
    scene.facts.people.propose_again = Some("tidegate: propose again".to_owned());
    insta::assert_snapshot!(words(&scene, "a"), @"Refused: Pull request #2 was closed without being merged. The next version is proposed again; to have this one, reopen that pull request or give it the label \"tidegate: propose again\".");
}

#[test]
fn under_follow_an_exception_pins_what_fails_and_what_is_newer() {
    let fails = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").fails("a");
    assert!(actions(&fails).is_empty());
    let excepted = fails.exception("a", "1.0");
    assert_eq!(actions(&excepted), ["commit: Candidate freeze"]);
    insta::assert_snapshot!(words(&excepted, "a"), @"Moves: An exception by Ada lets this version pass the freeze (mends a leak). It is part of the snapshot of 2026-06-15 from then on.");
    let staged = excepted.merged().fails("a");
    assert!(actions(&staged).is_empty());
    insta::assert_snapshot!(words(&staged, "a"), @"Staged: Staging holds it at one commit for the coming snapshot, though by now R CMD check ends with ERROR on linux-release-x86_64. Staging holds 1.0 by an exception of Ada (mends a leak). It is part of the snapshot of 2026-06-15.");

    let newer = Scene::follow(CANDIDATE_FREEZE).by_commit().package("a", "1.0").merged().releases("a", "1.1");
    assert!(actions(&newer).is_empty());
    assert_eq!(actions(&newer.clone().exception("a", "1.1")), ["commit: Candidate freeze"]);
    assert!(actions(&newer.exception("a", "1.1").releases("a", "1.2")).is_empty(), "it died with 1.2");
}

#[test]
fn under_follow_an_exception_lets_a_new_package_in_and_passes_the_standstill() {
    for day in [CANDIDATE_FREEZE, STANDSTILL] {
        let scene = Scene::follow(day).by_commit().package("a", "1.0").fails("a").new_package("n", "0.1");
        assert!(actions(&scene).is_empty(), "{day}");
        let excepted = scene.exception("n", "0.1");
        assert_eq!(actions(&excepted), ["commit: Candidate freeze"], "{day}");
        assert!(actions(&excepted.merged()).is_empty(), "{day}");
    }
    let unknown = Scene::follow(STANDSTILL).by_commit().package("a", "1.0").new_package("n", "0.1");
    let unknown = unknown.exception("n", "0.1").release_fact("n", Fact::unknown("GitHub did not answer"));
    assert!(actions(&unknown).is_empty());
}

#[test]
fn an_exception_is_told_of_as_long_as_its_version_is_held_in_the_freeze() {
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").releases("a", "1.1").exception("a", "1.1");
    let held = scene.merged();
    insta::assert_snapshot!(words(&held, "a"), @"Current: Nothing speaks against it. Staging holds 1.1 by an exception of Ada (mends a leak). It goes into the snapshot of 2026-06-15 if this stays so.");
    let mut over = held.clone();
    over.facts.people.past_exceptions = std::mem::take(&mut over.facts.exceptions);
    assert_eq!(words(&over, "a"), words(&held, "a"), "even when it has run out");
    assert!(!words(&held.later("2026-07-20"), "a").contains("exception"));
}

#[test]
fn the_text_of_pins_names_what_is_there_by_exception() {
    let scene = Scene::follow(CANDIDATE_FREEZE)
        .package("a", "1.0")
        .fails("a")
        .exception("a", "1.0")
        .package("b", "1.0");
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn the_comment_on_a_pull_request_that_a_person_took_over() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").releases("a", "1.1").acted();
    let theirs = scene.proposal(2, |seen| seen.touched = true).releases("a", "1.2");
    let [tidegate::domain::Action::Comment { body, .. }] = &theirs.plan().actions[..] else {
        panic!("one comment")
    };
    insta::assert_snapshot!(body);
}
