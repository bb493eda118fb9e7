//! The decision for one package, in words that a maintainer understands.

use serde::{Deserialize, Serialize};

use super::PackageName;

/// What was decided for a package, ordered from "nothing to do" to "somebody has to act".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// The channel holds the newest admissible release.
    Current,
    /// The channel holds it for the coming snapshot.
    Staged,
    /// It is part of the snapshot.
    Included,
    /// It moves in this pass.
    Moves,
    /// A pull request proposes it and waits to be merged.
    Proposed,
    /// It would be proposed now, but as many pull requests are open as may be at once.
    Queued,
    /// A person edited the pull request or set the pin: tidegate keeps its hands off.
    HandsOff,
    /// A newer release waits for the next cycle, since the freeze keeps healthy packages still.
    Frozen,
    /// A build or check is under way.
    Pending,
    /// Nobody could tell: a look-up failed, is too old, or a guard holds it.
    CannotDetermine,
    /// Its own checks are fine, but something it depends on fails.
    BlockedByDependency,
    /// Issues of its own keep it back.
    Failing,
    /// The newest release does not meet the light checks.
    Inadmissible,
    /// A person closed the pull request for this version without merging it.
    Refused,
    /// It left the distribution, or its repository cannot be seen any more.
    Gone,
}

/// Who has to do something next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// Nobody: it goes on by itself.
    Nobody,
    /// The moderators of the distribution.
    Moderators,
    /// The maintainer of the package.
    Maintainer,
    /// The maintainers of the packages named as root causes.
    MaintainersOfRootCauses,
    /// Whoever operates tidegate.
    Operator,
}

/// The decision for one package, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The kind, which fixes the first sentence that people read.
    pub kind: VerdictKind,
    /// The version in question, where there is one.
    pub version: Option<String>,
    /// Its commit.
    pub commit: Option<String>,
    /// Why: a whole sentence about this package, with its full stop and without markup.
    pub reason: String,
    /// The packages at fault, where it is not this package itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_causes: Vec<PackageName>,
    /// What happens next: a whole sentence with its full stop.
    pub next: String,
    /// Who has to act for that to happen.
    pub actor: Actor,
    /// Its place in the queue, from 1, where it waits there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<usize>,
}

impl VerdictKind {
    /// The fixed sentence for the kind. It ends with who has to act.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Current => "The channel holds its newest admissible release; no action is needed.",
            Self::Staged => "It is staged for the coming snapshot; no action is needed.",
            Self::Included => "It is part of the snapshot; no action is needed.",
            Self::Moves => "It moves in this pass; no action is needed.",
            Self::Proposed => "A pull request proposes it; the moderators decide.",
            Self::Queued => "It waits until fewer pull requests are open; the moderators decide on those.",
            Self::HandsOff => "A person took this over; the moderators decide.",
            Self::Frozen => "The freeze keeps it still until the next cycle; no action is needed.",
            Self::Pending => "A build or check is still running; no action is needed.",
            Self::CannotDetermine => {
                "Nobody can tell, so it is held; if this lasts, the operator needs to look."
            }
            Self::BlockedByDependency => {
                "Something it depends on fails; the maintainers of what is named need to act."
            }
            Self::Failing => "It has issues of its own; its maintainer needs to act.",
            Self::Inadmissible => "Its newest release is not admissible; its maintainer needs to act.",
            Self::Refused => "The moderators declined this version; they or a newer version can change that.",
            Self::Gone => "It is not listed any more; if that is a mistake, the moderators need to act.",
        }
    }
}
