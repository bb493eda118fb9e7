//! What a manifest tells beside the choice: checks, what comes from outside, and since when the rest is out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate::decide::snapshot::{Background, ChecksOfBuild, SnapshotFacts, SnapshotPlan, snapshot};
use tidegate::decide::status::since::not_passing_since;
use tidegate::domain::{Check, Evidence, Fact, HeldUntil, Removal};
use tidegate::jobs::snapshot::{Manifest, ManifestLeftOut};

use super::facts::*;
use super::snapshot::facts as without_background;

fn check_in(r: &str, result: &str, config: &str) -> Check {
    let url = format!("https://github.com/r-universe/staging/actions/runs/1/job/{config}");
    Check { check: result.to_owned(), config: config.to_owned(), r: r.to_owned(), url }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A member that needs much from outside, one that fails, and one that fails through it.
fn facts() -> SnapshotFacts {
    let scene = Scene::on(STANDSTILL)
        .package("fine", "1.0")
        .package("fails", "2.0")
        .fails("fails")
        .package("through", "1.0")
        .fails_through("through", "fails");
    let on: &[(&str, &[&str])] =
        &[("fine", &["Rcpp", "methods", "BiocGenerics"]), ("fails", &["jsonlite"]), ("through", &["fails"])];
    let mut facts = without_background(&scene, on);
    let built = |version: &str, checks: Vec<Check>| {
        let commit = Some(commit("fine", version));
        BTreeMap::from([("fine".to_owned(), ChecksOfBuild { commit, checks })])
    };
    facts.background = Background {
        checks: built(
            "1.0",
            vec![
                check_in("4.5.3", "OK", "linux-release-x86_64"),
                check_in("4.5.3", "NOTE", "windows-release"),
                check_in("4.6.0", "ERROR", "linux-devel-x86_64"),
            ],
        ),
        older_r: None,
        cran: Some(Fact::Known(BTreeMap::from([("Rcpp".to_owned(), "1.0.14".to_owned())]))),
        not_passing_since: BTreeMap::from([("fails".to_owned(), at("2026-06-02T05:12:00Z"))]),
        with_failing: false,
    };
    facts
}

fn manifest(facts: &SnapshotFacts) -> Manifest {
    Manifest::of(&snapshot(facts), "demo", &facts.targets)
}

#[test]
fn a_manifest_says_what_let_packages_in_what_they_need_and_since_when_the_rest_is_out() {
    let written = String::from_utf8(manifest(&facts()).to_bytes().unwrap()).unwrap();
    insta::assert_snapshot!(written);
}

#[test]
fn what_is_left_out_says_how_it_stands_and_what_is_behind_it_as_data() {
    let scene = Scene::on(STANDSTILL)
        .package("fine", "1.0")
        .package("fails", "2.0")
        .fails("fails")
        .package("through", "1.0")
        .fails_through("through", "fails")
        .package("dark", "1.0")
        .undetermined("dark")
        .assess("dark", |known| known.held_until = [HeldUntil::SourcesAnswer].into())
        .package("shaded", "1.0")
        .undetermined("shaded")
        .assess("shaded", |known| {
            known.unknown_through = Some("dark".to_owned());
            known.held_until = [HeldUntil::DependenciesKnown].into();
        })
        .package("new", "1.0")
        .building("new")
        .assess("new", |known| known.settled = None)
        .package("needs.new", "1.0")
        .package("asked", "1.0")
        .package("needs.asked", "1.0");
    let on: &[(&str, &[&str])] = &[
        ("through", &["fails"]),
        ("shaded", &["dark"]),
        ("needs.new", &["new"]),
        ("new", &[]),
        ("needs.asked", &["asked"]),
        ("asked", &[]),
    ];
    let background = facts().background;
    let mut facts = SnapshotFacts { background, ..without_background(&scene, on) };
    let removal = Removal {
        at: at("2026-06-01T10:00:00Z"),
        by: "ada".to_owned(),
        reason: "its maintainer asked for it".to_owned(),
        channels: Default::default(),
    };
    facts.removals.insert("asked".to_owned(), removal);
    let line = |left: &ManifestLeftOut| {
        let ManifestLeftOut { name, evidence, root_causes, held_until, .. } = left;
        format!("{name}: {evidence:?}, behind it {root_causes:?}, until {held_until:?}")
    };
    let lines: Vec<String> = manifest(&facts).left_out.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    asked: None, behind it [], until {}
    dark: Some(Unknown), behind it [], until {SourcesAnswer}
    fails: Some(Failing), behind it [], until {}
    needs.asked: Some(Passing), behind it ["asked"], until {}
    needs.new: Some(Passing), behind it ["new"], until {}
    new: Some(Pending), behind it [], until {}
    shaded: Some(Unknown), behind it ["dark"], until {DependenciesKnown}
    through: Some(Failing), behind it ["fails"], until {}
    "#);
}

#[test]
fn checks_of_another_commit_or_another_r_are_not_those_of_a_member() {
    let mut facts = facts();
    let counted = |facts: &SnapshotFacts| {
        let checks = &manifest(facts).packages[0].checks;
        checks.iter().map(|check| check.config.clone()).collect::<Vec<_>>()
    };
    assert_eq!(counted(&facts), ["linux-release-x86_64", "windows-release"]);
    facts.background.older_r = Some("4.6".to_owned());
    assert_eq!(counted(&facts).len(), 3, "the policy may count a second R");
    facts.background.checks.get_mut("fine").unwrap().commit = Some(commit("fine", "1.1"));
    assert!(counted(&facts).is_empty());
}

#[test]
fn without_the_cran_index_the_versions_from_outside_are_unknown_and_base_packages_are_not() {
    let mut facts = facts();
    facts.background.cran = Some(Fact::unknown("the CRAN index of 2026-04-15 was not read lately"));
    let outside = serde_json::to_value(manifest(&facts).outside).unwrap();
    insta::assert_snapshot!(outside, @r#"[{"name":"BiocGenerics","origin":"unknown","why":"the CRAN index of 2026-04-15 was not read lately","needed_by":["fine"]},{"name":"Rcpp","origin":"unknown","why":"the CRAN index of 2026-04-15 was not read lately","needed_by":["fine"]},{"name":"methods","origin":"base","needed_by":["fine"]}]"#);
}

#[test]
fn facts_of_before_give_the_plan_of_before() {
    let mut facts = facts();
    facts.background = Background::default();
    let stored = serde_json::to_string(&facts).unwrap();
    assert!(!stored.contains("background"), "{stored}");
    let read: SnapshotFacts = serde_json::from_str(&stored).unwrap();
    let plan = serde_json::to_string(&snapshot(&read)).unwrap();
    for new in ["\"outside\"", "\"since\"", "\"checks\""] {
        assert!(!plan.contains(new), "{new} in {plan}");
    }
    serde_json::from_str::<SnapshotPlan>(&plan).unwrap();
}

#[test]
fn a_manifest_of_the_format_before_is_read_and_one_that_is_newer_is_not() {
    let mut old = serde_json::to_value(manifest(&facts())).unwrap();
    old["format"] = 1.into();
    old.as_object_mut().unwrap().remove("outside");
    for package in old["packages"].as_array_mut().unwrap() {
        package.as_object_mut().unwrap().remove("checks");
    }
    let read = Manifest::read(old.to_string().as_bytes()).unwrap();
    assert_eq!((read.format, read.packages.len(), read.left_out.len()), (1, 1, 2));
    old["format"] = 3.into();
    insta::assert_snapshot!(Manifest::read(old.to_string().as_bytes()).unwrap_err(), @"its format 3 is newer than 2, which this tidegate knows");
    insta::assert_snapshot!(Manifest::read(b"{}").unwrap_err(), @"it is no manifest: missing field `format` at line 1 column 2");
}

#[test]
fn the_schema_holds_for_a_manifest_and_not_for_another_file() {
    let validator = jsonschema::validator_for(&Manifest::schema()).unwrap();
    let mut manifest = serde_json::to_value(manifest(&facts())).unwrap();
    let errors: Vec<String> = validator.iter_errors(&manifest).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    manifest["outside"][0]["origin"] = "somewhere".into();
    assert!(!validator.is_valid(&manifest));
}

#[test]
fn since_when_a_package_does_not_pass_outlasts_a_build_and_ends_with_a_pass() {
    let status = |change: &dyn Fn(Scene) -> Scene| {
        let scene = change(Scene::on(CANDIDATE_FREEZE).package("a", "1.0").package("b", "1.0"));
        scene.facts.status.known().cloned().unwrap()
    };
    let first = at("2026-05-20T00:12:00Z");
    let known = not_passing_since(&BTreeMap::new(), &status(&|scene| scene.fails("a")), first);
    assert_eq!(known, BTreeMap::from([("a".to_owned(), first)]));

    let second = at("2026-05-20T01:12:00Z");
    let building = status(&|scene| scene.fails("a").building("a").undetermined("b"));
    assert_eq!(building.packages["a"].settled, Some(Evidence::Failing));
    let known = not_passing_since(&known, &building, second);
    assert_eq!(known, BTreeMap::from([("a".to_owned(), first), ("b".to_owned(), second)]));
    assert_eq!(not_passing_since(&known, &status(&|scene| scene), second), BTreeMap::new());
}

/// `fine` needs `fails`, which needs `deeper` and `removed`; `other` fails and nobody needs it.
fn by_own_checks() -> SnapshotFacts {
    let mut scene = Scene::on(STANDSTILL).package("fine", "1.0");
    for name in ["fails", "deeper", "unfree", "other"] {
        scene = scene.package(name, "1.0").fails(name);
    }
    scene = scene.has_issue("unfree", tidegate::domain::Issue::License("Proprietary".to_owned()));
    let on: &[(&str, &[&str])] = &[
        ("fine", &["fails", "unfree"]),
        ("fails", &["deeper", "fine"]),
        ("other", &["fine"]),
        ("deeper", &[]),
    ];
    let mut facts = without_background(&scene, on);
    facts.dependency_rule = tidegate::domain::DependencyRule::OwnChecks;
    facts.background.with_failing = true;
    facts
}

#[test]
fn by_own_checks_failing_packages_that_members_need_are_published_apart() {
    let facts = by_own_checks();
    let plan = snapshot(&facts);
    let needed: Vec<(&str, Vec<&str>)> = plan
        .needed
        .iter()
        .map(|one| (&*one.package.package, one.needed_by.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(needed, [("deeper", vec!["fails"]), ("fails", vec!["fine"])], "and nothing that is not free");
    let manifest = Manifest::of(&plan, "demo", &facts.targets);
    let failing = manifest.failing.unwrap();
    assert_eq!(failing.folder, "failing");
    insta::assert_snapshot!(failing.packages[0].reason, @"R CMD check ends with ERROR on linux-release-x86_64.");
    assert_eq!(manifest.packages.len(), 1);
}

#[test]
fn nothing_is_published_apart_unless_asked_for_or_where_dependencies_are_strict() {
    let mut facts = by_own_checks();
    facts.background.with_failing = false;
    assert!(snapshot(&facts).needed.is_empty());
    facts.background.with_failing = true;
    facts.dependency_rule = tidegate::domain::DependencyRule::Strict;
    assert!(snapshot(&facts).needed.is_empty());
}

#[test]
fn what_people_asked_to_be_taken_out_is_not_published_apart_either() {
    let mut facts = by_own_checks();
    let removal = tidegate::domain::Removal {
        at: at("2026-06-01T00:00:00Z"),
        by: "ada".to_owned(),
        reason: "a court order".to_owned(),
        channels: Vec::new(),
    };
    facts.removals.insert("fails".to_owned(), removal);
    assert!(snapshot(&facts).needed.is_empty(), "and nothing that only it needs");
}
