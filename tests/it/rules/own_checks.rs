//! tidegate's own `R CMD check`: which packages get one, what its end means, and what it clears.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate::decide::guard::{GuardMemory, GuardPolicy, review};
use tidegate::decide::own_check::{
    OwnCheckCase, OwnCheckFacts, OwnCheckPlan, PastCheck, dependency_commits, own_checks, verdict_of,
};
use tidegate::decide::status::{channel_status, own_findings};
use tidegate::decide::words::{issues_in_words, nothing_against};
use tidegate::domain::{
    Assessment, ChannelStatus, CheckLog, CheckedSource, Checks, Counts, Evidence, EvidencePolicy, Fact,
    FailedStep, IssueKind, OwnCheck, OwnResult, Recipe, StatusFacts, TestVerdict,
};
use tidegate::jobs::snapshot::Manifest;

use super::facts::{CANDIDATE_FREEZE, STANDSTILL, Scene, check, commit, kind, text, words};
use super::status::universe;

fn source() -> CheckedSource {
    CheckedSource {
        url: "https://staging.example.org/src/contrib/a_1.0.tar.gz".to_owned(),
        file: "a_1.0.tar.gz".to_owned(),
        sha256: "5".repeat(64),
    }
}

fn recipe() -> Recipe {
    let command = ["R", "CMD", "check", "--no-manual", "a_1.0.tar.gz"].map(str::to_owned).to_vec();
    Recipe { prepare: Vec::new(), command, network: false }
}

fn facts(tests: Vec<PastCheck>) -> OwnCheckFacts {
    let case = OwnCheckCase {
        version: "1.0".to_owned(),
        commit: "c".repeat(40),
        source: Fact::Known(source()),
        dependencies: BTreeMap::new(),
        recipe: recipe(),
        fingerprint: "f".repeat(64),
        tests,
    };
    OwnCheckFacts {
        distribution: "demo".to_owned(),
        channel: "staging".to_owned(),
        nominal: "2026-05-20T12:00:00Z".parse().unwrap(),
        r_series: "4.5".to_owned(),
        cran_date: "2026-04-15".parse().unwrap(),
        platform: "linux-64".to_owned(),
        attempts: 2,
        counts: Counts::Shown,
        packages: [("a".to_owned(), case)].into(),
    }
}

fn log(status: &str) -> CheckLog {
    CheckLog { r: Some("4.5.3".to_owned()), status: Some(status.to_owned()), unready: None }
}

fn past(verdict: TestVerdict, status: &str) -> PastCheck {
    let ended_at = "2026-05-20T10:00:00.5Z".parse().unwrap();
    PastCheck { verdict, log: log(status), ended_at, this_pass: true }
}

fn passes() -> PastCheck {
    past(TestVerdict::Pass, "1 NOTE")
}

fn fails() -> PastCheck {
    let step = FailedStep::Check("1 ERROR".to_owned());
    past(TestVerdict::Fail { step, detail: String::new() }, "1 ERROR")
}

fn slow() -> PastCheck {
    past(TestVerdict::TimedOut { after: 60 }, "")
}

fn broken() -> PastCheck {
    past(TestVerdict::Infrastructure { why: "the disk is full".to_owned() }, "")
}

fn plan_of(tests: &[PastCheck]) -> OwnCheckPlan {
    own_checks(&facts(tests.to_vec()))
}

fn result_of(tests: &[PastCheck]) -> (OwnResult, Option<u32>) {
    let plan = plan_of(tests);
    (plan.own_checks["a"].result, plan.tests.get("a").copied())
}

#[test]
fn a_check_that_fails_is_tried_again_before_it_counts() {
    assert_eq!(result_of(&[]), (OwnResult::Waiting, Some(1)));
    assert_eq!(result_of(&[fails()]), (OwnResult::Waiting, Some(2)));
    assert_eq!(result_of(&[fails(), fails()]), (OwnResult::Failed, None));
    assert_eq!(result_of(&[fails(), passes()]), (OwnResult::Passed, None), "a flake");
    assert_eq!(result_of(&[passes()]), (OwnResult::Passed, None), "what passed is not checked again");
}

