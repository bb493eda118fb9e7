//! Which change of an environment broke a package, found by asking about mixtures of two environments.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate::decide::culprit::{CulpritFacts, GaveUp, Outcome, Step, Taken, mixture, step};
use tidegate::domain::{Build, Environment, EnvironmentChange};

fn build(name: &str, version: &str) -> Build {
    Build {
        name: name.to_owned(),
        version: version.to_owned(),
        build: "0".to_owned(),
        build_number: 0,
        subdir: "noarch".to_owned(),
        file_name: format!("{name}-{version}-0.conda"),
        sha256: format!("{name}-{version}"),
        channel: "/srv/forge".to_owned(),
    }
}

/// A rise from 1 to 2 of each package.
fn rises(names: &[String]) -> Vec<EnvironmentChange> {
    let rise = |name: &String| EnvironmentChange {
        name: name.clone(),
        from: Some(build(name, "1")),
        to: Some(build(name, "2")),
    };
    names.iter().map(rise).collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("dep{number:02}")).collect()
}

fn taken(names: &[&str]) -> Taken {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A search that ended.
struct Searched {
    end: Step,
    /// What was asked about, with the answers.
    known: BTreeMap<Taken, Outcome>,
}

impl Searched {
    fn tests(&self) -> usize {
        self.known.values().filter(|outcome| **outcome != Outcome::Unsolvable).count()
    }
}

/// Searches among these changes, with the answers of `world`.
fn search(changes: &[EnvironmentChange], most_tests: u32, world: impl Fn(&Taken) -> Outcome) -> Searched {
    search_from(&Taken::new(), changes, most_tests, world)
}

/// The same, where `first` was at fault before.
fn search_from(
    first: &Taken,
    changes: &[EnvironmentChange],
    most_tests: u32,
    world: impl Fn(&Taken) -> Outcome,
) -> Searched {
    let mut known = BTreeMap::new();
    loop {
        match step(&CulpritFacts { changes, known: &known, first, most_tests }) {
            Step::Try(wanted) => {
                let outcome = world(&wanted);
                assert!(known.insert(wanted, outcome).is_none(), "nothing is asked twice");
            }
            end => return Searched { end, known },
        }
    }
}

/// Red with all of the planted changes.
fn planted(culprit: &Taken) -> impl Fn(&Taken) -> Outcome {
    move |mixture| if culprit.is_subset(mixture) { Outcome::Red } else { Outcome::Green }
}

#[test]
fn the_only_change_is_at_fault_without_any_test() {
    let found = search(&rises(&names(1)), 20, |_| unreachable!("nothing has to be tested"));
    assert_eq!(found.end, Step::Found(taken(&["dep00"])));
}

#[test]
fn one_change_of_many_is_found_in_few_tests() {
    let found = search(&rises(&names(64)), 20, planted(&taken(&["dep41"])));
    assert_eq!(found.end, Step::Found(taken(&["dep41"])));
    assert!(found.tests() <= 12, "{} tests", found.tests());
}

#[test]
fn two_changes_that_only_break_it_together_are_both_named() {
    let pair = taken(&["dep01", "dep04"]);
    assert_eq!(search(&rises(&names(6)), 20, planted(&pair)).end, Step::Found(pair));
}

#[test]
fn what_cannot_be_installed_apart_is_suspected_together_and_nothing_else_is() {
    let twins = taken(&["dep02", "dep03"]);
    let found = search(&rises(&names(6)), 20, |mixture| {
        let together = mixture.contains("dep02") == mixture.contains("dep03");
        if together { planted(&taken(&["dep03"]))(mixture) } else { Outcome::Unsolvable }
    });
    assert_eq!(found.end, Step::GaveUp { left: twins, why: GaveUp::Inseparable });
}

#[test]
fn a_search_that_may_not_test_on_says_among_what_the_fault_lies() {
    let found = search(&rises(&names(8)), 1, planted(&taken(&["dep02"])));
    let left = taken(&["dep00", "dep01", "dep02", "dep03"]);
    assert_eq!(found.end, Step::GaveUp { left, why: GaveUp::TestsUsedUp });
    assert_eq!(found.tests(), 1);
}

#[test]
fn a_machine_that_fails_is_no_answer() {
    let culprit = taken(&["dep01"]);
    let found = search(&rises(&names(2)), 20, |_| Outcome::Unknown);
    assert_eq!(found.end, Step::GaveUp { left: taken(&["dep00", "dep01"]), why: GaveUp::MachineFailed });
    // Where the answer was not needed, its lack is no harm.
    let found = search(&rises(&names(2)), 20, |mixture| match mixture.contains("dep00") {
        true => Outcome::Unknown,
        false => planted(&culprit)(mixture),
    });
    assert_eq!(found.end, Step::Found(culprit));
}

#[test]
fn a_tangle_in_which_nothing_can_be_installed_ends() {
    let found = search(&rises(&names(300)), 20, |_| Outcome::Unsolvable);
    let left: Taken = names(300).into_iter().collect();
    assert_eq!(found.end, Step::GaveUp { left, why: GaveUp::TooManyUnsolvable });
    assert_eq!((found.known.len(), found.tests()), (200, 0));
}

#[test]
fn a_mixture_takes_over_what_it_names_and_leaves_the_rest_as_it_was() {
    let green = Environment::new(["a", "b", "gone", "same"].map(|name| build(name, "1")));
    let red = Environment::new([build("a", "2"), build("b", "2"), build("new", "2"), build("same", "1")]);
    let told = |taken: &Taken| -> Vec<String> {
        mixture(&green, &red, taken)
            .builds()
            .map(|build| format!("{} {}", build.name, build.version))
            .collect()
    };
    assert_eq!(told(&taken(&["a"])), ["a 2", "b 1", "gone 1", "same 1"]);
    assert_eq!(told(&taken(&["b", "gone", "new"])), ["a 1", "b 2", "new 2", "same 1"]);
    assert_eq!(mixture(&green, &red, &taken(&[])), green);
    assert_eq!(mixture(&green, &red, &taken(&["a", "b", "gone", "new"])), red);
}

/// Changes, and one or two of them that break everything.
fn worlds() -> impl Strategy<Value = (Vec<String>, Taken)> {
    (2..24_usize).prop_flat_map(|count| {
        let culprit = proptest::sample::subsequence(names(count), 1..=2);
        (Just(names(count)), culprit.prop_map(|names| names.into_iter().collect()))
    })
}

/// Pairs of changes that have to be taken over both or not at all.
fn bonds() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0..24_usize, 0..24_usize), 0..6)
}

