//! What is known of a package beyond its own checks: what it depends on, older versions of R, builds that
//! failed, how fresh a check is, and an operator's word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate::decide::status::freshness::{KnownUpdates, updated_at, updates};
use tidegate::decide::status::{channel_status, own_findings};
use tidegate::decide::words::{issues_in_words, nothing_against, odd_in_words, release_in_words};
use tidegate::domain::{
    Assessment, ChannelStatus, Check, Checks, DependencyRule, Evidence, EvidenceOverride, EvidencePolicy,
    Fact, HeldUntil, Issue, OverriddenAs, PackageFacts, StatusFacts, UpdatedDependency,
};

use super::facts::{CANDIDATE_FREEZE, Scene, check, commit, text, words};
use super::status::universe;
use EvidencePolicy::{Faithful, Guarded};

fn status(facts: &StatusFacts, policy: EvidencePolicy) -> ChannelStatus {
    channel_status(facts, &own_findings(facts, policy), policy)
}

fn of(facts: &StatusFacts, package: &str, policy: EvidencePolicy) -> Assessment {
    status(facts, policy).packages[package].clone()
}

fn alter(facts: &mut StatusFacts, package: &str, change: impl FnOnce(&mut PackageFacts)) {
    change(facts.packages.get_mut(package).expect("the universe has it"));
}

