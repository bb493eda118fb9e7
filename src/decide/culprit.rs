//! Which change of an environment turned a package red: the search in mixtures of the environment in
//! which it was green last and the one in which it is red.
//!
//! A mixture takes over some of the changes and leaves the others as they were. The search is `ddmin` of
//! Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on
//! Software Engineering 28(2), 2002: halves first, then finer parts and what is left without each of them,
//! until no part can be left out. A mixture that cannot be installed is unresolved there, as it is here:
//! it speaks neither for nor against its changes.
//!
//! Each step walks the whole search again over what is known, so that it can be stopped anywhere and goes
//! on from the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Build, Environment, EnvironmentChange};

/// The most mixtures of one search that may turn out not to be installable. They cost no test, but each
/// costs a solve, and of a large environment in which everything hangs together there are very many.
const MOST_UNSOLVABLE: usize = 200;

/// The names of the packages whose changes a mixture takes over.
pub type Taken = BTreeSet<String>;

/// What is known of one mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The tests pass in it.
    Green,
    /// They fail in it.
    Red,
    /// It cannot be installed, or holds nothing to test.
    Unsolvable,
    /// The machine failed, or the solver took too long.
    Unknown,
}

/// Everything that the search looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CulpritFacts<'f> {
    /// What changed from the green environment to the red one, in any order; at least one change.
    pub changes: &'f [EnvironmentChange],
    /// What is known of mixtures. That of no change is green and that of all is red, without being here.
    pub known: &'f BTreeMap<Taken, Outcome>,
    /// What was at fault in an earlier search, which is asked about first: what broke it once may still
    /// do so among other changes. Empty where there is nothing to go by.
    pub first: &'f Taken,
    /// How many mixtures are tested at most.
    pub most_tests: u32,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This mixture has to be known next.
    Try(Taken),
    /// These changes are at fault: with all of them the tests fail, and without any one of them they pass.
    Found(Taken),
    /// The search ends without a result.
    GaveUp {
        /// The smallest mixture that is known to be red: the fault lies among its changes.
        left: Taken,
        /// Why it ends.
        why: GaveUp,
    },
}

/// Why a search ends without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GaveUp {
    /// Everything that may be tested was tested.
    TestsUsedUp,
    /// What is left cannot be installed in parts.
    Inseparable,
    /// Too many mixtures cannot be installed.
    TooManyUnsolvable,
    /// The machine failed where it mattered. It may not the next time.
    MachineFailed,
}

impl fmt::Display for GaveUp {
    /// A clause for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TestsUsedUp => "the tests that `culprit_tests` allows were used up",
            Self::Inseparable => "mixtures with only some of them cannot be installed",
            Self::TooManyUnsolvable => "too many mixtures of the two environments cannot be installed",
            Self::MachineFailed => "the machine failed at some of the tests",
        })
    }
}

/// The next step of the search. The same facts in any order give the same step.
pub fn step(facts: &CulpritFacts<'_>) -> Step {
    let names: Taken = facts.changes.iter().map(|change| change.name.clone()).collect();
    let left = names.into_iter().collect();
    let mut walk = Walk { facts, left, tested: BTreeSet::new(), unsolvable: BTreeSet::new() };
    match walk.narrow() {
        Ok(()) => walk.end(),
        Err(Stop::Open(taken)) => Step::Try(taken),
        Err(Stop::Over(why)) => Step::GaveUp { left: walk.left.into_iter().collect(), why },
    }
}

/// The mixture of both environments in which the changes of `taken` are those of `red`. All other
/// packages that differ are as in `green`; one that a side does not have is absent.
pub fn mixture(green: &Environment, red: &Environment, taken: &Taken) -> Environment {
    let kept: Taken = green
        .changes_to(red)
        .into_iter()
        .map(|change| change.name)
        .filter(|name| !taken.contains(name))
        .collect();
    let old = green.builds().filter(|build| kept.contains(&build.name));
    let new = red.builds().filter(|build| !kept.contains(&build.name));
    let builds: Vec<Build> = old.chain(new).cloned().collect();
    Environment::new(builds)
}

