//! What is known of a revision: four states, never two, and the named reasons against it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PackageName;

/// What is known of a revision now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Checked, and nothing speaks against it.
    Passing,
    /// A named issue speaks against it.
    Failing,
    /// A build or check of it is under way: neither good nor bad yet.
    Pending,
    /// Nobody could tell: a look-up failed, is too old, or there is no check at all.
    Unknown,
}

/// One result of `R CMD check`, as R-universe names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// `OK`, `NOTE`, `WARNING`, `ERROR` or `FAIL`.
    pub check: String,
    /// Where it ran, such as `linux-release-x86_64`.
    pub config: String,
    /// The full version of R it ran with, such as `4.5.3`.
    pub r: String,
    /// Its log.
    pub url: String,
}

/// What [`Check::config`] says of a build that failed before anything was checked.
const BUILD: &str = "build";

impl Check {
    /// The failed build of a package that its universe never built, or built again.
    pub fn of_failed_build(url: String) -> Self {
        Self { check: "FAIL".to_owned(), config: BUILD.to_owned(), r: String::new(), url }
    }

    /// The failed build of a newer commit than the one that its universe has.
    pub fn of_failed_newer_build(commit: &str, url: String) -> Self {
        let config = format!("{BUILD} of {}", commit.chars().take(10).collect::<String>());
        Self { config, ..Self::of_failed_build(url) }
    }

    /// Where this is a build that failed: one clause about it.
    pub fn failed_build_in_words(&self) -> Option<String> {
        let rest = self.config.strip_prefix(BUILD)?;
        match (rest, rest.strip_prefix(" of ")) {
            ("", _) => Some("its build failed".to_owned()),
            (_, Some("")) => Some("the build of its newer commit failed".to_owned()),
            (_, Some(commit)) => Some(format!("the build of its newer commit {commit} failed")),
            _ => None,
        }
    }
}

/// A named reason against a revision. The eight kinds are those of R-multiverse's status files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// Security advisories against exactly this version: their addresses.
    Advisories(Vec<String>),
    /// The licence is not a free one: the licence as written, `NOT FOUND` where there is none.
    License(String),
    /// Checks that ended with a warning or an error.
    RCmdCheck(Vec<Check>),
    /// Development dependencies that the DESCRIPTION names under `Remotes`.
    Remotes(Vec<String>),
    /// A build is still running (its address), or ended minutes ago (`recent`).
    Synchronization(String),
    /// CRAN has this higher version.
    Cran(String),
    /// The version went down, or the same version came from another commit.
    Versions {
        /// The version that the universe has now.
        version_current: Option<String>,
        /// Its commit.
        hash_current: Option<String>,
        /// The highest version ever seen.
        version_highest: Option<String>,
        /// The commit of the highest version.
        hash_highest: Option<String>,
    },
    /// Packages with issues that this one depends on; each with this package's own direct
    /// dependencies on the way there (none where it is a direct dependency itself).
    Dependencies(BTreeMap<PackageName, Vec<PackageName>>),
}

/// The kinds of [`Issue`], in the order in which upstream's status files list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueKind {
    /// See [`Issue::Advisories`].
    Advisories,
    /// See [`Issue::License`].
    License,
    /// See [`Issue::RCmdCheck`].
    RCmdCheck,
    /// See [`Issue::Remotes`].
    Remotes,
    /// See [`Issue::Synchronization`].
    Synchronization,
    /// See [`Issue::Cran`].
    Cran,
    /// See [`Issue::Versions`].
    Versions,
    /// See [`Issue::Dependencies`].
    Dependencies,
}

/// What releases a package of which nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeldUntil {
    /// A source has to answer again.
    SourcesAnswer,
    /// Later looks have to agree with a sudden change.
    LooksAgree,
    /// A source has to say again what it said before, or an operator to confirm a change that cannot be.
    Confirmed,
    /// A check with a version of R that counts has to be made.
    Checked,
    /// Something that it depends on has to be known.
    DependenciesKnown,
    /// The universe has to have something that it depends on.
    DependenciesBuilt,
}

/// A sudden change of many packages that a guard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldChange {
    /// Packages that were fine got an issue of this kind.
    Appeared(IssueKind),
    /// Packages lost an issue of this kind.
    Vanished(IssueKind),
}

impl HeldChange {
    /// The kind of issue.
    pub fn kind(self) -> IssueKind {
        match self {
            Self::Appeared(kind) | Self::Vanished(kind) => kind,
        }
    }
}

impl Issue {
    /// Which kind of issue this is.
    pub fn kind(&self) -> IssueKind {
        match self {
            Self::Advisories(_) => IssueKind::Advisories,
            Self::License(_) => IssueKind::License,
            Self::RCmdCheck(_) => IssueKind::RCmdCheck,
            Self::Remotes(_) => IssueKind::Remotes,
            Self::Synchronization(_) => IssueKind::Synchronization,
            Self::Cran(_) => IssueKind::Cran,
            Self::Versions { .. } => IssueKind::Versions,
            Self::Dependencies(_) => IssueKind::Dependencies,
        }
    }
}