/// The channel lists these, with or without a pin.
fn listing(facts: StatusFacts, rows: &[(&str, Option<&str>)]) -> StatusFacts {
    let row = |(name, pin): &(&str, Option<&str>)| ((*name).to_owned(), pin.map(str::to_owned));
    StatusFacts { listed: Fact::Known(rows.iter().map(row).collect()), ..facts }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

// What is listed and not there.

#[test]
fn a_dependency_that_the_channel_lists_and_its_universe_lacks_holds_who_depends_on_it() {
    let facts = universe(&[("a", &["b"]), ("b", &["lost", "cli"]), ("c", &["cli"])]);
    let facts = listing(facts, &[("a", None), ("b", None), ("c", None), ("lost", None)]);
    for package in ["a", "b"] {
        let known = of(&facts, package, Guarded);
        assert_eq!(known.evidence, Evidence::Unknown, "{package}");
        assert_eq!(known.unknown, ["it depends on lost, which the channel lists and its universe lacks"]);
        assert_eq!(known.held_until, [HeldUntil::DependenciesBuilt].into());
        assert_eq!(of(&facts, package, Faithful).evidence, Evidence::Passing, "upstream drops the edge");
    }
    assert_eq!(of(&facts, "c", Guarded).evidence, Evidence::Passing, "cli is nobody's of the distribution");
    let odd = status(&facts, Guarded).odd_dependencies;
    insta::assert_snapshot!(odd_in_words(&odd).join("\n"), @"b depends on lost, which the channel lists and its universe lacks");
    assert!(status(&facts, Faithful).odd_dependencies.is_empty());
}

#[test]
fn a_list_that_nobody_could_read_holds_everybody() {
    let mut facts = universe(&[("a", &["cli"])]);
    facts.listed = Fact::unknown("the list of demo/staging could not be read");
    let known = of(&facts, "a", Guarded);
    assert_eq!((known.evidence, known.held_until), (Evidence::Unknown, [HeldUntil::SourcesAnswer].into()));
    assert_eq!(of(&facts, "a", Faithful).evidence, Evidence::Passing);
}

#[test]
fn circles_are_shown_and_nobody_fails_for_them_alone() {
    let facts =
        universe(&[("a", &["b"]), ("b", &["c"]), ("c", &["a", "d"]), ("d", &[]), ("self", &["self", "d"])]);
    let status = status(&facts, Guarded);
    assert!(status.packages.values().all(|known| known.evidence == Evidence::Passing));
    insta::assert_snapshot!(odd_in_words(&status.odd_dependencies).join("\n"), @r"
    a, b and c depend on each other in a circle
    self depends on itself
    ");
}

#[test]
fn a_package_that_depends_on_itself_and_fails_is_its_only_cause() {
    let mut facts = universe(&[("a", &["a"]), ("b", &["a"])]);
    alter(&mut facts, "a", |a| a.remotes = vec!["x/y".to_owned()]);
    assert_eq!(issues_in_words(&of(&facts, "a", Guarded)), "its DESCRIPTION has Remotes (x/y)");
    assert_eq!(issues_in_words(&of(&facts, "b", Guarded)), "it depends on a, which fails");
}

// Advisories.

#[test]
fn advisories_that_could_not_be_read_are_unknown_and_upstream_takes_them_for_none() {
    let mut facts = universe(&[("a", &[])]);
    facts.advisories = Fact::unknown("the advisories for demo/staging could not be read");
    let known = of(&facts, "a", Guarded);
    assert_eq!(known.evidence, Evidence::Unknown);
    assert_eq!(known.unknown, ["the advisories for demo/staging could not be read"]);
    assert_eq!(of(&facts, "a", Faithful).evidence, Evidence::Passing);
}

// Older versions of R.

fn with_checks(checks: Vec<Check>) -> StatusFacts {
    let mut facts = universe(&[("a", &[])]);
    alter(&mut facts, "a", |a| a.checks = Checks::All(checks));
    facts
}

fn older(result: &str) -> Check {
    Check { r: "4.4.3".to_owned(), ..check(result, "windows-oldrel") }
}

#[test]
fn a_warning_on_an_older_r_alone_is_an_issue_only_where_the_policy_says_so() {
    for policy in [Guarded, Faithful] {
        let mut facts = with_checks(vec![check("OK", "source"), older("WARNING")]);
        assert_eq!(of(&facts, "a", policy).evidence, Evidence::Passing);
        facts.older_r_series = Some("4.4".to_owned());
        let known = of(&facts, "a", policy);
        assert_eq!(known.evidence, Evidence::Failing);
        assert_eq!(issues_in_words(&known), "R CMD check ends with WARNING on windows-oldrel (R 4.4.3)");
    }
}

#[test]
fn each_r_that_counts_needs_a_check() {
    let mut facts = with_checks(vec![check("OK", "source")]);
    facts.older_r_series = Some("4.4".to_owned());
    let known = of(&facts, "a", Guarded);
    assert_eq!(known.unknown, ["no check with R 4.4 exists for this build"]);
    assert_eq!(known.held_until, [HeldUntil::Checked].into());
    facts = with_checks(vec![older("OK")]);
    facts.older_r_series = Some("4.4".to_owned());
    assert_eq!(of(&facts, "a", Guarded).unknown, ["no check with R 4.5 exists for this build"]);
}

// Builds that failed.

fn failed_at(commit: &str) -> StatusFacts {
    let mut facts = universe(&[("a", &[]), ("b", &["a"])]);
    alter(&mut facts, "a", |a| {
        a.newer_failure = Some(commit.to_owned());
        a.failure_url = Some("https://example.org/build".to_owned());
    });
    facts
}

#[test]
fn a_newer_build_that_failed_fails_a_package_that_follows_and_who_depends_on_it() {
    let newer = "d".repeat(40);
    let facts = listing(failed_at(&newer), &[("a", None), ("b", None)]);
    let known = of(&facts, "a", Guarded);
    assert_eq!(known.evidence, Evidence::Failing);
    assert_eq!(issues_in_words(&known), "the build of its newer commit dddddddddd failed");
    let Issue::RCmdCheck(checks) = &known.issues[0] else { panic!("{:?}", known.issues) };
    assert_eq!(checks[0].url, "https://example.org/build");
    assert_eq!(issues_in_words(&of(&facts, "b", Guarded)), "it depends on a, which fails");
    for package in ["a", "b"] {
        assert_eq!(of(&facts, package, Faithful).evidence, Evidence::Passing, "upstream's hole");
    }
}

#[test]
fn a_package_that_is_pinned_fails_with_the_build_of_its_pin_alone() {
    let (pin, other) = ("d".repeat(40), "e".repeat(40));
    let facts = listing(failed_at(&pin), &[("a", Some(&pin))]);
    assert_eq!(of(&facts, "a", Guarded).evidence, Evidence::Failing);
    let facts = listing(failed_at(&other), &[("a", Some(&"c".repeat(40)))]);
    assert_eq!(of(&facts, "a", Guarded).evidence, Evidence::Passing, "nobody wants that commit");
}

#[test]
fn a_package_that_was_never_built_fails_and_is_not_unknown() {
    let mut facts = failed_at(&"c".repeat(40));
    alter(&mut facts, "a", |a| a.checks = Checks::All(Vec::new()));
    let known = of(&facts, "a", Guarded);
    assert_eq!((known.evidence, known.unknown.len()), (Evidence::Failing, 0));
    assert_eq!(issues_in_words(&known), "its build failed");
}

// Fresh checks.

/// `b` depends on `a`, and was packed at this time; `a` was updated at 10:00.
fn packed(time: Option<&str>) -> StatusFacts {
    let mut facts = universe(&[("a", &[]), ("b", &["a", "b", "cli"]), ("c", &["b"])]);
    alter(&mut facts, "a", |a| a.updated = Some(at("2026-05-01T10:00:00Z")));
    alter(&mut facts, "b", |b| {
        b.packed = time.map(at);
        b.updated = Some(at("2026-05-01T12:00:00Z"));
    });
    facts
}

#[test]
fn a_pass_from_before_the_last_update_of_a_dependency_is_pending() {
    let facts = packed(Some("2026-05-01T09:59:59Z"));
    let known = of(&facts, "b", Guarded);
    assert_eq!(known.evidence, Evidence::Pending);
    insta::assert_snapshot!(issues_in_words(&known), @"its checks began before a was updated at 2026-05-01T10:00:00Z, so they say nothing of it until it is rebuilt");
    assert_eq!(of(&facts, "c", Guarded).evidence, Evidence::Passing, "pending reaches nobody");
    assert_eq!(of(&facts, "b", Faithful).evidence, Evidence::Passing);
    let fresh = packed(Some("2026-05-01T10:00:00Z"));
    assert_eq!(of(&fresh, "b", Guarded).evidence, Evidence::Passing);
}

#[test]
fn where_a_time_is_not_known_nothing_is_said_of_how_fresh_a_check_is() {
    assert_eq!(of(&packed(None), "b", Guarded).evidence, Evidence::Passing);
    let mut facts = packed(Some("2026-05-01T09:00:00Z"));
    alter(&mut facts, "a", |a| a.updated = None);
    assert_eq!(of(&facts, "b", Guarded).evidence, Evidence::Passing);
}

#[test]
fn a_failure_from_before_an_update_is_a_failure() {
    let mut facts = packed(Some("2026-05-01T09:00:00Z"));
    alter(&mut facts, "b", |b| b.checks = Checks::All(vec![check("ERROR", "source")]));
    let known = of(&facts, "b", Guarded);
    assert_eq!(known.evidence, Evidence::Failing);
    assert_eq!(known.outdated_by, [], "it has to be mended, not only built again");
}

#[test]
fn an_update_is_a_new_version_or_commit_that_somebody_saw_come() {
    let package = |version: &str, published: &str| PackageFacts {
        version: Some(version.to_owned()),
        commit: Some("c".repeat(40)),
        published: Some(published.to_owned()),
        ..PackageFacts::default()
    };
    let look = |known: &KnownUpdates, package: PackageFacts| {
        let published = |package: &PackageFacts| package.published.as_deref().map(at);
        updates(known, &BTreeMap::from([("a".to_owned(), package)]), published, at("2026-05-09T00:00:00Z"))
    };
    let first = look(&KnownUpdates::new(), package("1.0", "2026-05-01T00:00:00Z"));
    assert_eq!(updated_at(&first, "a"), None, "the first look cannot tell an update from one more build");
    let built_again = look(&first, package("1.0", "2026-05-02T00:00:00Z"));
    assert_eq!(updated_at(&built_again, "a"), None);
    let updated = look(&built_again, package("1.1", "2026-05-03T00:00:00Z"));
    assert_eq!(updated_at(&updated, "a"), Some(at("2026-05-03T00:00:00Z")));
    let again = look(&updated, package("1.1", "2026-06-03T00:00:00Z"));
    assert_eq!(updated_at(&again, "a"), Some(at("2026-05-03T00:00:00Z")), "the monthly build is no update");
}

// The dependency rule.

#[test]
fn by_its_own_checks_a_package_stays_whatever_it_depends_on() {
    let facts = universe(&[("a", &[]), ("b", &["a"]), ("c", &["b", "lost"])]);
    let mut facts = listing(facts, &[("a", None), ("b", None), ("c", None), ("lost", None)]);
    alter(&mut facts, "a", |a| a.remotes = vec!["x/y".to_owned()]);
    facts.dependency_rule = DependencyRule::OwnChecks;
    assert_eq!(of(&facts, "a", Guarded).evidence, Evidence::Failing);
    let b = of(&facts, "b", Guarded);
    assert_eq!((b.evidence, &b.from_elsewhere[..]), (Evidence::Passing, &["a".to_owned()][..]));
    insta::assert_snapshot!(nothing_against(Some(&b)), @"nothing speaks against it; a, on which it depends, does not pass and comes from elsewhere");
    assert_eq!(of(&facts, "c", Guarded).from_elsewhere, ["lost"]);
    assert_eq!(of(&facts, "b", Faithful).evidence, Evidence::Failing, "upstream is strict");
}

// Overrides.

fn overridden(says: OverriddenAs, version: &str) -> StatusFacts {
    let mut facts = universe(&[("a", &[]), ("b", &["a"])]);
    let word = EvidenceOverride {
        version: version.to_owned(),
        commit: "c".repeat(40),
        says,
        until: "2026-06-15".parse().expect("a date"),
        by: "Ada".to_owned(),
        reason: "the runner had no disk left".to_owned(),
        at: at("2026-05-01T00:00:00Z"),
    };
    facts.overrides = [("a".to_owned(), word)].into();
    facts
}

#[test]
fn an_operators_word_stands_for_the_evidence_and_reaches_dependents() {
    let mut facts = overridden(OverriddenAs::Passing, "1.0");
    alter(&mut facts, "a", |a| a.checks = Checks::All(vec![check("ERROR", "source")]));
    let a = of(&facts, "a", Guarded);
    assert_eq!((a.evidence, a.issues.len()), (Evidence::Passing, 0));
    insta::assert_snapshot!(nothing_against(Some(&a)), @"Ada says that 1.0 counts as passing until 2026-06-15 (the runner had no disk left)");
    assert_eq!(of(&facts, "b", Guarded).evidence, Evidence::Passing);
    assert_eq!(of(&facts, "a", Faithful).evidence, Evidence::Failing, "upstream knows no override");

    let facts = overridden(OverriddenAs::Failing, "1.0");
    assert_eq!(of(&facts, "a", Guarded).evidence, Evidence::Failing);
    assert_eq!(issues_in_words(&of(&facts, "b", Guarded)), "it depends on a, which fails");
}

#[test]
fn an_override_is_void_with_the_next_version() {
    let facts = overridden(OverriddenAs::Failing, "0.9");
    let a = of(&facts, "a", Guarded);
    assert_eq!((a.evidence, a.overridden), (Evidence::Passing, None));
}

#[test]
fn an_override_settles_what_nobody_can_tell() {
    let mut facts = overridden(OverriddenAs::Passing, "1.0");
    facts.cran = Fact::unknown("CRAN did not answer");
    let a = of(&facts, "a", Guarded);
    assert_eq!((a.evidence, a.unknown.len()), (Evidence::Passing, 0));
    assert_eq!(of(&facts, "b", Guarded).evidence, Evidence::Unknown, "it is about one package alone");
}

// How it reads.

#[test]
fn whose_word_a_package_fails_by_is_in_its_pull_request_and_cannot_change_that() {
    let mut word = overridden(OverriddenAs::Failing, "1.0").overrides["a"].clone();
    word.reason = "it **deletes** data, @everyone".to_owned();
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").releases("a", "1.1").assess("a", |a| {
        a.evidence = Evidence::Failing;
        a.overridden = Some(word);
    });
    let body = text(&scene);
    let line = body.lines().find(|line| line.starts_with("  - ")).expect("the evidence has a line");
    insta::assert_snapshot!(line);
    assert!(!body.contains("**deletes**") && !body.contains("@everyone"), "{body}");
}

