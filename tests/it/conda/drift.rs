//! A year of drift under a distribution that itself stays as it is: what turns red, what is tested, and
//! what is not.

use std::collections::BTreeMap;

use tidegate::decide::recheck::CaseState;
use tidegate::domain::TestVerdict;

use super::drift_passes::{Passes, compare, solve_all};
use super::drift_year::{DAYS, Size, Year};

/// About 1,500 records over the year. Something comes once a week, so that the year takes seconds.
const SMALL: Size =
    Size { members: 80, packages: 120, named: 3, versions: 10, every: 7, arrivals: 3, faults: 24 };

/// What a year came to, as counted beside the rule.
#[derive(Default)]
struct Tally {
    passes: usize,
    red_days: usize,
    /// Days on which a member's state was not that of its environment.
    wrong: Vec<String>,
    /// By the fault's number, the days on which its member was red for it.
    bites: BTreeMap<usize, usize>,
    /// Members that were red, and green again without a test.
    recovered_untested: usize,
}

#[test]
fn a_year_of_drift_misses_no_red_day_invents_none_and_tests_each_environment_once() {
    let year = Year::new(SMALL);
    let (tally, passes) = live_through(&year);
    assert_eq!(tally.wrong, Vec::<String>::new());
    let every_time = 80 * tally.passes;
    println!(
        "{} records, {} withdrawn; {} of {} faults bit, {} red days of members; {} passes with {} tests, \
         where testing everything each time takes {every_time}, and every day {}",
        year.records(),
        year.withdrawn(),
        tally.bites.len(),
        year.faults().len(),
        tally.red_days,
        tally.passes,
        passes.played(),
        80 * DAYS,
    );
    for tests in passes.tests() {
        assert!(tests.iter().all(|test| test.day == tests[0].day), "tested again on a later day");
        let first_pass = tests.iter().position(|test| test.verdict == TestVerdict::Pass);
        assert!(first_pass.is_none_or(|at| at + 1 == tests.len()), "tested again after it was green");
        assert!(tests.len() <= 2, "{} tests where two settle it", tests.len());
    }
    // A year in which nothing happens would prove nothing.
    assert!(tally.bites.len() * 4 >= year.faults().len() * 3, "{:?}", tally.bites);
    assert!(tally.recovered_untested > 0, "what is withdrawn leads back to an environment that was green");
    assert!(passes.played() * 2 < every_time, "{} tests", passes.played());
}

/// Every day of the year; as in the job, a day on which no channel changed is no pass.
fn live_through(year: &Year) -> (Tally, Passes) {
    let (mut tally, mut passes) = (Tally::default(), Passes::default());
    let mut yesterday = Vec::new();
    let (mut solved, mut states) = (Vec::new(), BTreeMap::new());
    for day in 0..DAYS {
        let index = year.external_index(day);
        if index != yesterday {
            yesterday.clone_from(&index);
            let channels = year.channels(index).unwrap();
            let members = year.members(&channels[0]).unwrap();
            solved = solve_all(&channels, &members);
            let plan = passes.pass(day, &solved, year.faults());
            tally.passes += 1;
            for verdict in plan.verdicts {
                let name = verdict.case.member.name;
                let before = states.insert(name, verdict.state);
                let recovered = (before, verdict.state) == (Some(CaseState::Red), CaseState::Green);
                tally.recovered_untested += usize::from(recovered && verdict.reused);
            }
        }
        let truth = compare(day, &states, &solved, year.faults());
        tally.wrong.extend(truth.wrong);
        tally.red_days += truth.red;
        truth.bitten.into_iter().for_each(|number| *tally.bites.entry(number).or_default() += 1);
    }
    (tally, passes)
}
