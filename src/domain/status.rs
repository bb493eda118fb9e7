//! What is known of every package of a channel at one time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Check, Evidence, EvidenceOverride, HeldUntil, Issue, OwnCheck, PackageName};

/// What is known of one package in one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The version the universe has.
    pub version: Option<String>,
    /// Its commit.
    pub commit: Option<String>,
    /// When it was published, as status files print it.
    pub published: Option<String>,
    /// The evidence as it stands.
    pub evidence: Evidence,
    /// While `evidence` is pending or unknown: what was known of the same commit before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Evidence>,
    /// The issues, in the order of upstream's status files.
    pub issues: Vec<Issue>,
    /// A newer commit that the channel asked for and whose build failed: the universe still has `commit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_build: Option<String>,
    /// Why the evidence is unknown: one clause for each missing source or guard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Where nobody can tell because nobody can tell of something that it depends on: the nearest such package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_through: Option<PackageName>,
    /// What would release it, while the evidence is unknown.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held_until: BTreeSet<HeldUntil>,
    /// The strong dependencies that were updated after its checks began: these count again once it is rebuilt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outdated_by: Vec<UpdatedDependency>,
    /// Under [`OwnChecks`](super::DependencyRule::OwnChecks): the packages of the distribution that it depends
    /// on and that do not pass, so that they come from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_elsewhere: Vec<PackageName>,
    /// The operator's word that stands for the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<EvidenceOverride>,
    /// tidegate's own check of exactly this version and commit, with what it depends on as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_check: Option<OwnCheck>,
    /// The bad checks of the universe that the own check cleared. They are no issue any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<Check>,
}

/// A dependency that came in after the checks of a package began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatedDependency {
    /// Which one.
    pub package: PackageName,
    /// When the universe had it.
    pub at: Timestamp,
}

impl Assessment {
    /// True where upstream's status file would say `success`: no issue of any kind.
    pub fn success(&self) -> bool {
        self.issues.is_empty()
    }

    /// The evidence, where a build under way is passed over in favour of what was known before it.
    pub fn settled_evidence(&self) -> Evidence {
        match self.evidence {
            Evidence::Pending => self.settled.unwrap_or(Evidence::Pending),
            other => other,
        }
    }
}

/// The status of a channel: one assessment for each package that its universe lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// The targeted R as `major.minor`.
    pub r_series: String,
    /// The date at which CRAN is frozen, `YYYY-MM-DD`.
    pub frozen_date: String,
    /// By package.
    pub packages: BTreeMap<PackageName, Assessment>,
    /// What a guard holds, and what would release it: whole sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// What is odd about the dependencies inside the channel.
    #[serde(default, skip_serializing_if = "OddDependencies::is_empty")]
    pub odd_dependencies: OddDependencies,
}

/// Dependencies that no installation can follow as they are. Nobody fails for them alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddDependencies {
    /// Packages that depend on each other in a circle, by name; those that depend on themselves alone, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circles: Vec<Vec<PackageName>>,
    /// Packages that the channel lists and its universe lacks, with those that depend on them directly.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<PackageName, Vec<PackageName>>,
}

impl OddDependencies {
    /// True where nothing is odd.
    pub fn is_empty(&self) -> bool {
        self.circles.is_empty() && self.missing.is_empty()
    }
}
