//! Whether packages integrate, and, where not, what is at fault and what does.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidegate::ecosystem::conda::integrate::{Conflict, Integration, IntegrationTask, integrate};
use tidegate::ecosystem::conda::solution::Solution;
use tidegate::ecosystem::conda::solve::{SolveTask, solve};

use super::channel_builder::{Record, any_records, channel, quarrel, record};

/// What is chosen, as `name version build`.
fn chosen(solution: &Solution) -> Vec<String> {
    solution.environment().builds().map(ToString::to_string).collect()
}

/// The integration of these on linux-64, in a channel with these records.
fn integration(records: &[Record], wanted: &[&str]) -> Integration {
    let channels = [channel("main", records)];
    let wanted: Vec<String> = wanted.iter().map(|spec| (*spec).to_owned()).collect();
    let found = integrate(&IntegrationTask {
        channels: &channels,
        platforms: &["linux-64"],
        wanted: &wanted,
        constraints: &[],
        virtual_packages: BTreeMap::new(),
        timeout: Duration::from_secs(60),
        questions: 200,
    });
    found.unwrap().remove("linux-64").unwrap()
}

fn conflict(integration: Integration) -> Conflict {
    match integration {
        Integration::Conflicts(conflict) => *conflict,
        Integration::Integrates(solution) => panic!("{:?}", chosen(&solution)),
    }
}

#[test]
fn what_integrates_is_solved_together() {
    let Integration::Integrates(solution) = integration(&quarrel(), &["q2-old", "q2-more"]) else { panic!() };
    assert_eq!(chosen(&solution), ["numpy 1.26 0", "q2-more 1.0 0", "q2-old 1.0 0", "q2-other 1.0 0"]);
}

#[test]
fn of_two_that_exclude_each_other_the_later_one_gives_way() {
    let found = conflict(integration(&quarrel(), &["q2-more", "q2-old", "q2-other", "q2-new"]));
    assert_eq!(found.pair(), Some(("q2-old", "q2-new")));
    let largest = found.largest.unwrap();
    assert_eq!(largest.integrates, ["q2-more", "q2-old", "q2-other"]);
    assert_eq!(largest.left_out, ["q2-new"]);
}

#[test]
fn one_that_quarrels_with_all_gives_way_rather_than_all_others() {
    let mut records =
        vec![record("numpy 1.26 0", &[]), record("numpy 2.0 0", &[]), record("odd 1.0 0", &["numpy <2"])];
    records.extend((0..6).map(|n| record(&format!("q2-{n} 1.0 0"), &["numpy >=2"])));
    let wanted = ["odd", "q2-0", "q2-1", "q2-2", "q2-3", "q2-4", "q2-5"];
    let largest = conflict(integration(&records, &wanted)).largest.unwrap();
    assert_eq!(largest.left_out, ["odd"]);
    assert_eq!(largest.integrates, wanted[1..]);
    records.push(record("broken 1.0 0", &["nowhere"]));
    let largest = conflict(integration(&records, &[&wanted[..], &["broken"]].concat())).largest.unwrap();
    assert_eq!(largest.left_out, ["odd", "broken"]);
}

#[test]
fn a_member_that_cannot_be_installed_at_all_is_told_alone() {
    let mut records = quarrel();
    records.push(record("broken 1.0 0", &["nowhere >=1"]));
    let found = conflict(integration(&records, &["q2-old", "broken", "q2-other"]));
    assert_eq!(found.pair(), None);
    assert_eq!(found.at_fault, Some(vec!["broken".to_owned()]));
    insta::assert_snapshot!(found.explanation, @"
    broken * cannot be installed because there are no viable options:
    └─ broken 1.0 would require
       └─ nowhere >=1, for which no candidates were found.
    ");
}

#[test]
fn what_was_not_found_with_the_questions_allowed_is_not_claimed() {
    let channels = [channel("main", &quarrel())];
    let found = integrate(&IntegrationTask {
        channels: &channels,
        platforms: &["linux-64"],
        wanted: &["q2-old".to_owned(), "q2-other".to_owned(), "q2-new".to_owned()],
        constraints: &[],
        virtual_packages: BTreeMap::new(),
        timeout: Duration::from_secs(60),
        questions: 1,
    });
    let found = conflict(found.unwrap().remove("linux-64").unwrap());
    assert_eq!((found.at_fault, found.largest), (None, None));
    assert!(found.explanation.contains("q2-new"), "{}", found.explanation);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_integrates_can_be_installed_and_nothing_can_be_added(records in any_records()) {
        let wanted = ["p0", "p1", "p2", "p3", "p4", "p5"];
        if let Integration::Conflicts(found) = integration(&records, &wanted) {
            let channels = [channel("main", &records)];
            let possible = |specs: &[String]| {
                solve(&SolveTask::new(&channels, "linux-64").wanting(specs.to_vec())).is_ok()
            };
            let largest = found.largest.unwrap();
            prop_assert!(possible(&largest.integrates));
            prop_assert!(!possible(&found.at_fault.unwrap()));
            prop_assert_eq!(largest.integrates.len() + largest.left_out.len(), wanted.len());
            for away in &largest.left_out {
                prop_assert!(!possible(&[largest.integrates.clone(), vec![away.clone()]].concat()));
            }
        }
    }
}
