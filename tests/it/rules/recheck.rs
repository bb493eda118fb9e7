//! Which members of a metapackage need a test, what the results mean, and when the whole may pass.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate::decide::conda_words::{case as in_words, summary};
use tidegate::decide::culprit::Outcome;
use tidegate::decide::recheck::{
    Blamed, CaseFacts, CaseState, Gate, PastTest, RecheckFacts, RecheckPlan, StateChange, answer, recheck,
};
use tidegate::domain::{
    Build, CulpritWish, Environment, FailedStep, RecheckCase, RecheckMode, Solved, TestVerdict,
};

fn build(name: &str, version: &str) -> Build {
    Build {
        name: name.to_owned(),
        version: version.to_owned(),
        build: "0".to_owned(),
        build_number: 0,
        subdir: "noarch".to_owned(),
        file_name: format!("{name}-{version}-0.conda"),
        sha256: format!("{name}-{version}"),
        channel: "/srv/staged".to_owned(),
    }
}

fn case(member: &str) -> RecheckCase {
    RecheckCase { member: build(member, "1.0"), platform: "linux-64".to_owned(), mode: RecheckMode::Latest }
}

/// The member beside `extdep` in the version given.
fn environment(member: &str, extdep: &str) -> Environment {
    Environment::new([build(member, "1.0"), build("extdep", extdep)])
}

/// A member with tests, in an environment in which it was never tested.
fn untested(member: &str) -> CaseFacts {
    CaseFacts {
        case: case(member),
        solved: Solved::Environment(environment(member, "1.0")),
        carries_tests: true,
        unknown_tests: None,
        untestable: None,
        tests: Vec::new(),
        last_green: None,
        before: None,
        blamed_before: None,
        asked_tests: None,
        mixtures: Vec::new(),
    }
}

fn tested(member: &str, tests: &[PastTest]) -> CaseFacts {
    CaseFacts { tests: tests.to_vec(), ..untested(member) }
}

fn now(verdict: TestVerdict) -> PastTest {
    PastTest { verdict, this_pass: true }
}

fn earlier(verdict: TestVerdict) -> PastTest {
    PastTest { verdict, this_pass: false }
}

fn fail() -> TestVerdict {
    let step = FailedStep::Command { number: 1, command: "pytest".to_owned(), exit: Some(3) };
    TestVerdict::Fail { step, detail: "assert False".to_owned() }
}

fn broken() -> TestVerdict {
    TestVerdict::Infrastructure { why: "the disk is full".to_owned() }
}

fn facts(cases: Vec<CaseFacts>) -> RecheckFacts {
    RecheckFacts {
        metapackage: build("qiime2-tiny", "2024.10"),
        confirm_red: 2,
        infrastructure_attempts: 3,
        culprit_tests: 20,
        withdrawn: BTreeMap::new(),
        not_whole: BTreeMap::new(),
        whole_unknown: BTreeMap::new(),
        without_tests: BTreeSet::new(),
        cases,
    }
}

fn decide(cases: Vec<CaseFacts>) -> RecheckPlan {
    recheck(&facts(cases))
}

fn state(case: CaseFacts) -> CaseState {
    decide(vec![case]).verdicts[0].state
}

#[test]
fn what_a_person_took_out_keeps_a_green_metapackage_from_passing() {
    let mut taken_out = facts(vec![tested("q2-types", &[now(TestVerdict::Pass)])]);
    assert_eq!(recheck(&taken_out).gate, Gate::Open);
    let files = BTreeMap::from([("noarch/q2-types-1.0-0.conda".to_owned(), "withdrawn by ada".to_owned())]);
    taken_out.withdrawn.clone_from(&files);
    assert_eq!(recheck(&taken_out).gate, Gate::Withdrawn(files));
}