#[test]
fn a_build_that_failed_is_shown_with_its_log() {
    let build = Check::of_failed_build("https://github.com/r-universe/demo/actions/runs/1".to_owned());
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").releases("a", "1.1").assess("a", |a| {
        a.evidence = Evidence::Failing;
        a.failed_build = Some(commit("a", "1.0"));
        a.issues = vec![Issue::RCmdCheck(vec![build])];
    });
    let line = "- `a`: `1.0` fails in staging: its build failed ([log](https://github.com/r-universe/demo/actions/runs/1)).";
    assert!(text(&scene).contains(line), "{}", text(&scene));
}

#[test]
fn a_pass_that_is_not_fresh_waits_for_the_rebuild() {
    let outdated = UpdatedDependency { package: "rlang".to_owned(), at: at("2026-05-19T10:00:00Z") };
    let scene = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").releases("a", "1.1").assess("a", |a| {
        a.evidence = Evidence::Pending;
        a.outdated_by = vec![outdated];
    });
    insta::assert_snapshot!(words(&scene, "a"), @"Pending: Its checks began before rlang was updated at 2026-05-19T10:00:00Z, so they say nothing of it until it is rebuilt. It counts again once its universe has built and checked it anew.");
}

// What would release it.

#[test]
fn what_holds_a_package_is_told_with_what_releases_it() {
    let all = [
        HeldUntil::SourcesAnswer,
        HeldUntil::LooksAgree,
        HeldUntil::Confirmed,
        HeldUntil::Checked,
        HeldUntil::DependenciesKnown,
        HeldUntil::DependenciesBuilt,
    ];
    let told: Vec<String> = all.into_iter().map(|until| release_in_words(&[until].into())).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    it stays as it is until its sources answer again
    it stays as it is until later looks agree with the sudden change that is held
    it stays as it is until the source says again what it said before, or an operator confirms the change with `tidegate guard confirm`
    it stays as it is until the universe has checked this build with each R that counts
    it stays as it is until the same is known of what it depends on
    it stays as it is until its universe has what it depends on, or the channel lists that no more
    ");
}