#[test]
fn what_the_machine_did_and_what_took_too_long_is_no_failure() {
    assert_eq!(result_of(&[broken()]), (OwnResult::Unknown, None), "not again in this pass");
    let earlier = PastCheck { this_pass: false, ..broken() };
    assert_eq!(
        result_of(std::slice::from_ref(&earlier)),
        (OwnResult::Waiting, Some(2)),
        "but in the next one"
    );
    assert_eq!(result_of(&[slow()]), (OwnResult::Waiting, Some(2)));
    assert_eq!(result_of(&[slow(), fails()]), (OwnResult::Unknown, None));
    let slow = PastCheck { this_pass: false, ..slow() };
    assert_eq!(result_of(&[slow.clone(), slow]), (OwnResult::Unknown, None), "it would be as slow again");
    assert_eq!(result_of(&[earlier, fails(), fails()]), (OwnResult::Failed, None));
}

/// The same in another R than the targeted one, in an earlier pass.
fn in_other_r(test: PastCheck) -> PastCheck {
    let log = CheckLog { r: Some("4.4.1".to_owned()), ..test.log.clone() };
    PastCheck { log, this_pass: false, ..test }
}

#[test]
fn what_ran_in_another_r_stands_for_a_day_and_gives_way_to_the_targeted_one() {
    let on = |day: &str, tests: &[PastCheck]| {
        let mut facts = facts(tests.to_vec());
        facts.nominal = format!("{day}T12:00:00Z").parse().unwrap();
        let plan = own_checks(&facts);
        (plan.own_checks["a"].result, plan.tests.get("a").copied())
    };
    let other = in_other_r(passes());
    assert_eq!(on("2026-05-20", std::slice::from_ref(&other)), (OwnResult::Passed, None));
    assert_eq!(on("2026-05-22", std::slice::from_ref(&other)), (OwnResult::Waiting, Some(2)));
    let still = PastCheck { this_pass: true, ..in_other_r(fails()) };
    assert_eq!(on("2026-05-22", &[other.clone(), still]), (OwnResult::Passed, None), "once in a pass");
    assert_eq!(on("2026-05-22", &[other.clone(), passes()]), (OwnResult::Passed, None));
    assert_eq!(on("2026-05-22", &[other.clone(), fails()]), (OwnResult::Waiting, Some(3)));
    let astray = PastCheck { this_pass: true, ..other.clone() };
    assert_eq!(on("2026-05-22", &[fails(), astray]), (OwnResult::Unknown, None), "on a cluster of both");
    assert_eq!(on("2026-05-22", &[other, fails(), fails()]), (OwnResult::Failed, None));
}

#[test]
fn a_package_whose_source_cannot_be_had_is_not_checked() {
    let mut facts = facts(Vec::new());
    facts.packages.get_mut("a").unwrap().source = Fact::unknown("the universe offers no source");
    let plan = own_checks(&facts);
    assert!(plan.tests.is_empty());
    assert_eq!(plan.own_checks["a"].result, OwnResult::Unknown);
    assert_eq!(plan.own_checks["a"].said, "the universe offers no source");
    assert_eq!(plan.own_checks["a"].reproduce(), None);
}

