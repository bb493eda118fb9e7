//! The recheck rule: which tests the members of a metapackage need in today's environments, what their
//! results mean, and whether the whole may pass.
//!
//! A test is known by the exact build and the exact environment, not by the day. What was tested in an
//! environment is not tested in it again; a red result counts once it has been seen often enough to be
//! no flake; what the machine did is never blamed on the package.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::culprit::{self, CulpritFacts, GaveUp, Outcome, Step, Taken};
use crate::domain::{
    Build, Environment, EnvironmentChange, Evidence, FailedStep, RecheckCase, Solved, TestVerdict,
};

/// Everything the rule looks at for one metapackage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckFacts {
    /// The metapackage whose members these are.
    pub metapackage: Build,
    /// How often a red test is run in one environment before it counts; at least 1.
    pub confirm_red: u32,
    /// How often a test is tried in one pass whose machine fails; at least 1.
    pub infrastructure_attempts: u32,
    /// How many mixtures of two environments are tested at most to find the change at fault; 0: none is
    /// looked for.
    #[serde(default)]
    pub culprit_tests: u32,
    /// Members that may pass although they carry no tests, by name.
    pub without_tests: BTreeSet<String>,
    /// The files of the metapackage and its members that a person has withdrawn from the channel to which they
    /// would pass, with who and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub withdrawn: BTreeMap<String, String>,
    /// The platforms on which the metapackage cannot be installed as a whole, or nobody could tell, and why.
    /// Each member may be well by itself where two exclude each other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_whole: BTreeMap<String, String>,
    /// Every member on every platform in every mode, in any order.
    pub cases: Vec<CaseFacts>,
}

/// What is known of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFacts {
    /// The case.
    pub case: RecheckCase,
    /// Its environment of today, or why there is none.
    pub solved: Solved,
    /// Whether the build's archive carries tests.
    pub carries_tests: bool,
    /// Why the tests of the build are not known, or cannot be run anywhere; absent where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_tests: Option<String>,
    /// Why no test can be run here; absent where an engine takes them.
    pub untestable: Option<String>,
    /// The tests of this build on this platform in exactly this environment, oldest first.
    pub tests: Vec<PastTest>,
    /// The last environment in which the case was green.
    pub last_green: Option<Environment>,
    /// What the case last settled on, before this pass.
    pub before: Option<CaseState>,
    /// What was at fault when the case was red at the last pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blamed_before: Option<Blamed>,
    /// The mixtures of `last_green` and today's environment that were looked at, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixtures: Vec<KnownMixture>,
}

/// What was found to be at fault, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blamed {
    /// The fingerprint of the red environment.
    pub fingerprint: String,
    /// The changes, as people say them.
    pub changes: Vec<String>,
}

/// A mixture of two environments that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMixture {
    /// Whose changes it takes over.
    pub taken: Taken,
    /// How it came out.
    pub outcome: Outcome,
}

/// A test that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastTest {
    /// How it came out.
    pub verdict: TestVerdict,
    /// True where it was run by this very pass.
    pub this_pass: bool,
}

/// What a case stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseState {
    /// Tested, and nothing failed.
    Green,
    /// A test failed or took too long, or no environment can be found.
    Red,
    /// There is nothing to test. Never green.
    NoTests,
    /// A test is still wanted.
    Waiting,
    /// Nobody could tell: the machine failed each time it was tried, or its tests are not known.
    Unknown,
}

/// A test to be run now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedTest {
    /// The case that wants it. Cases that share build, platform and environment share the test.
    pub case: RecheckCase,
    /// The environment's fingerprint.
    pub fingerprint: String,
    /// Which try in this environment this is, counted from 1.
    pub attempt: u32,
}

/// A mixture to be looked at now, since a case is red and nobody knows why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedMixture {
    /// The case that wants it. Cases that share build, platform and both environments share the search.
    pub case: RecheckCase,
    /// The fingerprint of the environment in which it was green.
    pub green: String,
    /// The fingerprint of the one in which it is red.
    pub red: String,
    /// Whose changes the mixture takes over.
    pub taken: Taken,
}

/// Among what a fault lies that was not found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspected {
    /// The changes, as people say them.
    pub left: Vec<String>,
    /// Why the search ended.
    pub why: GaveUp,
}

/// What the rule says of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseVerdict {
    /// The case.
    pub case: RecheckCase,
    /// Where it stands.
    pub state: CaseState,
    /// What it stood at last that was no mere waiting: what a report compares with.
    pub settled: Option<CaseState>,
    /// The environment's fingerprint, where there is an environment.
    pub fingerprint: Option<String>,
    /// True where the result is that of an earlier pass: nothing was tested now.
    pub reused: bool,
    /// True where one test of several in the same environment came out otherwise than the others.
    pub flaky: bool,
    /// The result that decided.
    pub result: Option<TestVerdict>,
    /// What changed in the environment since the case was last green, as people say it.
    pub changed_since_green: Vec<String>,
    /// The changes of those that are at fault, where they were found; several break it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<Vec<String>>,
    /// Where the search for them ended without a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspected: Option<Suspected>,
}

/// Whether the metapackage and its members may pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Every case is green, or may go without tests.
    Open,
    /// Tests are still wanted.
    Waiting,
    /// These cases stand in the way.
    Closed(Vec<RecheckCase>),
    /// Every case is well, but the metapackage cannot be installed as a whole on these platforms.
    NotWhole(BTreeMap<String, String>),
    /// All is well, but a person has withdrawn these files, for these reasons.
    Withdrawn(BTreeMap<String, String>),
}

