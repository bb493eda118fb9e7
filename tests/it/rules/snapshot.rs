//! What is in a snapshot, and why the rest is not.

use std::collections::BTreeSet;

use tidegate::decide::snapshot::{SnapshotFacts, SnapshotPlan, snapshot};
use tidegate::domain::{
    DependencyRule, Evidence, EvidenceOverride, Fact, OverriddenAs, SnapshotRelease, StagingModel,
    UpdatedDependency,
};
use tidegate::jobs::snapshot::Manifest;

use super::facts::*;

/// What a snapshot is drawn from, on the last day of a scene.
pub fn facts(scene: &Scene, dependencies: &[(&str, &[&str])]) -> SnapshotFacts {
    let facts = &scene.facts;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    SnapshotFacts {
        distribution: facts.distribution.clone(),
        from: facts.to.clone(),
        date: facts.targets.snapshot,
        targets: facts.targets.clone(),
        staging: facts.staging,
        listings: facts.head.listings.clone(),
        status: facts.status.clone(),
        dependencies: dependencies.iter().map(|(name, on)| ((*name).to_owned(), owned(on))).collect(),
        previous: None,
        shrink: 0.2,
        removals: facts.removals.clone(),
        absent: facts
            .upstream
            .iter()
            .filter_map(|(name, seen)| Some((name.clone(), seen.absence.clone()?)))
            .collect(),
        dependency_rule: DependencyRule::Strict,
        released: None,
        exceptions: facts.exceptions.clone(),
        background: Default::default(),
    }
}

/// The snapshot of a scene whose packages do not depend on each other.
pub fn plan_of(scene: &Scene) -> SnapshotPlan {
    snapshot(&facts(scene, &[]))
}

fn members(plan: &SnapshotPlan) -> Vec<&str> {
    plan.members.iter().map(|member| member.package.as_str()).collect()
}