#[test]
fn facts_that_were_stored_before_are_read_as_they_were_meant() {
    let old = r#"{"version": "1.0", "commit": null, "published": null, "just_published": false, "license": null,
                  "foss": null, "remotes": [], "checks": {"all": []}, "dependencies": [], "newer_failure": null}"#;
    let package: PackageFacts = serde_json::from_str(old).expect("it can be read");
    assert_eq!((package.packed, package.updated, package.failure_url), (None, None, None));
    let old = r#"{"packages": {}, "cran": {"known": {}}, "builds": {"known": {}}, "advisories": {"known": {"1.0": ["x"]}},
                  "ledger": {}, "staged": [], "r_series": "4.5", "frozen_date": "2026-04-15"}"#;
    let facts: StatusFacts = serde_json::from_str(old).expect("it can be read");
    assert_eq!(facts.listed, Fact::Known(BTreeMap::new()));
    let advisories = facts.advisories.known().expect("they were known");
    assert_eq!(advisories["known"]["1.0"], ["x"], "a package may have any name");
    let stored = serde_json::to_string(&facts).expect("it can be written");
    assert_eq!(serde_json::from_str::<StatusFacts>(&stored).expect("it can be read again"), facts);
    let old = r#"{"version": "1.0", "commit": null, "published": null, "evidence": "unknown", "issues": [],
                  "unknown": ["CRAN did not answer"]}"#;
    let known: Assessment = serde_json::from_str(old).expect("it can be read");
    let again = serde_json::to_value(&known).expect("it can be written");
    assert_eq!(again.as_object().expect("an object").len(), 6, "nothing was added: {again}");
}
