//! What speaks against a package, under both policies.

use std::collections::BTreeMap;

use tidegate::decide::status::{channel_status, own_findings};
use tidegate::decide::words::issues_in_words;
use tidegate::domain::{
    Assessment, ChannelStatus, Checks, DependencyRule, Evidence, EvidencePolicy, Fact, Issue, IssueKind,
    LedgerRow, PackageFacts, StatusFacts,
};

use super::facts::check;
use EvidencePolicy::{Faithful, Guarded};

/// A universe of healthy packages; each may depend on those before it.
pub fn universe(packages: &[(&str, &[&str])]) -> StatusFacts {
    let facts = |dependencies: &[&str]| PackageFacts {
        version: Some("1.0".to_owned()),
        commit: Some("c".repeat(40)),
        published: Some("2026-05-01 00:00:00.000 UTC".to_owned()),
        license: Some("MIT".to_owned()),
        foss: Some(true),
        checks: Checks::All(vec![check("OK", "source")]),
        dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        ..PackageFacts::default()
    };
    StatusFacts {
        packages: packages
            .iter()
            .map(|(name, dependencies)| ((*name).to_owned(), facts(dependencies)))
            .collect(),
        cran: Fact::Known(BTreeMap::new()),
        builds: Fact::Known(BTreeMap::new()),
        advisories: Fact::Known(BTreeMap::new()),
        listed: Fact::Known(BTreeMap::new()),
        ledger: BTreeMap::new(),
        staged: Default::default(),
        own_checks: BTreeMap::new(),
        r_series: "4.5".to_owned(),
        older_r_series: None,
        frozen_date: "2026-04-15".to_owned(),
        dependency_rule: DependencyRule::Strict,
        overrides: BTreeMap::new(),
    }
}

fn status(facts: &StatusFacts, policy: EvidencePolicy) -> ChannelStatus {
    channel_status(facts, &own_findings(facts, policy), policy)
}

fn of_a(facts: &StatusFacts, policy: EvidencePolicy) -> Assessment {
    status(facts, policy).packages["a"].clone()
}

fn kinds(assessment: &Assessment) -> Vec<IssueKind> {
    assessment.issues.iter().map(Issue::kind).collect()
}

/// `a` alone, altered.
fn a(alter: impl FnOnce(&mut PackageFacts)) -> StatusFacts {
    let mut facts = universe(&[("a", &[])]);
    alter(facts.packages.get_mut("a").expect("it is there"));
    facts
}

fn running(facts: &mut StatusFacts, package: &str) {
    facts.builds = Fact::Known([(package.to_owned(), "https://example.org/run".to_owned())].into());
}

#[test]
fn a_package_with_nothing_against_it_passes() {
    for policy in [Guarded, Faithful] {
        assert_eq!(of_a(&a(|_| ()), policy).evidence, Evidence::Passing);
    }
}

#[test]
fn every_kind_of_issue_fails_a_package() {
    let mut advised = a(|_| ());
    advised.advisories = Fact::Known(
        [("a".to_owned(), [("1.0".to_owned(), vec!["https://example.org/RSEC-1".to_owned()])].into())].into(),
    );
    let mut conflicting = a(|_| ());
    conflicting.cran = Fact::Known([("a".to_owned(), "1.0.1".to_owned())].into());
    let mut lowered = a(|_| ());
    let row = LedgerRow {
        version_current: Some("1.0".to_owned()),
        hash_current: None,
        version_highest: Some("1.1".to_owned()),
        hash_highest: None,
    };
    lowered.ledger = [("a".to_owned(), row)].into();
    let cases = [
        (advised, "a security advisory names this version"),
        (
            a(|a| (a.foss, a.license) = (Some(false), Some("ACM".to_owned()))),
            "its licence is not a free one (ACM)",
        ),
        (a(|a| (a.foss, a.license) = (Some(false), None)), "it has no licence"),
        (
            a(|a| a.checks = Checks::All(vec![check("WARNING", "mac")])),
            "R CMD check ends with WARNING on mac",
        ),
        (a(|a| a.remotes = vec![String::new(), "x/y".to_owned()]), "its DESCRIPTION has Remotes (x/y)"),
        (conflicting, "CRAN has the higher version 1.0.1"),
        (lowered, "its version went down from 1.1 to 1.0"),
    ];
    for (facts, words) in cases {
        for policy in [Guarded, Faithful] {
            let assessment = of_a(&facts, policy);
            assert_eq!(assessment.evidence, Evidence::Failing, "{words}");
            assert_eq!(issues_in_words(&assessment), words);
        }
    }
}

#[test]
fn an_advisory_is_for_exactly_its_version() {
    let mut facts = a(|_| ());
    facts.advisories =
        Fact::Known([("a".to_owned(), [("0.9".to_owned(), vec!["x".to_owned()])].into())].into());
    assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Passing);
}

#[test]
fn notes_and_other_versions_of_r_do_not_count() {
    let mut devel = check("ERROR", "linux-devel");
    devel.r = "4.6.0".to_owned();
    let facts = a(|a| a.checks = Checks::All(vec![check("NOTE", "source"), devel]));
    assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Passing);
}

#[test]
fn a_build_that_fails_outright_counts_unless_upstream_is_followed_exactly() {
    let facts = a(|a| a.checks = Checks::All(vec![check("FAIL", "source")]));
    assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Failing);
    assert_eq!(of_a(&facts, Faithful).evidence, Evidence::Passing);
}

#[test]
fn a_package_without_a_check_undetermined_and_not_passing() {
    let mut old = check("OK", "source");
    old.r = "4.4.3".to_owned();
    for checks in [Vec::new(), vec![old]] {
        let facts = a(|a| a.checks = Checks::All(checks));
        assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Unknown);
        assert_eq!(of_a(&facts, Guarded).unknown, ["no check with R 4.5 exists for this build"]);
        assert_eq!(of_a(&facts, Faithful).evidence, Evidence::Passing);
    }
}

