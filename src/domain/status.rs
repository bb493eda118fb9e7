//! What is known of every package of a channel at one time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Check, Evidence, Issue, OwnCheck, PackageName};

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
    /// tidegate's own check of exactly this version and commit, with what it depends on as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_check: Option<OwnCheck>,
    /// The bad checks of the universe that the own check cleared. They are no issue any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<Check>,
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
}
