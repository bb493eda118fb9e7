//! An operator's word that stands for the evidence on one package, at one version and commit, for a time.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evidence, PackageName};

/// What an operator says of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverriddenAs {
    /// It passes, whatever its sources say.
    Passing,
    /// It fails, whatever its sources say.
    Failing,
}

/// An operator's word on the evidence of one package. It is void with the next version or commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceOverride {
    /// The version it is about.
    pub version: String,
    /// The commit it is about.
    pub commit: String,
    /// What it says.
    pub says: OverriddenAs,
    /// The last day on which it counts.
    #[schemars(with = "String", extend("format" = "date"))]
    pub until: Date,
    /// Whose word it is.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was given.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
}

/// A person's wish that an [`EvidenceOverride`] be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideWish {
    /// The distribution.
    pub distribution: String,
    /// The channel.
    pub channel: String,
    /// The package.
    pub package: PackageName,
    /// The version that the channel's universe has.
    pub version: String,
    /// Its commit.
    pub commit: String,
    /// What is said of it.
    pub says: OverriddenAs,
    /// The last day on which it counts.
    pub until: Date,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A person's wish that a [`SnapshotRelease`] be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseWish {
    /// The distribution.
    pub distribution: String,
    /// The date of the snapshot.
    pub date: Date,
    /// What is held, as it was said.
    pub held: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An operator's word that a snapshot which the shrink guard holds is meant as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotRelease {
    /// What was held then, as it was said. Another reason is held anew.
    pub held: String,
    /// Whose word it is.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was given.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
}

impl OverriddenAs {
    /// The evidence that it stands for.
    pub fn evidence(self) -> Evidence {
        match self {
            Self::Passing => Evidence::Passing,
            Self::Failing => Evidence::Failing,
        }
    }
}

impl fmt::Display for OverriddenAs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Passing => "passing",
            Self::Failing => "failing",
        })
    }
}
