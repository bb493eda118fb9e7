//! The choices that a distribution's policy makes, as every room knows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the staging channel holds packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StagingModel {
    /// Every package is pinned to a commit; each move is a change of a pin.
    #[default]
    Pinned,
    /// Packages follow their newest release until they pass in the candidate freeze, as R-multiverse does.
    Follow,
}

/// How a change reaches a channel's repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// By a pull request that a person merges.
    #[default]
    PullRequest,
    /// By a commit on the default branch.
    Commit,
}

/// How evidence is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvidencePolicy {
    /// Pending and unknown hold a package, and a mass change is not believed at once.
    #[default]
    Guarded,
    /// Exactly R-multiverse's rules, faults included.
    Faithful,
}

/// What a package needs of the packages of the distribution that it depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DependencyRule {
    /// All strong dependencies inside the distribution have to pass and to be in the snapshot.
    #[default]
    Strict,
    /// A package whose own checks pass stays; the manifest of a snapshot says which of its dependencies comes
    /// from elsewhere.
    OwnChecks,
}

impl DependencyRule {
    /// True for the rule that holds where nobody chose one.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which versions of R count when the checks of a package are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckedR {
    /// The R that the cycle targets.
    Release,
    /// The R before that one.
    Oldrelease,
}

/// How GitHub merges a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMethod {
    /// By a commit with two parents.
    Merge,
    /// By one commit with all changes.
    Squash,
    /// By its commits on top of the branch.
    Rebase,
}
