//! The evidence on what a channel holds.
//!
//! A channel's universe says what it has built, which is not always what the channel's list pins:
//! just after a move the old version is still there, and it stays there where the new one does not
//! build. What speaks for the old version then says nothing of the pinned one.

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::words;
use crate::domain::{Assessment, Check, Evidence, HeldUntil, Issue, IssueKind, OverriddenAs, PackageName};

/// What is known of the revision that the channel holds of a package.
#[derive(Clone, Copy)]
pub enum Standing<'a> {
    /// The universe built it, and this is what it says.
    Assessed(&'a Assessment),
    /// The universe has not built the pinned commit yet.
    NotBuilt,
    /// The build failed; the universe says this of it, and of the revision that it had before.
    BuildFailed(&'a Assessment),
    /// The channel's universe does not list the package.
    NotListed,
    /// The channel's status itself is unknown.
    Unknown(&'a str),
}

impl<'a> Standing<'a> {
    /// From what the universe says of a package, and the commit that the list pins.
    pub fn of(assessment: Option<&'a Assessment>, pin: Option<&str>) -> Self {
        let Some(assessment) = assessment else { return Self::NotListed };
        let wanted = pin.or(assessment.commit.as_deref());
        if wanted.is_some() && assessment.failed_build.as_deref() == wanted {
            return Self::BuildFailed(assessment);
        }
        if wanted.is_some() && assessment.commit.as_deref() != wanted {
            return Self::NotBuilt;
        }
        Self::Assessed(assessment)
    }

    /// What its universe says of it, where that is about this revision.
    pub fn assessment(self) -> Option<&'a Assessment> {
        match self {
            Self::Assessed(assessment) => Some(assessment),
            _ => None,
        }
    }

    /// The four states.
    pub fn evidence(self) -> Evidence {
        match self {
            Self::Assessed(assessment) => assessment.evidence,
            Self::NotBuilt => Evidence::Pending,
            Self::BuildFailed(_) => Evidence::Failing,
            Self::NotListed | Self::Unknown(_) => Evidence::Unknown,
        }
    }

    /// What speaks against it: one clause.
    pub fn in_words(self) -> String {
        match self {
            Self::Assessed(assessment) if assessment.evidence == Evidence::Unknown => {
                assessment.unknown.join("; ")
            }
            Self::Assessed(assessment) => words::issues_in_words(assessment),
            Self::NotBuilt => "the commit it is pinned to is not built yet".to_owned(),
            Self::BuildFailed(_) => "its build failed".to_owned(),
            Self::NotListed => "its universe does not list it, or not yet".to_owned(),
            Self::Unknown(why) => why.to_owned(),
        }
    }

    /// What would release it, where nobody can tell.
    pub fn held_until(self) -> BTreeSet<HeldUntil> {
        match self {
            Self::Assessed(assessment) => assessment.held_until.clone(),
            Self::NotListed => [HeldUntil::Checked].into(),
            _ => BTreeSet::new(),
        }
    }

    /// The address of the build that failed.
    pub fn failed_build(self) -> Option<&'a Check> {
        let Self::BuildFailed(assessment) = self else { return None };
        assessment.issues.iter().find_map(|issue| match issue {
            Issue::RCmdCheck(checks) => checks.iter().find(|check| check.failed_build_in_words().is_some()),
            _ => None,
        })
    }

    /// The package because of which nobody can tell of this one, where it is another.
    pub fn unknown_through(self) -> Option<&'a PackageName> {
        self.assessment().filter(|known| known.evidence == Evidence::Unknown)?.unknown_through.as_ref()
    }

    /// The packages whose issues reach this one.
    pub fn root_causes(self) -> Vec<PackageName> {
        self.causes().map(|causes| causes.keys().cloned().collect()).unwrap_or_default()
    }

    /// The same, each with this package's own dependencies on the way there.
    pub fn causes(self) -> Option<&'a BTreeMap<PackageName, Vec<PackageName>>> {
        let Self::Assessed(assessment) = self else { return None };
        assessment.issues.iter().find_map(|issue| match issue {
            Issue::Dependencies(causes) => Some(causes),
            _ => None,
        })
    }

    /// True where something speaks against the package itself, and not only against what it needs.
    pub fn fails_by_itself(self) -> bool {
        match self {
            Self::BuildFailed(_) => true,
            Self::Assessed(assessment) => {
                let own = |issue: &Issue| {
                    !matches!(issue.kind(), IssueKind::Dependencies | IssueKind::Synchronization)
                };
                let overridden = assessment.overridden.as_ref();
                overridden.is_some_and(|word| word.says == OverriddenAs::Failing)
                    || assessment.issues.iter().any(own)
            }
            Self::NotBuilt | Self::NotListed | Self::Unknown(_) => false,
        }
    }
}
