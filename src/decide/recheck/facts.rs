//! What the recheck rule looks at.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plan::{CaseState, WantedMixture};
use crate::decide::culprit::{Outcome, Taken};
use crate::domain::{Build, Environment, RecheckCase, Solved, TestVerdict};

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
    /// The platforms on which the metapackage cannot be installed as a whole, and why. Each member may be well by
    /// itself where two exclude each other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_whole: BTreeMap<String, String>,
    /// The platforms on which nobody could tell whether it can be installed as a whole, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub whole_unknown: BTreeMap<String, String>,
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
    /// How many mixtures may be tested for this case at most because a person asked what broke it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_tests: Option<u32>,
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

impl RecheckFacts {
    /// Adds how a mixture came out, for every case that shares the search.
    pub fn learn(&mut self, wanted: &WantedMixture, outcome: Outcome) {
        for case in self.cases.iter_mut().filter(|case| wanted.is_for(case)) {
            case.mixtures.push(KnownMixture { taken: wanted.taken.clone(), outcome });
        }
    }
}