/// A case that settled on something else than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The case.
    pub case: RecheckCase,
    /// What it was; absent for a case that is new.
    pub from: Option<CaseState>,
    /// What it is.
    pub to: CaseState,
}

/// What the rule decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckPlan {
    /// The metapackage.
    pub metapackage: Build,
    /// A verdict for every case, in the order of member, platform and mode.
    pub verdicts: Vec<CaseVerdict>,
    /// The tests to be run, each once.
    pub tests: Vec<WantedTest>,
    /// The mixtures to be looked at to find what is at fault, each once. They hold nothing back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixtures: Vec<WantedMixture>,
    /// Whether the whole may pass.
    pub gate: Gate,
    /// What has to be reported, in the order of the verdicts. First sights that are green are no news.
    pub changes: Vec<StateChange>,
}

impl CaseState {
    /// The state as evidence.
    pub fn evidence(self) -> Evidence {
        match self {
            Self::Green => Evidence::Passing,
            Self::Red => Evidence::Failing,
            Self::Waiting => Evidence::Pending,
            Self::NoTests | Self::Unknown => Evidence::Unknown,
        }
    }

    /// True for what stays until something changes outside.
    fn is_settled(self) -> bool {
        matches!(self, Self::Green | Self::Red | Self::NoTests)
    }
}

impl WantedMixture {
    /// Whether both are the same step of the same search.
    fn is_same(&self, other: &Self) -> bool {
        let test = |one: &Self| (one.case.member.sha256.clone(), one.case.platform.clone());
        test(self) == test(other)
            && (&self.green, &self.red, &self.taken) == (&other.green, &other.red, &other.taken)
    }

    /// Whether the search is one for this case.
    fn is_for(&self, case: &CaseFacts) -> bool {
        let (Solved::Environment(red), Some(green)) = (&case.solved, &case.last_green) else { return false };
        (&self.case.member.sha256, &self.case.platform) == (&case.case.member.sha256, &case.case.platform)
            && (&self.green, &self.red) == (&green.fingerprint(), &red.fingerprint())
    }
}

impl RecheckFacts {
    /// Adds how a mixture came out, for every case that shares the search.
    pub fn learn(&mut self, wanted: &WantedMixture, outcome: Outcome) {
        for case in self.cases.iter_mut().filter(|case| wanted.is_for(case)) {
            case.mixtures.push(KnownMixture { taken: wanted.taken.clone(), outcome });
        }
    }
}

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
                (CaseState::Unknown, Some(TestVerdict::Infrastructure { why: why.clone() }))
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

/// Says what is at fault in a red case, or which mixture would tell.
fn blame(facts: &RecheckFacts, case: &CaseFacts, verdict: &mut CaseVerdict) -> Option<WantedMixture> {
    let (Solved::Environment(red), Some(green), CaseState::Red) =
        (&case.solved, &case.last_green, verdict.state)
    else {
        return None;
    };
    // The green environment is the same too: a green verdict would have come between.
    let again = |blamed: &&Blamed| verdict.fingerprint.as_ref() == Some(&blamed.fingerprint);
    if let Some(blamed) = case.blamed_before.as_ref().filter(again) {
        verdict.culprit = Some(blamed.changes.clone());
        return None;
    }
    let changes = green.changes_to(red);
    if facts.culprit_tests == 0 || changes.is_empty() {
        return None;
    }
    let known = case.mixtures.iter().map(|mixture| (mixture.taken.clone(), mixture.outcome)).collect();
    let blamed = |change: &&EnvironmentChange| {
        case.blamed_before.as_ref().is_some_and(|blamed| blamed.changes.contains(&change.to_string()))
    };
    let first = changes.iter().filter(blamed).map(|change| change.name.clone()).collect();
    let most_tests = facts.culprit_tests;
    let search = CulpritFacts { changes: &changes, known: &known, first: &first, most_tests };
    match culprit::step(&search) {
        Step::Found(taken) => verdict.culprit = Some(told(&changes, &taken)),
        Step::GaveUp { left, why } => {
            verdict.suspected = Some(Suspected { left: told(&changes, &left), why });
        }
        // Where no engine takes the test, there is nothing to be learnt.
        Step::Try(_) if case.untestable.is_some() => {}
        Step::Try(taken) => {
            let (green, red) = (green.fingerprint(), red.fingerprint());
            return Some(WantedMixture { case: case.case.clone(), green, red, taken });
        }
    }
    None
}

fn told(changes: &[EnvironmentChange], taken: &Taken) -> Vec<String> {
    changes.iter().filter(|change| taken.contains(&change.name)).map(ToString::to_string).collect()
}

/// What the tests of a mixture mean, oldest first; nothing while a test is still wanted. They count as
/// all tests do.
pub fn mixture_outcome(facts: &RecheckFacts, tests: &[PastTest]) -> Option<Outcome> {
    match from_tests(facts, tests).0 {
        CaseState::Green => Some(Outcome::Green),
        CaseState::Red => Some(Outcome::Red),
        CaseState::NoTests => Some(Outcome::Unsolvable),
        CaseState::Unknown => Some(Outcome::Unknown),
        CaseState::Waiting => None,
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