#[test]
fn members_that_cannot_be_installed_together_do_not_pass() {
    let mut apart = facts(vec![tested("q2-types", &[now(TestVerdict::Pass)])]);
    let why = BTreeMap::from([("linux-64".to_owned(), "q2-types and q2cli exclude each other".to_owned())]);
    apart.not_whole.clone_from(&why);
    assert_eq!(recheck(&apart).gate, Gate::NotWhole(why.clone()));
    apart.withdrawn.insert("noarch/q2-types-1.0-0.conda".to_owned(), "withdrawn by ada".to_owned());
    assert_eq!(recheck(&apart).gate, Gate::NotWhole(why), "what nobody can install is told first");
    let late = BTreeMap::from([("linux-64".to_owned(), "the solver found no answer in 120 s".to_owned())]);
    let mut unknown = facts(vec![tested("q2-types", &[now(TestVerdict::Pass)])]);
    unknown.whole_unknown.clone_from(&late);
    assert_eq!(recheck(&unknown).gate, Gate::WholeUnknown(late), "unknown holds, and blames nobody");
    insta::assert_snapshot!(summary(&recheck(&unknown)), @"qiime2-tiny 2024.10 does not pass yet, since nobody could tell whether it can be installed as a whole on linux-64 (the solver found no answer in 120 s): 1 green");
    apart.cases = vec![untested("q2-types")];
    assert_eq!(recheck(&apart).gate, Gate::Waiting, "each is tested nevertheless");
}

#[test]
fn tests_that_are_not_known_are_nobodys_fault_and_never_a_pass() {
    let why = "info/tests/tests.yaml: tests of the kind `perl` cannot be run here".to_owned();
    let unknown = CaseFacts {
        carries_tests: false,
        unknown_tests: Some(why.clone()),
        before: Some(CaseState::Green),
        ..untested("q2-perl")
    };
    let plan = decide(vec![unknown.clone(), tested("q2-types", &[now(TestVerdict::Pass)])]);
    assert_eq!(plan.verdicts[0].state, CaseState::Unknown);
    assert_eq!(plan.verdicts[0].result, Some(TestVerdict::UnknownTests { why }));
    assert_eq!(plan.verdicts[0].settled, Some(CaseState::Green), "it is told once it is known again");
    assert!(plan.tests.is_empty() && plan.changes.is_empty());
    assert_eq!(plan.gate, Gate::Closed(vec![case("q2-perl")]));
    let allowed = RecheckFacts {
        without_tests: BTreeSet::from(["q2-perl".to_owned()]),
        ..facts(vec![unknown.clone()])
    };
    assert!(matches!(recheck(&allowed).gate, Gate::Closed(_)), "not known is not the same as none");
    let impossible = CaseFacts { solved: Solved::Impossible("no extdep".to_owned()), ..unknown };
    assert_eq!(state(impossible), CaseState::Red, "what cannot be installed needs no tests to be red");
}

#[test]
fn what_was_never_tested_in_its_environment_is_tested_once() {
    let plan = decide(vec![untested("q2-types"), untested("q2cli")]);
    assert_eq!(plan.tests.len(), 2);
    assert!(plan.tests.iter().all(|test| test.attempt == 1));
    assert_eq!(plan.gate, Gate::Waiting);
    assert!(plan.changes.is_empty(), "nothing has settled");
}

#[test]
fn what_was_green_in_the_same_environment_is_not_tested_again_and_says_so() {
    let plan = decide(vec![tested("q2-types", &[earlier(TestVerdict::Pass)])]);
    assert!(plan.tests.is_empty());
    assert_eq!(plan.gate, Gate::Open);
    assert!(plan.verdicts[0].reused);
}

#[test]
fn the_same_environment_in_two_modes_is_tested_once() {
    let pinned = CaseFacts {
        case: RecheckCase { mode: RecheckMode::Pinned, ..case("q2-types") },
        ..untested("q2-types")
    };
    assert_eq!(decide(vec![untested("q2-types"), pinned]).tests.len(), 1);
}

#[test]
fn one_failure_may_be_a_flake_and_two_are_none() {
    let once = decide(vec![tested("q2-types", &[now(fail())])]);
    assert_eq!(once.tests[0].attempt, 2, "the same environment once more");
    assert_eq!(state(tested("q2-types", &[now(fail()), now(fail())])), CaseState::Red);
    let flaky = decide(vec![tested("q2-types", &[now(fail()), now(TestVerdict::Pass)])]);
    assert_eq!(flaky.verdicts[0].state, CaseState::Green);
    assert!(flaky.verdicts[0].flaky);
}

#[test]
fn what_was_red_in_the_same_environment_stays_red_without_a_test() {
    let plan = decide(vec![tested("q2-types", &[earlier(fail()), earlier(fail())])]);
    assert!(plan.tests.is_empty());
    assert_eq!(plan.gate, Gate::Closed(vec![case("q2-types")]));
}

