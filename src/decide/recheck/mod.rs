//! The recheck rule: which tests the members of a metapackage need in today's environments, what their
//! results mean, and whether the whole may pass.
//!
//! A test is known by the exact build and the exact environment, not by the day. What was tested in an
//! environment is not tested in it again; a red result counts once it has been seen often enough to be
//! no flake; what the machine did is never blamed on the package.

mod facts;
mod fault;
mod plan;

use std::collections::BTreeMap;

use crate::domain::{Build, Environment, FailedStep, Solved, TestVerdict};

pub use facts::{Blamed, CaseFacts, KnownMixture, PastTest, RecheckFacts};
pub use fault::{answer, mixture_outcome};
pub use plan::{
    CaseState, CaseVerdict, Gate, RecheckPlan, StateChange, Suspected, WantedMixture, WantedTest,
};

use fault::blame;

/// The version of the metapackage that is to be tested: the newest one, which has to be the same on all
/// platforms. Else the reason why there is none yet.
pub fn version_to_test<'b>(newest: &BTreeMap<&str, Option<&'b Build>>) -> Result<&'b str, String> {
    let mut versions: BTreeMap<&str, &str> = BTreeMap::new();
    for (platform, build) in newest {
        match build {
            Some(build) => versions.insert(&build.version, platform),
            None => return Err(format!("there is none for {platform}")),
        };
    }
    let told: Vec<String> =
        versions.iter().map(|(version, platform)| format!("{version} for {platform}")).collect();
    match versions.keys().next() {
        Some(version) if versions.len() == 1 => Ok(version),
        _ => Err(format!("the newest one differs by platform: {}", told.join(", "))),
    }
}

/// Decides. The same facts in any order give the same plan.
pub fn recheck(facts: &RecheckFacts) -> RecheckPlan {
    let mut cases: Vec<&CaseFacts> = facts.cases.iter().collect();
    cases.sort_by(|a, b| a.case.cmp(&b.case));
    let mut verdicts = Vec::with_capacity(cases.len());
    let mut wanted: BTreeMap<(String, String, String), WantedTest> = BTreeMap::new();
    let mut mixtures: Vec<WantedMixture> = Vec::new();
    let mut changes = Vec::new();
    for case in cases {
        let mut verdict = judge(facts, case);
        if let Some(mixture) = blame(facts, case, &mut verdict)
            && !mixtures.iter().any(|other| other.is_same(&mixture))
        {
            mixtures.push(mixture);
        }
        if let (CaseState::Waiting, Some(fingerprint)) = (verdict.state, &verdict.fingerprint) {
            let key = (case.case.member.sha256.clone(), case.case.platform.clone(), fingerprint.clone());
            wanted.entry(key).or_insert_with(|| WantedTest {
                case: case.case.clone(),
                fingerprint: fingerprint.clone(),
                attempt: u32::try_from(case.tests.len()).unwrap_or(u32::MAX - 1) + 1,
            });
        }
        changes.extend(change_of(case, verdict.state));
        verdicts.push(verdict);
    }
    let gate = gate(facts, &verdicts);
    let tests = wanted.into_values().collect();
    RecheckPlan { metapackage: facts.metapackage.clone(), verdicts, tests, mixtures, gate, changes }
}