fn can_be_installed(mixture: &Taken, bonds: &[(usize, usize)], count: usize) -> bool {
    let has = |number: &usize| mixture.contains(&format!("dep{:02}", number % count));
    bonds.iter().all(|(one, other)| has(one) == has(other))
}

proptest! {
    #[test]
    fn exactly_what_was_planted_is_found_where_everything_can_be_installed(
        (names, culprit) in worlds(),
        rotation in 0..24_usize,
    ) {
        let mut changes = rises(&names);
        let found = search(&changes, 1000, planted(&culprit));
        prop_assert_eq!(&found.end, &Step::Found(culprit.clone()));
        changes.rotate_left(rotation % names.len());
        let again = search(&changes, 1000, planted(&culprit));
        prop_assert_eq!((again.end, again.known), (found.end, found.known), "the order counts for nothing");
    }

    #[test]
    fn what_is_found_holds_the_culprit_and_nothing_that_could_be_left_out(
        (names, culprit) in worlds(),
        bonds in bonds(),
        first in proptest::sample::subsequence(names(24), 0..4),
        most_tests in 0..40_u32,
    ) {
        let first: Taken = first.into_iter().collect();
        let world = |mixture: &Taken| match can_be_installed(mixture, &bonds, names.len()) {
            true => planted(&culprit)(mixture),
            false => Outcome::Unsolvable,
        };
        let found = search_from(&first, &rises(&names), most_tests, world);
        prop_assert!(found.tests() <= most_tests as usize, "{} tests of {most_tests}", found.tests());
        let (Step::Found(left) | Step::GaveUp { left, .. }) = &found.end else { unreachable!("it has ended") };
        prop_assert!(culprit.is_subset(left));
        if let Step::GaveUp { why: GaveUp::Inseparable, .. } = found.end {
            prop_assert!(!bonds.is_empty(), "everything can be installed");
        }
        if matches!(found.end, Step::Found(_)) {
            for name in left {
                let mut without: BTreeSet<String> = left.clone();
                without.remove(name);
                prop_assert!(without.is_empty() || world(&without) == Outcome::Green, "{} is innocent", name);
            }
        }
    }

    #[test]
    fn a_search_that_is_cut_off_goes_on_from_what_is_known((names, culprit) in worlds(), after in 0..20_usize) {
        let changes = rises(&names);
        let whole = search(&changes, 1000, planted(&culprit));
        // A row may be lost with a crash, whichever it is: only its mixture is asked about again.
        let known: BTreeMap<Taken, Outcome> = whole.known.iter().take(after).map(|(a, b)| (a.clone(), *b)).collect();
        let next = step(&CulpritFacts { changes: &changes, known: &known, first: &Taken::new(), most_tests: 1000 });
        match next {
            Step::Try(wanted) => prop_assert!(whole.known.contains_key(&wanted) && !known.contains_key(&wanted)),
            end => prop_assert_eq!(end, whole.end),
        }
    }
}