fn left_out(plan: &SnapshotPlan) -> String {
    let line = |left: &tidegate::decide::snapshot::LeftOut| format!("{}: {}", left.package, left.reason);
    plan.left_out.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn pinned_holds_what_passes_and_says_why_the_rest_is_out() {
    let mut scene = Scene::on(STANDSTILL)
        .package("fine", "1.0")
        .package("fails", "1.0")
        .fails("fails")
        .package("unknown", "1.0")
        .undetermined("unknown")
        .package("unbuilt", "1.0")
        .pinned_at("unbuilt", "1.1")
        .package("broken", "1.0")
        .pinned_at("broken", "1.1")
        .assess("broken", |assessment| assessment.failed_build = Some(commit("broken", "1.1")));
    scene.facts.head.listings.push(listing("never", Some(&commit("never", "1.0"))));
    let plan = snapshot(&facts(&scene, &[]));
    assert_eq!(members(&plan), ["fine"]);
    assert_eq!(plan.members[0].commit, commit("fine", "1.0"));
    insta::assert_snapshot!(left_out(&plan), @r"
    broken: Its build failed.
    fails: R CMD check ends with ERROR on linux-release-x86_64.
    never: The universe of staging never built it.
    unbuilt: The commit it is pinned to is not built yet.
    unknown: The CRAN index could not be read.
    ");
}

#[test]
fn pinned_is_closed_under_strong_dependencies() {
    let scene = Scene::on(STANDSTILL)
        .package("root", "1.0")
        .undetermined("root")
        .package("middle", "1.0")
        .package("leaf", "1.0")
        .package("apart", "1.0");
    let dependencies: &[(&str, &[&str])] =
        &[("root", &[]), ("middle", &["root", "cli"]), ("leaf", &["middle"]), ("apart", &["R6"])];
    let plan = snapshot(&facts(&scene, dependencies));
    assert_eq!(members(&plan), ["apart"]);
    insta::assert_snapshot!(left_out(&plan), @r"
    leaf: It depends on root, which is not in the snapshot.
    middle: It depends on root, which is not in the snapshot.
    root: The CRAN index could not be read.
    ");
    assert_eq!(plan.left_out[0].root_causes, ["root"]);
}

#[test]
fn a_dependency_that_the_channel_lists_no_more_is_not_in_the_snapshot_either() {
    let scene = Scene::on(STANDSTILL).package("a", "1.0").package("b", "1.0");
    let plan = snapshot(&facts(&scene, &[("a", &["dropped"]), ("b", &[]), ("dropped", &[])]));
    assert_eq!(members(&plan), ["b"]);
    insta::assert_snapshot!(left_out(&plan), @"a: It depends on dropped, which is not in the snapshot.");
}

#[test]
fn a_build_that_happens_to_run_on_the_day_does_not_cost_the_place() {
    let settled = Scene::on(STANDSTILL).package("a", "1.0").building("a");
    assert_eq!(members(&snapshot(&facts(&settled, &[]))), ["a"]);

    let others = || Scene::on(STANDSTILL).package("other", "1.0");
    let first = others().package("a", "1.0").building("a").assess("a", |a| a.settled = None);
    insta::assert_snapshot!(left_out(&snapshot(&facts(&first, &[]))), @"a: Its first build or check is still running.");
    let failed = others().package("a", "1.0").fails("a").building("a");
    insta::assert_snapshot!(left_out(&snapshot(&facts(&failed, &[]))), @"a: It failed before, and is still being built or checked again.");
}

#[test]
fn follow_holds_what_is_staged_failing_or_not_and_says_so() {
    let scene = Scene::follow(CANDIDATE_FREEZE)
        .by_commit()
        .package("staged", "1.0")
        .package("late", "1.0")
        .fails("late")
        .merged()
        .fails("staged")
        .later(STANDSTILL);
    assert_eq!(scene.facts.staging, StagingModel::Follow);
    let plan = snapshot(&facts(&scene, &[]));
    assert_eq!(members(&plan), ["staged"]);
    assert_eq!(plan.members[0].evidence, Evidence::Failing);
    assert_eq!(
        plan.members[0].caveat.as_deref(),
        Some("R CMD check ends with ERROR on linux-release-x86_64")
    );
    insta::assert_snapshot!(left_out(&plan), @"late: R CMD check ends with ERROR on linux-release-x86_64.");
}

#[test]
fn follow_says_so_where_the_staged_commit_is_not_the_built_one() {
    let scene = Scene::follow(STANDSTILL).package("a", "1.0").pinned_at("a", "1.1");
    let plan = snapshot(&facts(&scene, &[]));
    assert_eq!(
        plan.members[0].caveat.as_deref(),
        Some("the commit it is staged at is not built; this is another one")
    );
}

#[test]
fn a_package_that_became_fine_too_late_is_told_so() {
    let scene = Scene::follow(STANDSTILL).package("a", "1.0").package("b", "1.0").pinned_at("b", "1.0");
    insta::assert_snapshot!(left_out(&snapshot(&facts(&scene, &[]))), @"a: It became fine too late to be staged.");
}

#[test]
fn a_staged_package_that_was_never_built_is_left_out() {
    let never = |assessment: &mut tidegate::domain::Assessment| {
        (assessment.version, assessment.commit) = (None, None);
    };
    let scene = Scene::follow(STANDSTILL).package("a", "1.0").pinned_at("a", "1.0").assess("a", never);
    insta::assert_snapshot!(left_out(&snapshot(&facts(&scene, &[]))), @"a: The universe of staging never built it.");
}

#[test]
fn an_unknown_status_holds_the_snapshot() {
    let scene = Scene::on(STANDSTILL).package("a", "1.0").status_unknown();
    let plan = snapshot(&facts(&scene, &[]));
    insta::assert_snapshot!(plan.held.expect("it is held"), @"Nobody can tell what passes today: the status of staging was not read lately.");
    assert!(plan.members.is_empty() && plan.left_out.is_empty());
}

#[test]
fn a_snapshot_without_a_package_is_held() {
    let scene = Scene::on(STANDSTILL).package("a", "1.0").fails("a");
    let plan = snapshot(&facts(&scene, &[]));
    insta::assert_snapshot!(plan.held.expect("it is held"), @"No package at all would be part of it. An operator has to look.");
}

#[test]
fn a_snapshot_that_shrinks_too_much_is_held() {
    let scene =
        Scene::on(STANDSTILL).package("a", "1.0").package("b", "1.0").package("c", "1.0").package("d", "1.0");
    let mut facts = facts(&scene, &[]);
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    facts.previous = names(&["a", "b", "c", "d", "e"]);
    assert_eq!(snapshot(&facts).held, None, "one of five is what may be missing");
    facts.previous = names(&["a", "b", "c", "e", "f"]);
    insta::assert_snapshot!(snapshot(&facts).held.expect("it is held"), @"2 of the 5 packages of the snapshot before are missing, more than the 20 % that may be. An operator has to look and say that this is meant: `tidegate guard release`.");
    facts.status = Fact::unknown("nothing is known");
    assert!(snapshot(&facts).held.is_some());
}

#[test]
fn a_dependency_that_the_channel_lists_and_its_universe_lacks_is_not_in_the_snapshot() {
    let mut scene = Scene::on(STANDSTILL).package("a", "1.0").package("b", "1.0").package("c", "1.0");
    scene.facts.head.listings.push(listing("lost", Some(&commit("lost", "1.0"))));
    let plan = snapshot(&facts(&scene, &[("a", &["lost"]), ("b", &["a", "cli"]), ("c", &["c", "cli"])]));
    assert_eq!(members(&plan), ["c"]);
    insta::assert_snapshot!(left_out(&plan), @r"
    a: It depends on lost, which is not in the snapshot.
    b: It depends on lost, which is not in the snapshot.
    lost: The universe of staging never built it.
    ");
}

#[test]
fn by_own_checks_a_member_names_what_comes_from_elsewhere() {
    let scene = Scene::on(STANDSTILL).package("a", "1.0").fails("a").package("b", "1.0").package("c", "1.0");
    let mut facts =
        facts(&scene, &[("a", &[]), ("b", &["a", "cli", "dropped", "b"]), ("c", &["b"]), ("dropped", &[])]);
    facts.dependency_rule = DependencyRule::OwnChecks;
    let plan = snapshot(&facts);
    assert_eq!(members(&plan), ["b", "c"]);
    assert_eq!(plan.members[0].dependencies_from_elsewhere, ["a", "dropped"]);
    assert!(plan.members[1].dependencies_from_elsewhere.is_empty());
}

#[test]
fn a_pass_that_is_older_than_a_dependency_does_not_count_on_the_day() {
    let outdated = UpdatedDependency {
        package: "rlang".to_owned(),
        at: "2026-06-14T10:00:00Z".parse().expect("a time"),
    };
    let scene = Scene::on(STANDSTILL).package("other", "1.0").package("a", "1.0").assess("a", |a| {
        a.evidence = Evidence::Pending;
        a.settled = Some(Evidence::Passing);
        a.outdated_by = vec![outdated];
    });
    insta::assert_snapshot!(left_out(&snapshot(&facts(&scene, &[]))), @"a: Its checks began before rlang was updated at 2026-06-14T10:00:00Z, so they say nothing of it until it is rebuilt.");
}

#[test]
fn an_operator_releases_what_was_held_and_nothing_else() {
    let scene = Scene::on(STANDSTILL).package("a", "1.0").package("b", "1.0").package("c", "1.0");
    let mut facts = facts(&scene, &[]);
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    facts.previous = names(&["a", "b", "c", "e", "f"]);
    let held = snapshot(&facts).held.expect("it is held");
    let release = SnapshotRelease {
        held,
        by: "Ada".to_owned(),
        reason: "e and f left".to_owned(),
        at: "2026-06-15T03:00:00Z".parse().expect("a time"),
    };
    facts.released = Some(release.clone());
    let plan = snapshot(&facts);
    assert_eq!((plan.held, plan.released), (None, Some(release)));
    facts.previous = names(&["a", "b", "e", "f", "g"]);
    let plan = snapshot(&facts);
    assert!(plan.held.is_some() && plan.released.is_none(), "more is missing by now");
    facts.listings.clear();
    assert!(snapshot(&facts).held.is_some(), "nobody can mean an empty snapshot");
}

#[test]
fn an_override_is_written_into_the_snapshot() {
    let word = EvidenceOverride {
        version: "1.0".to_owned(),
        commit: commit("a", "1.0"),
        says: OverriddenAs::Passing,
        until: "2026-06-15".parse().expect("a date"),
        by: "Ada".to_owned(),
        reason: "it passes by hand".to_owned(),
        at: "2026-06-01T00:00:00Z".parse().expect("a time"),
    };
    let scene = Scene::on(STANDSTILL).package("a", "1.0").assess("a", |a| a.overridden = Some(word.clone()));
    assert_eq!(snapshot(&facts(&scene, &[])).members[0].overridden, Some(word));
}

#[test]
fn an_exception_is_written_into_the_snapshot_for_exactly_its_version() {
    let scene = Scene::on(STANDSTILL)
        .package("a", "1.1")
        .exception("a", "1.1")
        .package("b", "1.0")
        .exception("b", "1.1")
        .package("c", "1.0");
    let plan = snapshot(&facts(&scene, &[]));
    let let_in: Vec<(&str, Option<(&str, &str)>)> = plan
        .members
        .iter()
        .map(|member| {
            let leave = member.exception.as_ref();
            (&*member.package, leave.map(|leave| (&*leave.by, &*leave.reason)))
        })
        .collect();
    assert_eq!(let_in, [("a", Some(("Ada", "mends a leak"))), ("b", None), ("c", None)]);

    let manifest = Manifest::of(&plan, "demo", &scene.facts.targets);
    assert_eq!(manifest.packages[0].exception, plan.members[0].exception);
    let written = String::from_utf8(manifest.to_bytes().expect("it can be written")).expect("it is text");
    assert_eq!(written.matches("\"exception\"").count(), 1, "others are written as they were before");
}
