//! What the recheck rule decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::CaseFacts;
use crate::decide::culprit::{GaveUp, Taken};
use crate::domain::{Build, Evidence, RecheckCase, Solved, TestVerdict};

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
    /// Nobody could tell: the machine failed each time it was tried, its tests are not known, or no engine takes
    /// them.
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
    /// Every case is well, but nobody could tell whether the metapackage can be installed as a whole on these
    /// platforms.
    WholeUnknown(BTreeMap<String, String>),
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
    pub(super) fn is_settled(self) -> bool {
        matches!(self, Self::Green | Self::Red | Self::NoTests)
    }
}

impl WantedMixture {
    /// Whether both are the same step of the same search.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let test = |one: &Self| (one.case.member.sha256.clone(), one.case.platform.clone());
        test(self) == test(other)
            && (&self.green, &self.red, &self.taken) == (&other.green, &other.red, &other.taken)
    }

    /// Whether the search is one for this case.
    pub(super) fn is_for(&self, case: &CaseFacts) -> bool {
        let (Solved::Environment(red), Some(green)) = (&case.solved, &case.last_green) else { return false };
        (&self.case.member.sha256, &self.case.platform) == (&case.case.member.sha256, &case.case.platform)
            && (&self.green, &self.red) == (&green.fingerprint(), &red.fingerprint())
    }
}