#[test]
fn a_package_without_tests_never_passes_by_itself() {
    let bare = CaseFacts { carries_tests: false, ..untested("q2-notest") };
    let plan = decide(vec![bare.clone()]);
    assert_eq!(plan.verdicts[0].state, CaseState::NoTests);
    assert_eq!(plan.gate, Gate::Closed(vec![case("q2-notest")]));
    let allowed =
        RecheckFacts { without_tests: BTreeSet::from(["q2-notest".to_owned()]), ..facts(vec![bare]) };
    assert_eq!(recheck(&allowed).gate, Gate::Open);
    assert_eq!(recheck(&allowed).verdicts[0].state, CaseState::NoTests, "allowed, and still no pass");
}

#[test]
fn a_metapackage_without_members_does_not_pass() {
    assert_eq!(decide(Vec::new()).gate, Gate::Closed(Vec::new()));
}

#[test]
fn what_has_no_environment_is_red_with_the_solvers_words() {
    let impossible = CaseFacts {
        solved: Solved::Impossible("nothing provides extdep >=3".to_owned()),
        ..untested("q2-unsat")
    };
    let plan = decide(vec![impossible]);
    assert_eq!(plan.verdicts[0].state, CaseState::Red);
    assert!(plan.tests.is_empty());
    let expected =
        TestVerdict::Fail { step: FailedStep::Solve, detail: "nothing provides extdep >=3".to_owned() };
    assert_eq!(plan.verdicts[0].result, Some(expected));
}

#[test]
fn the_machine_is_never_blamed_on_the_package() {
    assert_eq!(decide(vec![tested("q2-types", &[now(broken())])]).tests[0].attempt, 2);
    let thrice = tested("q2-types", &[now(broken()), now(broken()), now(broken())]);
    let plan = decide(vec![CaseFacts { before: Some(CaseState::Green), ..thrice }]);
    assert_eq!(plan.verdicts[0].state, CaseState::Unknown);
    assert_eq!(plan.verdicts[0].settled, Some(CaseState::Green), "what was known stays known");
    assert!(plan.changes.is_empty(), "nobody is told that a package is red");
    assert!(matches!(plan.gate, Gate::Closed(_)), "unknown holds");
    // The next pass tries again.
    let next_day = tested("q2-types", &[earlier(broken()), earlier(broken()), earlier(broken())]);
    assert_eq!(decide(vec![next_day]).tests[0].attempt, 4);
}

