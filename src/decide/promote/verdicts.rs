//! Verdicts, put together from a ruling and what it is about.

use super::index::Index;
use crate::calendar::Promote;
use crate::decide::standing::Standing;
use crate::decide::words::{counted, listed, nothing_against, release_in_words, sentence};
use crate::domain::{Actor, Evidence, HeldUntil, Move, PackageName, Release, Verdict, VerdictKind};

/// A decision with its words, still without the version it is about.
pub struct Ruling {
    kind: VerdictKind,
    actor: Actor,
    reason: String,
    next: String,
    root_causes: Vec<PackageName>,
}

impl Ruling {
    /// `reason` and `next` are clauses; they become sentences here.
    pub fn new(kind: VerdictKind, actor: Actor, reason: &str, next: &str) -> Self {
        Self { kind, actor, reason: sentence(reason), next: sentence(next), root_causes: Vec::new() }
    }

    pub fn caused_by(self, root_causes: Vec<PackageName>) -> Self {
        Self { root_causes, ..self }
    }

    /// About a release that does not move.
    pub fn on_release(self, release: &Release) -> Verdict {
        self.on(Some(release.version.clone()), Some(release.commit.clone()))
    }

    /// About a move.
    pub fn on_move(self, moved: &Move) -> Verdict {
        self.on(Some(moved.to_version.clone()), Some(moved.to_commit.clone()))
    }

    /// About what the channel holds; where it pins nothing, about what its universe has.
    pub fn on_held(self, index: &Index<'_>, package: &str) -> Verdict {
        self.on_standing(index, package, index.standing(package))
    }

    fn on_standing(self, index: &Index<'_>, package: &str, standing: Standing<'_>) -> Verdict {
        let built = match standing {
            Standing::Assessed(assessment) => Some(assessment),
            _ => None,
        };
        let built_version = built.and_then(|built| built.version.clone());
        let version = built_version.or_else(|| index.held_version(package).map(str::to_owned));
        let commit = index.pin(package).map(str::to_owned);
        self.on(version, commit.or_else(|| built.and_then(|built| built.commit.clone())))
    }

    fn on(self, version: Option<String>, commit: Option<String>) -> Verdict {
        let Self { kind, actor, reason, next, root_causes } = self;
        Verdict { kind, version, commit, reason, root_causes, next, actor }
    }
}

/// The verdict on a package that stays where it is: what the channel holds is fine, under way,
/// failing, or unknown. `healthy` is the kind for a package with nothing against it.
pub fn staying(index: &Index<'_>, package: &str, healthy: VerdictKind) -> Verdict {
    let standing = index.standing(package);
    let words = standing.in_words();
    let ruling = match standing.evidence() {
        Evidence::Passing => {
            let why = nothing_against(standing.assessment());
            Ruling::new(healthy, Actor::Nobody, &why, &fate_of_healthy(index))
        }
        Evidence::Pending => {
            let outdated = standing.assessment().is_some_and(|known| !known.outdated_by.is_empty());
            let next = match outdated {
                true => "it counts again once its universe has built and checked it anew",
                false => "it is looked at again in the next pass",
            };
            Ruling::new(VerdictKind::Pending, Actor::Nobody, &words, next)
        }
        Evidence::Unknown => {
            let next = release_in_words(&standing.held_until());
            Ruling::new(VerdictKind::CannotDetermine, Actor::Operator, &words, &next)
        }
        Evidence::Failing if standing.fails_by_itself() => {
            Ruling::new(VerdictKind::Failing, Actor::Maintainer, &words, &way_out(index))
        }
        Evidence::Failing => {
            let causes = standing.root_causes();
            let they_pass = if causes.len() == 1 { "that passes" } else { "all of them pass" };
            let next = match causes.as_slice() {
                [] => "it recovers by itself once what it depends on passes".to_owned(),
                causes => format!("it recovers by itself once {they_pass}: {}", listed(causes)),
            };
            Ruling::new(VerdictKind::BlockedByDependency, Actor::MaintainersOfRootCauses, &words, &next)
                .caused_by(causes)
        }
    };
    ruling.on_standing(index, package, standing)
}

/// A package that stays because a source of the promotion itself cannot tell.
pub fn cannot_determine(why: &str) -> Ruling {
    let next = release_in_words(&[HeldUntil::SourcesAnswer].into());
    Ruling::new(VerdictKind::CannotDetermine, Actor::Operator, why, &next)
}

/// A move whose pull request a person took over.
pub fn hands_off(number: u64) -> Ruling {
    let reason = format!("a person committed to the branch of pull request #{number}");
    Ruling::new(VerdictKind::HandsOff, Actor::Moderators, &reason, "that pull request is theirs to finish")
}

/// A move that waits for room among the open pull requests.
pub fn queued(index: &Index<'_>) -> Ruling {
    let most = counted(index.facts.max_open, "pull request");
    let reason = format!("at most {most} may be open at once, and that many are");
    let next = "it is proposed as soon as one of the open pull requests is merged or closed";
    Ruling::new(VerdictKind::Queued, Actor::Moderators, &reason, next)
}

fn fate_of_healthy(index: &Index<'_>) -> String {
    let facts = index.facts;
    match facts.point.phase.promote {
        Promote::None => until_next_cycle(index),
        Promote::All | Promote::FailingOnly => {
            format!("it goes into the snapshot of {} if this stays so", facts.targets.snapshot)
        }
    }
}

/// What comes after the snapshot.
pub fn until_next_cycle(index: &Index<'_>) -> String {
    format!("it stays as it is until the next cycle begins on {}", index.facts.point.next_cycle)
}

/// What a maintainer of a failing package can do, by phase.
fn way_out(index: &Index<'_>) -> String {
    let facts = index.facts;
    match facts.point.phase.promote {
        Promote::None => format!("a release that mends it counts from {} on", facts.point.next_cycle),
        Promote::All | Promote::FailingOnly => format!(
            "a release that mends it still gets into the snapshot of {} if it passes by then",
            facts.targets.snapshot
        ),
    }
}