#[test]
fn checks_that_were_filtered_upstream_need_no_good_one() {
    assert_eq!(of_a(&a(|a| a.checks = Checks::Bad(Vec::new())), Guarded).evidence, Evidence::Passing);
}

#[test]
fn a_running_build_is_pending_and_only_upstream_calls_it_a_failure() {
    let mut facts = a(|_| ());
    running(&mut facts, "a");
    assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Pending);
    assert_eq!(of_a(&facts, Faithful).evidence, Evidence::Failing);
    let recent = of_a(&a(|a| a.just_published = true), Guarded);
    assert_eq!(recent.evidence, Evidence::Pending);
    assert_eq!(issues_in_words(&recent), "it was published minutes ago");
}

#[test]
fn a_running_build_wins_over_just_published() {
    let mut facts = a(|a| a.just_published = true);
    running(&mut facts, "a");
    assert_eq!(of_a(&facts, Faithful).issues, [Issue::Synchronization("https://example.org/run".to_owned())]);
}

#[test]
fn a_named_issue_is_a_fact_even_while_a_build_runs_or_a_source_is_missing() {
    let mut facts = a(|a| a.remotes = vec!["x/y".to_owned()]);
    running(&mut facts, "a");
    facts.cran = Fact::unknown("CRAN did not answer");
    assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Failing);
}

#[test]
fn a_source_that_did_not_answer_undetermined_and_upstream_takes_it_for_none() {
    let mut no_cran = a(|_| ());
    no_cran.cran = Fact::unknown("CRAN did not answer");
    let mut no_builds = a(|_| ());
    no_builds.builds = Fact::unknown("GitHub did not answer");
    for facts in [no_cran, no_builds] {
        assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Unknown);
        assert_eq!(of_a(&facts, Faithful).evidence, Evidence::Passing);
    }
}

#[test]
fn an_issue_reaches_every_dependent_with_the_way_there() {
    let mut facts = universe(&[("a", &["b", "c", "cli"]), ("b", &["c"]), ("c", &[]), ("d", &[])]);
    facts.packages.get_mut("c").expect("it is there").remotes = vec!["x/y".to_owned()];
    for policy in [Guarded, Faithful] {
        let status = status(&facts, policy);
        let through = |package: &str| status.packages[package].issues.clone();
        assert_eq!(through("a"), [Issue::Dependencies([("c".to_owned(), vec!["b".to_owned()])].into())]);
        assert_eq!(through("b"), [Issue::Dependencies([("c".to_owned(), vec![])].into())]);
        assert_eq!(status.packages["d"].evidence, Evidence::Passing);
    }
}

#[test]
fn a_circle_of_dependencies_is_walked_once() {
    let mut facts = universe(&[("a", &["b"]), ("b", &["a", "b"])]);
    facts.packages.get_mut("a").expect("it is there").remotes = vec!["x/y".to_owned()];
    let status = status(&facts, Guarded);
    assert_eq!(kinds(&status.packages["a"]), [IssueKind::Remotes]);
    let through = Issue::Dependencies([("a".to_owned(), vec!["b".to_owned()])].into());
    assert_eq!(status.packages["b"].issues, [through], "b depends on itself as upstream counts it");
}

#[test]
fn a_running_build_does_not_reach_dependents_and_upstream_lets_it() {
    let mut facts = universe(&[("a", &["b"]), ("b", &[])]);
    running(&mut facts, "b");
    assert_eq!(of_a(&facts, Guarded).evidence, Evidence::Passing);
    assert_eq!(of_a(&facts, Faithful).evidence, Evidence::Failing);
}

#[test]
fn issues_of_staged_packages_stay_with_them() {
    let mut facts = universe(&[("a", &["b"]), ("b", &[])]);
    facts.packages.get_mut("b").expect("it is there").remotes = vec!["x/y".to_owned()];
    facts.staged.insert("b".to_owned());
    assert_eq!(of_a(&facts, Faithful).evidence, Evidence::Passing);
}

#[test]
fn who_depends_on_the_unknown_undetermined_and_names_the_nearest_one() {
    let mut facts = universe(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]);
    facts.packages.get_mut("c").expect("it is there").checks = Checks::All(Vec::new());
    let status = status(&facts, Guarded);
    insta::assert_snapshot!(status.packages["a"].unknown.join("|"), @"it depends on c, of which nobody can tell (no check with R 4.5 exists for this build)");
    assert_eq!(status.packages["b"].evidence, Evidence::Unknown);
    assert_eq!(status.packages["c"].unknown, ["no check with R 4.5 exists for this build"]);
}

#[test]
fn a_build_that_failed_is_remembered_beside_the_version_that_is_there() {
    let facts = a(|a| a.newer_failure = Some("d".repeat(40)));
    assert_eq!(of_a(&facts, Guarded).failed_build, Some("d".repeat(40)));
}

#[test]
fn a_history_without_its_package_is_listed_as_upstream_lists_it() {
    let mut facts = a(|_| ());
    let row = |highest: &str| LedgerRow {
        version_current: Some("1.0".to_owned()),
        hash_current: None,
        version_highest: Some(highest.to_owned()),
        hash_highest: None,
    };
    facts.ledger = [("gone".to_owned(), row("1.1")), ("fine".to_owned(), row("1.0"))].into();
    assert_eq!(status(&facts, Faithful).packages.keys().collect::<Vec<_>>(), ["a", "gone"]);
    assert_eq!(status(&facts, Guarded).packages.keys().collect::<Vec<_>>(), ["a"]);
}