#[test]
fn the_status_of_the_check_and_the_end_of_the_program_have_to_agree() {
    let exit = |code| {
        let step = FailedStep::Command { number: 1, command: "R".to_owned(), exit: Some(code) };
        TestVerdict::Fail { step, detail: "R: command not found".to_owned() }
    };
    let told = |ended: TestVerdict, log: &CheckLog| match verdict_of(ended, log) {
        TestVerdict::Pass => "passed".to_owned(),
        TestVerdict::Fail { step, .. } => format!("failed: {step}"),
        TestVerdict::Infrastructure { why } => format!("unknown: {why}"),
        other => format!("{other:?}"),
    };
    let unready = CheckLog { unready: Some("rlang is missing".to_owned()), ..log("1 ERROR") };
    let lines = [
        told(TestVerdict::Pass, &log("OK")),
        told(TestVerdict::Pass, &log("2 NOTEs")),
        told(TestVerdict::Pass, &log("1 WARNING, 1 NOTE")),
        told(exit(1), &log("1 ERROR, 2 WARNINGs")),
        told(exit(1), &unready),
        told(exit(127), &CheckLog::default()),
        told(TestVerdict::Pass, &CheckLog::default()),
        told(TestVerdict::Pass, &log("1 ERROR")),
        told(exit(1), &log("OK")),
        told(TestVerdict::TimedOut { after: 60 }, &log("OK")),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    passed
    passed
    failed: R CMD check ended with 1 WARNING, 1 NOTE
    failed: R CMD check ended with 1 ERROR, 2 WARNINGs
    unknown: rlang is missing
    unknown: the check came to no end of its own: R: command not found
    unknown: the check came to no end of its own: its log has no line `Status:`
    unknown: the check ended well though its log says `Status: 1 ERROR`
    unknown: the check ended with an error though its log says `Status: OK`
    TimedOut { after: 60 }
    ");
}

#[test]
fn the_command_that_reproduces_a_check_is_safe_to_paste() {
    let mut check = plan_of(&[passes()]).own_checks["a"].clone();
    insta::assert_snapshot!(check.reproduce().unwrap(), @"curl -fsSL -o a_1.0.tar.gz https://staging.example.org/src/contrib/a_1.0.tar.gz && echo '5555555555555555555555555555555555555555555555555555555555555555  a_1.0.tar.gz' | sha256sum -c && R CMD check --no-manual a_1.0.tar.gz");
    check.recipe.prepare = ["Rscript", "-e", "install.packages('it')"].map(str::to_owned).to_vec();
    insta::assert_snapshot!(check.reproduce().unwrap(), @r#"curl -fsSL -o a_1.0.tar.gz https://staging.example.org/src/contrib/a_1.0.tar.gz && echo '5555555555555555555555555555555555555555555555555555555555555555  a_1.0.tar.gz' | sha256sum -c && mkdir -p library && export R_LIBS="$PWD/library" && Rscript -e 'install.packages('\''it'\'')' && R CMD check --no-manual a_1.0.tar.gz"#);
}

/// `a` fails its checks in the universe where `configs` say, and depends on `b`, which depends on `base`.
fn failing_in(configs: &[&str]) -> StatusFacts {
    let mut facts = universe(&[("a", &["b", "cli"]), ("b", &["base"]), ("base", &[]), ("top", &["a"])]);
    let checks = configs.iter().map(|config| check("ERROR", config)).collect();
    facts.packages.get_mut("a").unwrap().checks = Checks::All(checks);
    facts
}

/// The same with an own check of what the universe has that passed in R 4.5.3 on Linux.
fn checked(configs: &[&str], counts: Counts) -> StatusFacts {
    let mut facts = failing_in(configs);
    let mut check = plan_of(&[passes()]).own_checks["a"].clone();
    check.counts = counts;
    check.dependencies = dependency_commits("a", |name| facts.packages.get(name));
    facts.own_checks.insert("a".to_owned(), check);
    facts
}

fn alter(mut facts: StatusFacts, change: impl FnOnce(&mut OwnCheck)) -> StatusFacts {
    change(facts.own_checks.get_mut("a").unwrap());
    facts
}

fn status(facts: &StatusFacts, policy: EvidencePolicy) -> ChannelStatus {
    channel_status(facts, &own_findings(facts, policy), policy)
}

fn a(facts: &StatusFacts) -> Assessment {
    status(facts, EvidencePolicy::Guarded).packages["a"].clone()
}

const LINUX: [&str; 2] = ["source", "linux-release-x86_64"];

#[test]
fn a_check_that_clears_lets_the_package_and_its_dependents_pass() {
    let clears = checked(&LINUX, Counts::Clears);
    let status = status(&clears, EvidencePolicy::Guarded);
    for package in ["a", "top"] {
        assert_eq!(status.packages[package].evidence, Evidence::Passing, "{package}");
    }
    assert_eq!(status.packages["a"].cleared.len(), 2);
    insta::assert_snapshot!(nothing_against(status.packages.get("a")), @"nothing speaks against it any more: R CMD check ends with ERROR on source and linux-release-x86_64, which tidegate's own R CMD check cleared: it passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE)");
}

#[test]
fn a_check_that_is_only_shown_is_told_and_changes_nothing() {
    let shown = a(&checked(&LINUX, Counts::Shown));
    assert_eq!((shown.evidence, shown.issues), (Evidence::Failing, a(&failing_in(&LINUX)).issues));
    insta::assert_snapshot!(issues_in_words(&a(&checked(&LINUX, Counts::Shown))), @"R CMD check ends with ERROR on source and linux-release-x86_64; tidegate's own R CMD check passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE), which does not change that");
}

#[test]
fn faithful_is_upstreams_rule_and_knows_no_own_check() {
    let faithful = |facts: &StatusFacts| status(facts, EvidencePolicy::Faithful).packages["a"].clone();
    let clears = faithful(&checked(&LINUX, Counts::Clears));
    assert_eq!(clears.evidence, Evidence::Failing);
    assert_eq!((clears.issues, clears.cleared), (faithful(&failing_in(&LINUX)).issues, Vec::new()));
}

#[test]
fn only_checks_on_the_same_operating_system_are_cleared() {
    let mixed = a(&checked(&["linux-release-x86_64", "windows-release", "wasm-release"], Counts::Clears));
    assert_eq!(mixed.evidence, Evidence::Failing);
    let left = issues_in_words(&mixed);
    assert!(left.starts_with("R CMD check ends with ERROR on windows-release and wasm-release"), "{left}");
    let configs: Vec<&str> = mixed.cleared.iter().map(|check| check.config.as_str()).collect();
    assert_eq!(configs, ["linux-release-x86_64"]);
    let elsewhere =
        alter(checked(&["windows-release"], Counts::Clears), |check| check.platform = "win-64".into());
    assert_eq!(a(&elsewhere).evidence, Evidence::Passing);
}

#[test]
fn a_check_counts_for_exactly_what_the_universe_has_now() {
    let fresh = || checked(&LINUX, Counts::Clears);
    assert_eq!(a(&fresh()).evidence, Evidence::Passing);
    let stale = [
        alter(fresh(), |check| check.version = "0.9".to_owned()),
        alter(fresh(), |check| check.commit = "d".repeat(40)),
        alter(fresh(), |check| check.r = Some("4.6.0".to_owned())),
        alter(fresh(), |check| check.r = None),
        alter(fresh(), |check| check.result = OwnResult::Failed),
        alter(fresh(), |check| check.result = OwnResult::Unknown),
        {
            let mut rebuilt = fresh();
            rebuilt.packages.get_mut("base").unwrap().commit = Some("e".repeat(40));
            rebuilt
        },
    ];
    for facts in stale {
        let assessment = a(&facts);
        assert_eq!(assessment.evidence, Evidence::Failing);
        assert!(assessment.cleared.is_empty());
    }
}

#[test]
fn nothing_but_bad_checks_is_ever_cleared() {
    let mut facts = checked(&LINUX, Counts::Clears);
    let package = facts.packages.get_mut("a").unwrap();
    package.foss = Some(false);
    package.remotes = vec!["x/y".to_owned()];
    facts.packages.get_mut("b").unwrap().foss = Some(false);
    facts.cran = Fact::Known([("a".to_owned(), "2.0".to_owned())].into());
    facts.advisories = Fact::Known(
        [("a".to_owned(), [("1.0".to_owned(), vec!["https://example.org/RSEC-1".to_owned()])].into())].into(),
    );
    let kinds: Vec<IssueKind> = a(&facts).issues.iter().map(|issue| issue.kind()).collect();
    use IssueKind::{Advisories, Cran, Dependencies, License, Remotes};
    assert_eq!(kinds, [Advisories, License, Remotes, Cran, Dependencies]);
}

#[test]
fn a_missing_check_is_not_made_up_for() {
    let mut facts = checked(&[], Counts::Clears);
    facts.packages.get_mut("a").unwrap().checks = Checks::All(Vec::new());
    assert_eq!(a(&facts).evidence, Evidence::Unknown);
}

#[test]
fn an_own_check_that_fails_makes_nobody_fail() {
    let mut facts = alter(checked(&[], Counts::Clears), |check| check.result = OwnResult::Failed);
    facts.packages.get_mut("a").unwrap().checks = Checks::All(vec![check("OK", "source")]);
    let assessment = a(&facts);
    assert_eq!((assessment.evidence, assessment.issues), (Evidence::Passing, Vec::new()));
}

#[test]
fn the_guard_does_not_take_cleared_checks_for_a_fault_of_the_source() {
    let names = ["a", "b", "c", "d", "e"];
    let mut facts = universe(&names.map(|name| (name, &[][..])));
    for package in facts.packages.values_mut() {
        package.checks = Checks::All(vec![check("ERROR", "linux-release-x86_64")]);
    }
    let policy = GuardPolicy { mass_change: 0.25, confirm_after: 3 };
    let look = |memory: &GuardMemory, facts: &StatusFacts, at: i64| {
        let own = own_findings(facts, EvidencePolicy::Guarded);
        review(memory, Timestamp::from_second(at).unwrap(), facts, own, (policy, None))
    };
    let first = look(&GuardMemory::default(), &facts, 0);
    let mut passed = plan_of(&[passes()]).own_checks["a"].clone();
    passed.counts = Counts::Clears;
    facts.own_checks = names.map(|name| (name.to_owned(), passed.clone())).into();
    let second = look(&first.memory, &facts, 3_600);
    assert_eq!(second.held, Vec::<String>::new());
    let status = channel_status(&facts, &second.findings, EvidencePolicy::Guarded);
    assert!(status.packages.values().all(|package| package.evidence == Evidence::Passing));
    // And back: the operator lets own checks only be shown again.
    facts.own_checks.clear();
    assert_eq!(look(&second.memory, &facts, 7_200).held, Vec::<String>::new());
}

/// A scene's package as `check-status` would draw it beside an own check.
fn with_own_check(scene: Scene, package: &str, counts: Counts) -> Scene {
    let drawn = a(&checked(&LINUX, counts));
    scene.package(package, "1.0").assess(package, |assessment| {
        assessment.evidence = drawn.evidence;
        assessment.issues = drawn.issues;
        assessment.cleared = drawn.cleared;
        assessment.own_check = drawn.own_check;
    })
}

#[test]
fn in_the_candidate_freeze_a_cleared_package_is_staged_and_a_shown_one_is_not() {
    use tidegate::domain::VerdictKind::{Failing, Proposed};
    let freeze = || Scene::follow(CANDIDATE_FREEZE);
    let scene = with_own_check(with_own_check(freeze(), "cleared", Counts::Clears), "shown", Counts::Shown);
    assert_eq!((kind(&scene, "cleared"), kind(&scene, "shown")), (Proposed, Failing));
    insta::assert_snapshot!(words(&scene, "cleared"), @"Proposed: Nothing speaks against it any more: R CMD check ends with ERROR on source and linux-release-x86_64, which tidegate's own R CMD check cleared: it passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE). It moves once the rolling pull request is merged.");
    insta::assert_snapshot!(words(&scene, "shown"), @"Failing: R CMD check ends with ERROR on source and linux-release-x86_64; tidegate's own R CMD check passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE), which does not change that. A release that mends it still gets into the snapshot of 2026-06-15 if it passes by then.");
    insta::assert_snapshot!("what_is_staged_since_it_was_cleared", text(&scene));
}

#[test]
fn a_pull_request_for_a_package_that_fails_shows_the_own_check_and_how_to_reproduce_it() {
    let scene = with_own_check(Scene::on(CANDIDATE_FREEZE), "a", Counts::Shown).releases("a", "1.1");
    let body = text(&scene);
    let evidence = body.split("### Evidence").nth(1).and_then(|rest| rest.split("###").next()).unwrap();
    insta::assert_snapshot!(evidence.trim(), @r"
    - The new version has a valid DESCRIPTION without `Remotes` and a version that rises. It is built and checked in staging after the merge.
    - `a`: `1.1` was not built at this commit in community, so nothing is known of it from there.
    - `a`: `1.0` fails in staging:
      - R CMD check: ERROR on source with R 4.5.3 ([log](https://github.com/r-universe/demo/actions/runs/1/job/6))
      - R CMD check: ERROR on linux-release-x86&#95;64 with R 4.5.3 ([log](https://github.com/r-universe/demo/actions/runs/1/job/20))
      - tidegate's own R CMD check passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE)
      - to reproduce that: `curl -fsSL -o a_1.0.tar.gz https://staging.example.org/src/contrib/a_1.0.tar.gz && echo '5555555555555555555555555555555555555555555555555555555555555555  a_1.0.tar.gz' | sha256sum -c && R CMD check --no-manual a_1.0.tar.gz`
    ");
}

#[test]
fn a_newer_release_of_a_cleared_package_waits_as_that_of_any_healthy_one() {
    let scene = with_own_check(Scene::on(CANDIDATE_FREEZE), "a", Counts::Clears).releases("a", "1.1");
    insta::assert_snapshot!(words(&scene, "a"), @"Frozen: It is healthy, and the candidate freeze keeps healthy packages still: R CMD check ends with ERROR on source and linux-release-x86_64, which tidegate's own R CMD check cleared: it passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE). It is considered again on 2026-07-15.");
}

#[test]
fn a_snapshot_says_which_package_an_own_check_let_in() {
    let scene = with_own_check(Scene::on(STANDSTILL), "cleared", Counts::Clears);
    let scene = with_own_check(scene, "shown", Counts::Shown).pinned_at("cleared", "1.0");
    assert_eq!(scene.facts.held_versions["cleared"], "1.0");
    let plan = super::snapshot::plan_of(&scene);
    let members: Vec<&str> = plan.members.iter().map(|member| member.package.as_str()).collect();
    assert_eq!(members, ["cleared"]);
    assert_eq!(plan.members[0].commit, commit("cleared", "1.0"));
    let let_in = plan.members[0].let_in_by.as_ref().unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(let_in).unwrap(), @r#"
    {
      "cleared": "R CMD check ends with ERROR on source and linux-release-x86_64, which tidegate's own R CMD check cleared: it passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE)",
      "r": "4.5.3",
      "checked_at": "2026-05-20T10:00:00.5Z",
      "sha256": "5555555555555555555555555555555555555555555555555555555555555555",
      "reproduce": "curl -fsSL -o a_1.0.tar.gz https://staging.example.org/src/contrib/a_1.0.tar.gz && echo '5555555555555555555555555555555555555555555555555555555555555555  a_1.0.tar.gz' | sha256sum -c && R CMD check --no-manual a_1.0.tar.gz"
    }
    "#);
    let manifest = Manifest::of(&plan, "demo", &scene.facts.targets);
    assert_eq!(manifest.packages[0].let_in_by.as_ref(), Some(let_in));
    insta::assert_snapshot!(plan.left_out[0].reason, @"R CMD check ends with ERROR on source and linux-release-x86_64; tidegate's own R CMD check passed at 2026-05-20T10:00:00Z in R 4.5.3 on linux-64 (status 1 NOTE), which does not change that.");
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    fn any_check() -> impl Strategy<Value = PastCheck> {
        prop_oneof![Just(passes()), Just(fails()), Just(slow()), Just(broken())].prop_flat_map(|test| {
            any::<bool>().prop_map(move |this_pass| PastCheck { this_pass, ..test.clone() })
        })
    }

    proptest! {
        #[test]
        fn only_a_check_that_passed_says_so_and_only_failures_make_one_fail(
            tests in proptest::collection::vec(any_check(), 0..8),
        ) {
            let (result, wanted) = result_of(&tests);
            let passed = tests.iter().any(|test| test.verdict == TestVerdict::Pass);
            let failed = tests.iter().filter(|test| matches!(test.verdict, TestVerdict::Fail { .. })).count();
            prop_assert_eq!(result == OwnResult::Passed, passed);
            prop_assert!(result != OwnResult::Failed || failed >= 2);
            prop_assert_eq!(wanted.is_some(), result == OwnResult::Waiting);
        }

        #[test]
        fn a_pass_comes_to_an_end_whatever_happens(ends in proptest::collection::vec(any_check(), 8)) {
            let mut tests = Vec::new();
            for end in ends {
                if result_of(&tests).1.is_none() {
                    break;
                }
                let end = if end.this_pass { end } else { in_other_r(end) };
                tests.push(PastCheck { this_pass: true, ..end });
            }
            prop_assert!(tests.len() <= 4, "{} checks in one pass", tests.len());
        }
    }
}
