//! Verdicts for packages that stay where they are, drawn from the channel's status.

use crate::calendar::Promote;
use crate::domain::{
    Actor, Assessment, Evidence, Issue, IssueKind, PromotionFacts, ProposalState, Release, Verdict,
    VerdictKind,
};

/// The evidence on a package in the channel it would move into, and what is behind it.
#[derive(Clone, Copy)]
pub enum Standing<'a> {
    /// The channel's universe lists the package.
    Assessed(&'a Assessment),
    /// It does not.
    NotListed,
    /// The status itself is unknown.
    Unknown(&'a str),
}

impl<'a> Standing<'a> {
    pub fn of(facts: &'a PromotionFacts, package: &str) -> Self {
        match &facts.status {
            crate::domain::Fact::Unknown { why } => Self::Unknown(why),
            crate::domain::Fact::Known(status) => {
                status.packages.get(package).map_or(Self::NotListed, Self::Assessed)
            }
        }
    }

    pub fn evidence(self) -> Evidence {
        match self {
            Self::Assessed(assessment) => assessment.evidence,
            Self::NotListed | Self::Unknown(_) => Evidence::Unknown,
        }
    }

    /// The packages whose issues reach this one.
    pub fn root_causes(self) -> Vec<String> {
        let Self::Assessed(assessment) = self else { return Vec::new() };
        let own = assessment.issues.iter().find_map(|issue| match issue {
            Issue::Dependencies(causes) => Some(causes.keys().cloned().collect()),
            _ => None,
        });
        own.unwrap_or_default()
    }

    fn has_own_issue(self) -> bool {
        let Self::Assessed(assessment) = self else { return false };
        assessment
            .issues
            .iter()
            .any(|issue| !matches!(issue.kind(), IssueKind::Dependencies | IssueKind::Synchronization))
    }
}

/// One clause about what speaks against a package, in the words of its issues.
pub fn issues_in_words(assessment: &Assessment) -> String {
    let clauses: Vec<String> = assessment.issues.iter().map(issue_in_words).collect();
    clauses.join("; ")
}

fn issue_in_words(issue: &Issue) -> String {
    match issue {
        Issue::Advisories(addresses) => format!("{} security advisories", addresses.len()),
        Issue::License(license) => format!("the licence `{license}` is not a free one"),
        Issue::RCmdCheck(checks) => {
            let worst: Vec<String> =
                checks.iter().map(|check| format!("{} on {}", check.check, check.config)).collect();
            format!("R CMD check: {}", worst.join(", "))
        }
        Issue::Remotes(remotes) => format!("Remotes: {}", remotes.join(", ")),
        Issue::Synchronization(run) if run == "recent" => "it was built minutes ago".to_owned(),
        Issue::Synchronization(_) => "a build is running".to_owned(),
        Issue::Cran(version) => format!("CRAN has the higher version {version}"),
        Issue::Versions { version_current, version_highest, .. } if version_current == version_highest => {
            "the same version was released again from another commit".to_owned()
        }
        Issue::Versions { version_highest, .. } => {
            format!("its version went down from {}", version_highest.as_deref().unwrap_or("a higher one"))
        }
        Issue::Dependencies(causes) => {
            let names: Vec<&str> = causes.keys().map(String::as_str).collect();
            format!("it depends on {}, which fails", names.join(", "))
        }
    }
}

/// The verdict on a package that stays where it is: what the channel holds is fine, under way,
/// failing, or unknown. `healthy` is the kind for a package with nothing against it.
pub fn staying(facts: &PromotionFacts, package: &str, healthy: VerdictKind) -> Verdict {
    let standing = Standing::of(facts, package);
    let (version, commit) = match standing {
        Standing::Assessed(assessment) => (assessment.version.clone(), assessment.commit.clone()),
        _ => (facts.held_versions.get(package).cloned(), None),
    };
    let snapshot = facts.targets.snapshot;
    let (kind, reason, next, actor) = match standing {
        Standing::Unknown(why) => cannot_determine(why.to_owned()),
        Standing::NotListed => cannot_determine(format!("the universe of {} does not list it", facts.to)),
        Standing::Assessed(assessment) => match assessment.evidence {
            Evidence::Passing => (
                healthy,
                "Nothing speaks against it".to_owned(),
                format!("It goes into the snapshot of {snapshot} if this stays so"),
                Actor::Nobody,
            ),
            Evidence::Pending => (
                VerdictKind::Pending,
                capitalised(&issues_in_words(assessment)),
                "It is looked at again in the next pass".to_owned(),
                Actor::Nobody,
            ),
            Evidence::Unknown => cannot_determine(assessment.unknown.join("; ")),
            Evidence::Failing if standing.has_own_issue() => (
                VerdictKind::Failing,
                capitalised(&issues_in_words(assessment)),
                way_out(facts),
                Actor::Maintainer,
            ),
            Evidence::Failing => (
                VerdictKind::BlockedByDependency,
                capitalised(&issues_in_words(assessment)),
                format!("It recovers by itself once {} do", standing.root_causes().join(", ")),
                Actor::MaintainersOfRootCauses,
            ),
        },
    };
    let root_causes =
        if kind == VerdictKind::BlockedByDependency { standing.root_causes() } else { Vec::new() };
    Verdict { kind, version, commit, reason, root_causes, next, actor }
}

fn cannot_determine(why: String) -> (VerdictKind, String, String, Actor) {
    (
        VerdictKind::CannotDetermine,
        capitalised(&why),
        "It stays as it is until its sources answer again".to_owned(),
        Actor::Operator,
    )
}

/// What a maintainer of a failing package can do, by phase.
fn way_out(facts: &PromotionFacts) -> String {
    match facts.point.phase.promote {
        Promote::None => format!("A release that mends it counts from {} on", facts.point.next_cycle),
        Promote::All | Promote::FailingOnly => {
            format!("A release that mends it before {} still gets into the snapshot", facts.targets.snapshot)
        }
    }
}

/// The verdict on a release that does not move, for a reason that is not the channel's status.
pub fn about_release(
    kind: VerdictKind,
    release: &Release,
    reason: String,
    next: String,
    actor: Actor,
) -> Verdict {
    Verdict {
        kind,
        version: Some(release.version.clone()),
        commit: Some(release.commit.clone()),
        reason,
        root_causes: Vec::new(),
        next,
        actor,
    }
}

/// The newest proposal of `package` at `commit` that a person closed without merging it: a no, for this
/// version, whatever else it proposed.
pub fn refused_in(facts: &PromotionFacts, package: &str, commit: &str) -> Option<u64> {
    let refused = facts.proposals.iter().rev().find(|seen| {
        seen.state == ProposalState::Closed && seen.commits.get(package).is_some_and(|known| known == commit)
    });
    refused.map(|seen| seen.number)
}

/// The verdict on a version whose proposal `number` was closed unmerged.
pub fn refusal(facts: &PromotionFacts, package: &str, version: &str, commit: &str, number: u64) -> Verdict {
    Verdict {
        kind: VerdictKind::Refused,
        version: Some(version.to_owned()),
        commit: Some(commit.to_owned()),
        reason: format!("Pull request #{number} was closed without being merged"),
        root_causes: Standing::of(facts, package).root_causes(),
        next: "It is proposed again with its next version, or when somebody reopens that pull request"
            .to_owned(),
        actor: Actor::Moderators,
    }
}

/// `text` with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