/// What the tests so far mean for one case.
fn judge(facts: &RecheckFacts, case: &CaseFacts) -> CaseVerdict {
    let environment = match &case.solved {
        Solved::Environment(environment) => Some(environment),
        Solved::Impossible(_) | Solved::Unknown(_) => None,
    };
    let (state, result) = match &case.solved {
        Solved::Impossible(why) => {
            let step = FailedStep::Solve;
            (CaseState::Red, Some(TestVerdict::Fail { step, detail: why.clone() }))
        }
        Solved::Unknown(why) => (CaseState::Unknown, Some(TestVerdict::Infrastructure { why: why.clone() })),
        Solved::Environment(_) if case.unknown_tests.is_some() => {
            let why = case.unknown_tests.clone().unwrap_or_default();
            (CaseState::Unknown, Some(TestVerdict::UnknownTests { why }))
        }
        Solved::Environment(_) if !case.carries_tests => (CaseState::NoTests, Some(TestVerdict::NoTests)),
        Solved::Environment(_) => match (from_tests(facts, &case.tests), &case.untestable) {
            ((CaseState::Waiting, _), Some(why)) => {
                (CaseState::Unknown, Some(TestVerdict::NoEngine { why: why.clone() }))
            }
            (found, _) => found,
        },
    };
    let red = |test: &PastTest| is_red(&test.verdict);
    let changed = match (environment, &case.last_green, state) {
        (Some(now), Some(green), CaseState::Red) => green.changes_to(now),
        _ => Vec::new(),
    };
    CaseVerdict {
        case: case.case.clone(),
        state,
        settled: if state.is_settled() { Some(state) } else { case.before },
        fingerprint: environment.map(Environment::fingerprint),
        reused: state.is_settled() && !case.tests.is_empty() && !case.tests.iter().any(|test| test.this_pass),
        flaky: case.tests.iter().any(red) && case.tests.iter().any(|test| test.verdict == TestVerdict::Pass),
        result,
        changed_since_green: changed.iter().map(ToString::to_string).collect(),
        culprit: None,
        suspected: None,
    }
}

/// One pass in an environment settles it, since nothing of the environment speaks against the package;
/// a red result has to be seen `confirm_red` times.
fn from_tests(facts: &RecheckFacts, tests: &[PastTest]) -> (CaseState, Option<TestVerdict>) {
    let last = |wanted: fn(&TestVerdict) -> bool| {
        tests.iter().rev().map(|test| &test.verdict).find(|verdict| wanted(verdict)).cloned()
    };
    if let Some(pass) = last(|verdict| *verdict == TestVerdict::Pass) {
        return (CaseState::Green, Some(pass));
    }
    if let Some(none) = last(|verdict| *verdict == TestVerdict::NoTests) {
        return (CaseState::NoTests, Some(none));
    }
    let reds = tests.iter().filter(|test| is_red(&test.verdict)).count();
    if reds >= facts.confirm_red.max(1) as usize {
        return (CaseState::Red, last(is_red));
    }
    let broken = tests.iter().filter(|test| test.this_pass && is_infrastructure(&test.verdict)).count();
    if broken >= facts.infrastructure_attempts.max(1) as usize {
        return (CaseState::Unknown, last(is_infrastructure));
    }
    (CaseState::Waiting, None)
}

fn is_red(verdict: &TestVerdict) -> bool {
    matches!(verdict, TestVerdict::Fail { .. } | TestVerdict::TimedOut { .. })
}

fn is_infrastructure(verdict: &TestVerdict) -> bool {
    matches!(verdict, TestVerdict::Infrastructure { .. })
}

fn gate(facts: &RecheckFacts, verdicts: &[CaseVerdict]) -> Gate {
    let blocks = |verdict: &&CaseVerdict| match verdict.state {
        CaseState::Green => false,
        CaseState::NoTests => !facts.without_tests.contains(&verdict.case.member.name),
        CaseState::Red | CaseState::Waiting | CaseState::Unknown => true,
    };
    let closed: Vec<&CaseVerdict> = verdicts.iter().filter(blocks).collect();
    if verdicts.iter().any(|verdict| verdict.state == CaseState::Waiting) {
        return Gate::Waiting;
    }
    // A metapackage of which nothing is known is not one in which all is well.
    match closed.is_empty() && !verdicts.is_empty() {
        true if !facts.not_whole.is_empty() => Gate::NotWhole(facts.not_whole.clone()),
        true if !facts.whole_unknown.is_empty() => Gate::WholeUnknown(facts.whole_unknown.clone()),
        true if !facts.withdrawn.is_empty() => Gate::Withdrawn(facts.withdrawn.clone()),
        true => Gate::Open,
        false => Gate::Closed(closed.into_iter().map(|verdict| verdict.case.clone()).collect()),
    }
}

fn change_of(case: &CaseFacts, state: CaseState) -> Option<StateChange> {
    let news = state.is_settled() && case.before != Some(state);
    let silent = case.before.is_none() && state == CaseState::Green;
    (news && !silent).then(|| StateChange { case: case.case.clone(), from: case.before, to: state })
}