#[test]
fn what_cannot_be_tried_here_is_unknown_and_holds() {
    let elsewhere =
        CaseFacts { untestable: Some("no engine is for osx-64".to_owned()), ..untested("q2-types") };
    let plan = decide(vec![elsewhere.clone()]);
    assert_eq!((plan.verdicts[0].state, plan.tests.len()), (CaseState::Unknown, 0));
    assert!(matches!(plan.gate, Gate::Closed(_)));
    let told = in_words(&plan.verdicts[0]);
    insta::assert_snapshot!([told.sentence, told.reason, told.next].join("\n"), @r"
    q2-types 1.0 0 was not tested on linux-64 with the newest dependencies.
    No engine here takes its test: no engine is for osx-64.
    It is tested once a recheck has an engine for its platform.
    ");
    let known = CaseFacts { tests: vec![earlier(TestVerdict::Pass)], ..elsewhere.clone() };
    assert_eq!(state(known), CaseState::Green, "what was tested before is known");
    let unsolved = CaseFacts { solved: Solved::Unknown("the solver took too long".to_owned()), ..elsewhere };
    assert_eq!(state(unsolved), CaseState::Unknown);
}

#[test]
fn what_turned_red_names_what_changed_since_it_was_green() {
    let red = CaseFacts {
        solved: Solved::Environment(environment("q2-types", "2.0")),
        last_green: Some(environment("q2-types", "1.0")),
        before: Some(CaseState::Green),
        ..tested("q2-types", &[now(fail()), now(fail())])
    };
    let plan = decide(vec![red]);
    assert_eq!(plan.verdicts[0].changed_since_green, ["extdep 1.0 → 2.0"]);
    let change = StateChange { case: case("q2-types"), from: Some(CaseState::Green), to: CaseState::Red };
    assert_eq!(plan.changes, [change]);
}

/// Turned red in an environment with six new packages at once.
fn drifted() -> CaseFacts {
    let with = |version: &str| {
        let others = (1..=6).map(|number| build(&format!("dep{number}"), version));
        Environment::new(others.chain([build("q2-types", "1.0")]))
    };
    CaseFacts {
        solved: Solved::Environment(with("2.0")),
        last_green: Some(with("1.0")),
        before: Some(CaseState::Green),
        ..tested("q2-types", &[now(fail()), now(fail())])
    }
}

/// What a plan comes to where exactly these changes break the member, and after how many mixtures.
fn searched(mut facts: RecheckFacts, culprit: &[&str]) -> (RecheckPlan, usize) {
    let mut asked = 0;
    loop {
        let plan = recheck(&facts);
        let [wanted] = plan.mixtures.as_slice() else { return (plan, asked) };
        let red = culprit.iter().all(|name| wanted.taken.contains(*name));
        facts.learn(wanted, if red { Outcome::Red } else { Outcome::Green });
        asked += 1;
    }
}

#[test]
fn what_is_at_fault_is_looked_for_once_for_cases_that_share_everything_and_named_in_each() {
    let pinned =
        CaseFacts { case: RecheckCase { mode: RecheckMode::Pinned, ..case("q2-types") }, ..drifted() };
    let (plan, asked) = searched(facts(vec![drifted(), pinned]), &["dep2", "dep5"]);
    let named: Vec<_> = plan.verdicts.iter().map(|verdict| verdict.culprit.clone().unwrap()).collect();
    assert_eq!(named, vec![["dep2 1.0 → 2.0", "dep5 1.0 → 2.0"]; 2]);
    assert!((1..=20).contains(&asked), "{asked}");
    assert!(matches!(plan.gate, Gate::Closed(_)), "who is at fault changes nothing about the gate");
}

#[test]
fn the_search_holds_nothing_up_that_is_decided_already() {
    let plan = decide(vec![drifted()]);
    assert_eq!((plan.verdicts[0].state, plan.tests.len(), plan.mixtures.len()), (CaseState::Red, 0, 1));
    let waiting = CaseFacts { tests: Vec::new(), ..drifted() };
    assert!(decide(vec![waiting]).mixtures.is_empty(), "what is not red yet is not looked into");
    let off = RecheckFacts { culprit_tests: 0, ..facts(vec![drifted()]) };
    assert!(recheck(&off).mixtures.is_empty(), "it is switched off");
}

#[test]
fn what_was_at_fault_is_remembered_and_tried_first_among_other_changes() {
    let Solved::Environment(red) = drifted().solved else { unreachable!("it has an environment") };
    let changes = vec!["dep3 1.0 → 2.0".to_owned()];
    let same = Blamed { fingerprint: red.fingerprint(), changes: changes.clone() };
    let (plan, asked) =
        searched(facts(vec![CaseFacts { blamed_before: Some(same), ..drifted() }]), &["dep3"]);
    assert_eq!((plan.verdicts[0].culprit.as_ref(), asked), (Some(&changes), 0));
    let other = Blamed { fingerprint: "that of yesterday".to_owned(), changes: changes.clone() };
    let (plan, asked) =
        searched(facts(vec![CaseFacts { blamed_before: Some(other), ..drifted() }]), &["dep3"]);
    assert_eq!((plan.verdicts[0].culprit.as_ref(), asked), (Some(&changes), 1));
    let innocent =
        Blamed { fingerprint: "that of yesterday".to_owned(), changes: vec!["dep1 1.0 → 2.0".to_owned()] };
    let (plan, _) =
        searched(facts(vec![CaseFacts { blamed_before: Some(innocent), ..drifted() }]), &["dep3"]);
    assert_eq!(plan.verdicts[0].culprit.as_ref(), Some(&changes), "nothing is blamed for its past");
}

#[test]
fn a_change_is_reported_once_and_a_recovery_as_well() {
    let red = |before| {
        let tests = [earlier(fail()), earlier(fail())];
        decide(vec![CaseFacts { before, ..tested("q2-types", &tests) }]).changes.len()
    };
    assert_eq!((red(None), red(Some(CaseState::Green)), red(Some(CaseState::Red))), (1, 1, 0));
    let green = |before| {
        let tests = [now(TestVerdict::Pass)];
        decide(vec![CaseFacts { before, ..tested("q2-types", &tests) }]).changes.len()
    };
    assert_eq!((green(None), green(Some(CaseState::Red)), green(Some(CaseState::Green))), (0, 1, 0));
}

/// Any history of tests of one member.
fn histories() -> impl Strategy<Value = Vec<PastTest>> {
    let verdict = prop_oneof![
        Just(TestVerdict::Pass),
        Just(fail()),
        Just(TestVerdict::TimedOut { after: 60 }),
        Just(broken()),
    ];
    let test = (verdict, any::<bool>()).prop_map(|(verdict, this_pass)| PastTest { verdict, this_pass });
    proptest::collection::vec(test, 0..6)
}

proptest! {
    #[test]
    fn only_a_whole_green_metapackage_passes_in_whatever_order_it_is_told(
        members in proptest::collection::vec(histories(), 1..6),
        rotation in 0..6_usize,
    ) {
        let mut cases: Vec<CaseFacts> = members
            .iter()
            .enumerate()
            .map(|(number, tests)| tested(&format!("q2-{number}"), tests))
            .collect();
        let plan = decide(cases.clone());
        let all_passed = members.iter().all(|tests| {
            tests.iter().any(|test| test.verdict == TestVerdict::Pass)
        });
        prop_assert_eq!(plan.gate == Gate::Open, all_passed);
        let waiting = plan.verdicts.iter().filter(|verdict| verdict.state == CaseState::Waiting).count();
        prop_assert_eq!(plan.tests.len(), waiting, "a case waits exactly for a test");
        let length = cases.len();
        cases.rotate_left(rotation % length);
        prop_assert_eq!(decide(cases), plan);
    }
}

/// A red member whose `extdep` drifted, with as many tests as a person allowed.
fn red_since_drift(asked_tests: Option<u32>) -> CaseFacts {
    let mut red = tested("q2-types", &[now(fail()), now(fail())]);
    red.last_green = Some(environment("q2-types", "0.9"));
    CaseFacts { asked_tests, ..red }
}

fn asked(member: &str, platform: Option<&str>) -> CulpritWish {
    CulpritWish {
        distribution: "tiny".to_owned(),
        job: "recheck".to_owned(),
        member: member.to_owned(),
        platform: platform.map(str::to_owned),
        most_tests: 5,
        by: "ada".to_owned(),
        reason: "it is red".to_owned(),
    }
}

/// What is answered where the job looks for nothing by itself.
fn answered(case: CaseFacts, wish: &CulpritWish) -> Option<String> {
    let facts = RecheckFacts { culprit_tests: 0, ..facts(vec![case]) };
    answer(wish, &facts, &recheck(&facts))
}

#[test]
fn a_person_who_asks_has_the_fault_looked_for_where_the_job_does_not() {
    let without = RecheckFacts { culprit_tests: 0, ..facts(vec![red_since_drift(None)]) };
    assert_eq!(recheck(&without).verdicts[0].culprit, None);
    let with = RecheckFacts { culprit_tests: 0, ..facts(vec![red_since_drift(Some(5))]) };
    assert_eq!(recheck(&with).verdicts[0].culprit, Some(vec!["extdep 0.9 → 1.0".to_owned()]));
    let wish = asked("q2-types", None);
    assert_eq!(
        answered(red_since_drift(Some(5)), &wish).as_deref(),
        Some("on linux-64 (latest): at fault is extdep 0.9 → 1.0")
    );
    assert_eq!(answered(red_since_drift(None), &wish), None, "it was asked for after the pass had begun");
}

#[test]
fn an_answer_waits_until_it_is_known_and_says_why_nothing_was_looked_for() {
    let wish = asked("q2-types", Some("linux-64"));
    let with = |case: CaseFacts| answered(CaseFacts { asked_tests: Some(5), ..case }, &wish);
    assert_eq!(with(untested("q2-types")), None, "its test is still wanted");
    let machine = [now(broken()), now(broken()), now(broken())];
    assert_eq!(with(tested("q2-types", &machine)), None, "nobody knows how it stands");
    let green = tested("q2-types", &[now(TestVerdict::Pass)]);
    let never = CaseFacts { last_green: None, ..red_since_drift(None) };
    let same = CaseFacts { last_green: Some(environment("q2-types", "1.0")), ..red_since_drift(None) };
    let impossible =
        CaseFacts { solved: Solved::Impossible("no extdep >=3".to_owned()), ..red_since_drift(None) };
    let mut told: Vec<String> = [green, never, same, impossible].map(|case| with(case).unwrap()).to_vec();
    let elsewhere = asked("q2-types", Some("osx-64"));
    told.push(answered(red_since_drift(None), &elsewhere).unwrap());
    insta::assert_snapshot!(told.join("\n"), @r"
    on linux-64 (latest): it is not red
    on linux-64 (latest): it was never green, so there is nothing to compare with
    on linux-64 (latest): nothing changed in its environment since it was green
    on linux-64 (latest): no environment can be found for it, so there is none to compare
    qiime2-tiny 2024.10 does not hold it
    ");
}
