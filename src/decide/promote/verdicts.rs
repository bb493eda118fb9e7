//! Verdicts, put together from a ruling and what it is about.

use std::collections::BTreeSet;

use super::index::Index;
use crate::calendar::Promote;
use crate::decide::standing::Standing;
use crate::decide::words::{counted, listed, nothing_against, release_in_words, sentence};
use crate::domain::{
    Actor, Evidence, FreezeException, HeldUntil, Move, PackageName, Plan, PromotionFacts, Release, Verdict,
    VerdictKind,
};

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
        Verdict { kind, version, commit, reason, root_causes, next, actor, place: None }
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
                .caused_by(standing.unknown_through().cloned().into_iter().collect())
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

/// A move that waits for room among the open pull requests, at a place in the queue.
pub fn queued(index: &Index<'_>, place: usize) -> Ruling {
    let facts = index.facts;
    let full = index.open_count() >= facts.max_open;
    let (reason, actor, next) = match facts.queue.hourly {
        Some(hourly) if !full => {
            let most = counted(hourly.most, "pull request");
            (
                format!("at most {most} may be opened within an hour"),
                Actor::Nobody,
                "it is proposed once the last ones are an hour old",
            )
        }
        _ => {
            let most = counted(facts.max_open, "pull request");
            (
                format!("at most {most} may be open at once, and that many are"),
                Actor::Moderators,
                "it is proposed as soon as one of the open pull requests is merged or closed",
            )
        }
    };
    let reason = format!("{reason}; its place in the queue is {place}");
    Ruling::new(VerdictKind::Queued, actor, &reason, next)
}

/// Why a version moves that an exception lets pass: one clause.
pub fn by_exception(exception: &FreezeException) -> String {
    format!("an exception by {} lets this version pass the freeze ({})", exception.by, exception.reason)
}

/// A move that a person proposes already.
pub fn proposed_by_person(number: u64) -> Ruling {
    let reason = format!("pull request #{number}, which somebody else opened, pins this very version");
    let next = "it moves once that one is merged, and tidegate opens none beside it";
    Ruling::new(VerdictKind::Proposed, Actor::Moderators, &reason, next)
}

/// A package that a person took out of the channel.
pub fn removed_by_person(index: &Index<'_>) -> Ruling {
    let facts = index.facts;
    let reason = format!("a person took it out of {}", facts.to);
    let next = format!(
        "it stays out until somebody puts it back, or the next cycle begins on {}",
        facts.point.next_cycle
    );
    Ruling::new(VerdictKind::HandsOff, Actor::Moderators, &reason, &next)
}

/// How a declined version comes to be proposed after all.
pub fn change_of_mind(index: &Index<'_>) -> String {
    match &index.facts.people.propose_again {
        Some(label) => format!("reopen that pull request or give it the label {label:?}"),
        None => "reopen that pull request".to_owned(),
    }
}

/// Adds to the verdicts on what the channel holds by an exception whose that was. In the phase in which
/// everything may move no exception is needed.
pub fn tell_of_exceptions(facts: &PromotionFacts, plan: &mut Plan) {
    if facts.point.phase.promote == Promote::All {
        return;
    }
    let pinned: BTreeSet<&str> = facts
        .head
        .listings
        .iter()
        .filter(|listing| listing.pin().is_some())
        .map(|listing| listing.package.as_str())
        .collect();
    let mut leaves: Vec<_> = facts.exceptions.iter().chain(&facts.people.past_exceptions).collect();
    leaves.sort_by_key(|leave| (&leave.package, &leave.version, &leave.by, &leave.reason));
    for leave in leaves {
        let holds = facts.held_versions.get(&leave.package) == Some(&leave.version);
        let Some(verdict) = plan.verdicts.get_mut(&leave.package) else { continue };
        if holds && pinned.contains(leave.package.as_str()) && verdict.kind != VerdictKind::Moves {
            let (to, version) = (&facts.to, &leave.version);
            let words = format!("{to} holds {version} by an exception of {} ({})", leave.by, leave.reason);
            verdict.reason = format!("{} {}", verdict.reason, sentence(&words));
        }
    }
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
