//! Rechecks day after day with the real solver and the real rule, where a memory stands in for the store
//! and tests are played. The benches use it too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate::decide::recheck::{CaseFacts, CaseState, PastTest, RecheckFacts, RecheckPlan, recheck};
use tidegate::domain::{Build, Environment, FailedStep, RecheckCase, RecheckMode, Solved, TestVerdict};
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::solve::{SolveError, SolveTask, solve};
use tidegate::ecosystem::conda::spec::exact_spec;

use super::drift_year::Fault;

/// A member and its environment of a day.
pub type SolvedCase = (RecheckCase, Solved);

/// What earlier passes left behind.
#[derive(Default)]
pub struct Passes {
    /// The tests of a build (by SHA-256) in an environment (by fingerprint), oldest first.
    tests: BTreeMap<(String, String), Vec<Played>>,
    settled: BTreeMap<String, CaseState>,
    green: BTreeMap<String, Environment>,
}

/// A test that was played.
pub struct Played {
    /// The day of the pass that wanted it.
    pub day: u32,
    /// How it came out.
    pub verdict: TestVerdict,
}

/// What testing everything on a day would have found, beside what was decided.
#[derive(Default)]
pub struct Truth {
    /// The numbers of the faults that broke a member on that day, once for each member.
    pub bitten: Vec<usize>,
    /// How many members are red.
    pub red: usize,
    /// Every member whose state is not that of its environment, in words.
    pub wrong: Vec<String>,
}

/// Compares the states that were decided with what every environment of the day is by itself.
pub fn compare(
    day: u32,
    states: &BTreeMap<String, CaseState>,
    solved: &[SolvedCase],
    faults: &[Fault],
) -> Truth {
    let mut truth = Truth::default();
    for (case, solved) in solved {
        let name = &case.member.name;
        let environment = environment(solved).expect("every member can be installed all year");
        let bitten = faults.iter().enumerate().filter(|(_, fault)| fault.breaks(name, environment));
        let bitten: Vec<usize> = bitten.map(|(number, _)| number).collect();
        let really = if bitten.is_empty() { CaseState::Green } else { CaseState::Red };
        truth.red += usize::from(!bitten.is_empty());
        truth.bitten.extend(bitten);
        let decided = states.get(name);
        if decided != Some(&really) {
            truth.wrong.push(format!("day {day}: {name} is {decided:?} and not {really:?}"));
        }
    }
    truth
}

/// Solves for every member as the job does: the other members are those of the distribution.
pub fn solve_all(channels: &[ChannelIndex], members: &[Build]) -> Vec<SolvedCase> {
    let constraints: Vec<String> = members.iter().map(exact_spec).collect();
    let one = |member: &Build| {
        let task = SolveTask {
            constraints: constraints.clone(),
            timeout: Duration::from_secs(120),
            ..SolveTask::new(channels, "linux-64").wanting([exact_spec(member)])
        };
        let solved = match solve(&task) {
            Ok(solution) => Solved::Environment(solution.environment()),
            Err(SolveError::Impossible { explanation, .. }) => Solved::Impossible(explanation),
            Err(error) => Solved::Unknown(error.to_string()),
        };
        let (member, platform) = (member.clone(), "linux-64".to_owned());
        (RecheckCase { member, platform, mode: RecheckMode::Latest }, solved)
    };
    members.iter().map(one).collect()
}

impl Passes {
    /// One pass: decides, plays the wanted tests, and decides again until none is wanted.
    pub fn pass(&mut self, day: u32, solved: &[SolvedCase], faults: &[Fault]) -> RecheckPlan {
        let environments: BTreeMap<&RecheckCase, &Environment> =
            solved.iter().filter_map(|(case, solved)| Some((case, environment(solved)?))).collect();
        let plan = loop {
            let plan = recheck(&self.facts(day, solved));
            if plan.tests.is_empty() {
                break plan;
            }
            for wanted in &plan.tests {
                let environment = environments[&wanted.case];
                let verdict = play(&wanted.case, environment, wanted.attempt, faults);
                let key = (wanted.case.member.sha256.clone(), wanted.fingerprint.clone());
                self.tests.entry(key).or_default().push(Played { day, verdict });
            }
        };
        for verdict in &plan.verdicts {
            let name = &verdict.case.member.name;
            self.settled.extend(verdict.settled.map(|state| (name.clone(), state)));
            if verdict.state == CaseState::Green {
                self.green.insert(name.clone(), environments[&verdict.case].clone());
            }
        }
        plan
    }

    /// The facts of a day, as the job would gather them.
    pub fn facts(&self, day: u32, solved: &[SolvedCase]) -> RecheckFacts {
        let case_facts = |(case, solved): &SolvedCase| {
            let key = environment(solved).map(|found| (case.member.sha256.clone(), found.fingerprint()));
            let played = key.and_then(|key| self.tests.get(&key)).into_iter().flatten();
            CaseFacts {
                case: case.clone(),
                solved: solved.clone(),
                carries_tests: true,
                unknown_tests: None,
                untestable: None,
                tests: played
                    .map(|test| PastTest { verdict: test.verdict.clone(), this_pass: test.day == day })
                    .collect(),
                last_green: self.green.get(&case.member.name).cloned(),
                before: self.settled.get(&case.member.name).copied(),
                blamed_before: None,
                asked_tests: None,
                mixtures: Vec::new(),
            }
        };
        RecheckFacts {
            culprit_tests: 0,
            metapackage: solved[0].0.member.clone(),
            confirm_red: 2,
            infrastructure_attempts: 3,
            withdrawn: BTreeMap::new(),
            not_whole: BTreeMap::new(),
            whole_unknown: BTreeMap::new(),
            without_tests: BTreeSet::new(),
            cases: solved.iter().map(case_facts).collect(),
        }
    }

    /// The tests that were played, by build and environment.
    pub fn tests(&self) -> impl Iterator<Item = &[Played]> {
        self.tests.values().map(Vec::as_slice)
    }

    /// How many tests were played.
    pub fn played(&self) -> usize {
        self.tests.values().map(Vec::len).sum()
    }
}

/// How a test comes out: red where the environment holds what breaks the member. In a few environments,
/// which their fingerprints choose, the first try fails for no reason or the machine fails.
fn play(case: &RecheckCase, environment: &Environment, attempt: u32, faults: &[Fault]) -> TestVerdict {
    let fail = |detail: &str| {
        let step = FailedStep::Command { number: 1, command: "pytest".to_owned(), exit: Some(1) };
        TestVerdict::Fail { step, detail: detail.to_owned() }
    };
    let fingerprint = environment.fingerprint();
    match () {
        () if faults.iter().any(|fault| fault.breaks(&case.member.name, environment)) => fail("broken"),
        () if attempt == 1 && fingerprint.as_str() < "04" => fail("a flake"),
        () if attempt == 1 && fingerprint.as_str() < "06" => {
            TestVerdict::Infrastructure { why: "the disk is full".to_owned() }
        }
        () => TestVerdict::Pass,
    }
}

/// The environment, where there is one.
pub fn environment(solved: &Solved) -> Option<&Environment> {
    match solved {
        Solved::Environment(environment) => Some(environment),
        Solved::Impossible(_) | Solved::Unknown(_) => None,
    }
}