/// One walk over what is known.
struct Walk<'w> {
    facts: &'w CulpritFacts<'w>,
    /// The smallest mixture that is known to be red, in the order of the names.
    left: Vec<String>,
    tested: BTreeSet<Taken>,
    unsolvable: BTreeSet<Taken>,
}

/// Why a walk cannot go on.
enum Stop {
    /// It hangs on this mixture, of which nothing is known yet.
    Open(Taken),
    /// Nothing more may be found out.
    Over(GaveUp),
}

impl Walk<'_> {
    /// Makes what is left smaller until no part of it can be left out.
    fn narrow(&mut self) -> Result<(), Stop> {
        let first: Vec<String> = self.facts.first.iter().cloned().collect();
        if !first.is_empty() && first.iter().all(|name| self.left.contains(name)) && self.is_red(&first)? {
            self.left = first;
        }
        let mut parts = 2;
        while self.left.len() > 1 {
            parts = match self.round(parts)? {
                Some(parts) => parts,
                None if parts >= self.left.len() => return Ok(()),
                None => (2 * parts).min(self.left.len()),
            };
        }
        Ok(())
    }

    /// Asks about each of that many parts, then about what is left without each of them, and goes on
    /// with the first that is red; says in how many parts. Nothing where none is.
    fn round(&mut self, parts: usize) -> Result<Option<usize>, Stop> {
        let parts = split(&self.left, parts);
        for part in &parts {
            if self.is_red(part)? {
                self.left.clone_from(part);
                return Ok(Some(2));
            }
        }
        for part in &parts {
            let rest: Vec<String> = self.left.iter().filter(|name| !part.contains(name)).cloned().collect();
            if self.is_red(&rest)? {
                self.left = rest;
                return Ok(Some((parts.len() - 1).max(2)));
            }
        }
        Ok(None)
    }

    /// What is known of changes of which none could be left out. They are at fault where the tests pass
    /// without each of them; an answer that is missing could have made them fewer.
    fn end(&self) -> Step {
        let left: Taken = self.left.iter().cloned().collect();
        let known = |taken: &Taken| self.facts.known.get(taken).copied();
        let is_needed = |name: &String| {
            let rest: Taken = left.iter().filter(|other| *other != name).cloned().collect();
            rest.is_empty() || known(&rest) == Some(Outcome::Green)
        };
        let is_missing = |taken: &Taken| taken.is_subset(&left) && known(taken) == Some(Outcome::Unknown);
        if left.iter().all(is_needed) {
            return Step::Found(left);
        }
        let why = match self.tested.iter().any(is_missing) {
            true => GaveUp::MachineFailed,
            false => GaveUp::Inseparable,
        };
        Step::GaveUp { left, why }
    }

    /// Whether a mixture is known to be red; why the walk stops where that cannot be said.
    fn is_red(&mut self, names: &[String]) -> Result<bool, Stop> {
        let taken: Taken = names.iter().cloned().collect();
        let outcome = self.facts.known.get(&taken).copied();
        if outcome == Some(Outcome::Unsolvable) {
            self.unsolvable.insert(taken);
            return Ok(false);
        }
        let allowed = self.tested.contains(&taken) || self.tested.len() < self.facts.most_tests as usize;
        match outcome {
            _ if !allowed => Err(Stop::Over(GaveUp::TestsUsedUp)),
            None if self.unsolvable.len() >= MOST_UNSOLVABLE => Err(Stop::Over(GaveUp::TooManyUnsolvable)),
            None => Err(Stop::Open(taken)),
            Some(outcome) => {
                self.tested.insert(taken);
                Ok(outcome == Outcome::Red)
            }
        }
    }
}

/// `names` in that many parts of nearly the same size, in their order; each has at least one where there
/// are enough.
fn split(names: &[String], parts: usize) -> Vec<Vec<String>> {
    let bound = |part: usize| part * names.len() / parts;
    (0..parts).map(|part| names[bound(part)..bound(part + 1)].to_vec()).collect()
}
