//! What was seen of the outside, reduced to what a decision needs. A source that could not be read
//! is [`Fact::Unknown`], never an empty answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Check, DependencyRule, EvidenceOverride, OwnCheck, PackageName};

/// A fact, or the admission that nobody could tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact<T> {
    /// Seen, and fresh enough to count.
    Known(T),
    /// Not seen, or too long ago.
    Unknown {
        /// Which source is missing, and why: one clause without a full stop.
        why: String,
    },
}

impl<T> Fact<T> {
    /// The fact, where there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Unknown { .. } => None,
        }
    }

    /// A fact that nobody could tell.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }
}

/// The checks of a build, in one of the two forms in which they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checks {
    /// All results, of every version of R, as R-universe lists them.
    All(Vec<Check>),
    /// Only the bad ones of the targeted R: somebody filtered them before.
    Bad(Vec<Check>),
}

impl Default for Checks {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// What a universe says of one package now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// The version it built last; absent where it never could.
    pub version: Option<String>,
    /// The commit that version came from.
    pub commit: Option<String>,
    /// When it was published, as status files print it: `YYYY-MM-DD HH:MM:SS.mmm UTC`.
    pub published: Option<String>,
    /// Published less than five minutes before the observation: dependents may still be rebuilding.
    pub just_published: bool,
    /// The licence as the DESCRIPTION has it.
    pub license: Option<String>,
    /// Whether R counts that licence as free; `None` where nobody could tell.
    pub foss: Option<bool>,
    /// Entries of `Remotes`.
    pub remotes: Vec<String>,
    /// Results of the checks of this build.
    pub checks: Checks,
    /// Strong dependencies (Depends, Imports, LinkingTo) in the order of the DESCRIPTION, inside
    /// and outside of the universe.
    pub dependencies: Vec<PackageName>,
    /// The commit whose build failed last, where that is so: newer than `commit`, or `commit` itself
    /// where no build ever succeeded. Empty where the universe does not say which one it was.
    pub newer_failure: Option<String>,
    /// The address of that build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_url: Option<String>,
    /// When the source that was checked was packed: its checks began after that, and no earlier. Absent where
    /// the universe does not say so; then nothing is said of how fresh they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Timestamp>,
    /// Since when the universe has this version of this commit. Absent where nobody saw it come; then
    /// nothing is said against the checks of who depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
}

/// The version history of one package: a row of R-multiverse's `versions.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The version that the universe had last.
    pub version_current: Option<String>,
    /// Its commit.
    pub hash_current: Option<String>,
    /// The highest version ever seen; absent before the second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_highest: Option<String>,
    /// The commit of the highest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_highest: Option<String>,
}

/// Version histories by package.
pub type Ledger = BTreeMap<PackageName, LedgerRow>;

/// Addresses of advisories by package and exact version.
pub type Advisories = BTreeMap<PackageName, BTreeMap<String, Vec<String>>>;

/// The packages that a channel lists, each with the commit that it is pinned to, where it is.
pub type ListedPackages = BTreeMap<PackageName, Option<String>>;

/// Everything the status rule looks at for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusFacts {
    /// What the channel's universe lists.
    pub packages: BTreeMap<PackageName, PackageFacts>,
    /// CRAN's versions at the cycle's frozen date.
    pub cran: Fact<BTreeMap<PackageName, String>>,
    /// Packages with an unfinished build, and the address of its run.
    pub builds: Fact<BTreeMap<PackageName, String>>,
    /// Known security advisories; none at all where the distribution names no source of them.
    #[serde(deserialize_with = "advisories_of_any_age")]
    pub advisories: Fact<Advisories>,
    /// What the channel lists. Its universe may lack some of it.
    #[serde(default = "nothing_listed", skip_serializing_if = "is_nothing_listed")]
    pub listed: Fact<ListedPackages>,
    /// Version histories, brought up to date with `packages`.
    pub ledger: Ledger,
    /// Packages that the channel holds for the coming snapshot and whose issues, under the
    /// `follow` model, do not reach their dependents.
    pub staged: BTreeSet<PackageName>,
    /// tidegate's own checks that are still known to stand.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own_checks: BTreeMap<PackageName, OwnCheck>,
    /// The targeted R as `major.minor`.
    pub r_series: String,
    /// The R before it, where the policy asks for its checks too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_r_series: Option<String>,
    /// The date at which CRAN is frozen, `YYYY-MM-DD`.
    pub frozen_date: String,
    /// What a package needs of those that it depends on.
    #[serde(default, skip_serializing_if = "DependencyRule::is_default")]
    pub dependency_rule: DependencyRule,
    /// Operators' words that stand for the evidence on packages, and have not run out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<PackageName, EvidenceOverride>,
}

/// Reads advisories as they are stored; older facts have the plain list, of which nobody doubted that it was whole.
fn advisories_of_any_age<'de, D: Deserializer<'de>>(stored: D) -> Result<Fact<Advisories>, D::Error> {
    let stored = serde_json::Value::deserialize(stored)?;
    let fact = serde_json::from_value::<Fact<Advisories>>(stored.clone());
    fact.or_else(|_| serde_json::from_value(stored).map(Fact::Known)).map_err(D::Error::custom)
}

/// What older facts say of the list: nothing, so that nothing is missing from the universe.
fn nothing_listed() -> Fact<ListedPackages> {
    Fact::Known(ListedPackages::new())
}

fn is_nothing_listed(listed: &Fact<ListedPackages>) -> bool {
    listed.known().is_some_and(BTreeMap::is_empty)
}

impl StatusFacts {
    /// The versions of R whose checks count, the targeted one first.
    pub fn counted_series(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.r_series).chain(&self.older_r_series).map(String::as_str)
    }
}
