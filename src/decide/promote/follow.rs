//! The `follow` model, which R-multiverse runs today: staging's list is a copy of community's during
//! the dependency freeze; in the candidate freeze every healthy package is pinned and stays pinned;
//! after the snapshot nothing moves.

use std::collections::BTreeMap;

use super::{text, verdicts};
use crate::calendar::{Promote, Targets};
use crate::decide::stage;
use crate::domain::{
    Action, Actor, Change, Evidence, Fact, Listing, Move, NewContents, PackageName, Plan, PromotionFacts,
    ProposalState, Verdict, VerdictKind, Via,
};

/// The one rolling pull request of a distribution under `follow`.
const ROLLING: &str = "rolling";

pub fn promote(facts: &PromotionFacts) -> Plan {
    let mut plan = Plan::default();
    let change = match facts.point.phase.promote {
        Promote::All => copy(facts),
        Promote::FailingOnly => pin(facts),
        Promote::None => None,
    };
    for listing in facts.head.listings.iter().chain(&facts.source) {
        if !plan.verdicts.contains_key(&listing.package) {
            plan.verdicts.insert(listing.package.clone(), verdict(facts, &listing.package, change.as_ref()));
        }
    }
    plan.actions.extend(change.and_then(|change| action(facts, change)));
    plan
}

/// The dependency freeze: community's list, byte by byte, whenever it differs.
fn copy(facts: &PromotionFacts) -> Option<Change> {
    let targets = wanted_targets(facts);
    if facts.head.listings == facts.source && targets.is_none() {
        return None;
    }
    Some(Change {
        contents: NewContents::CopyOfSource,
        targets,
        moves: Vec::new(),
        title: "Dependency freeze".to_owned(),
        message: format!("{} follows {} until {}.", facts.to, facts.from, facts.targets.candidate_freeze),
    })
}

/// The candidate freeze: pin what may be pinned.
fn pin(facts: &PromotionFacts) -> Option<Change> {
    let pinnable = pinnable(facts);
    let listings = stage::stage_candidates(&facts.head.listings, &pinnable);
    let targets = wanted_targets(facts);
    let moves = moves(facts, &listings);
    if listings == facts.head.listings && targets.is_none() {
        return None;
    }
    let message = text::move_lines(&moves);
    Some(Change {
        contents: NewContents::Listings(listings),
        targets,
        moves,
        title: "Candidate freeze".to_owned(),
        message,
    })
}

/// Commits that may be pinned: upstream asks for no issue of any kind, `guarded` for evidence that
/// passes. A pin that a person set is theirs, and a staged package is not pinned again.
fn pinnable(facts: &PromotionFacts) -> BTreeMap<PackageName, String> {
    let Fact::Known(status) = &facts.status else { return BTreeMap::new() };
    let pinned: BTreeMap<&str, Option<&str>> =
        facts.head.listings.iter().map(|listing| (listing.package.as_str(), listing.pin())).collect();
    status
        .packages
        .iter()
        .filter(|(package, assessment)| match pinned.get(package.as_str()) {
            None => false,
            Some(Some(_)) if facts.guarded => false,
            _ if facts.pinned_by_person.contains(*package) => false,
            _ if facts.guarded => assessment.evidence == Evidence::Passing,
            _ => assessment.success(),
        })
        .filter_map(|(package, assessment)| Some((package.clone(), assessment.commit.clone()?)))
        .filter(|(package, commit)| verdicts::refused_in(facts, package, commit).is_none())
        .collect()
}

/// Why a package that could be pinned is not: a person closed a proposal of this very commit.
fn refused(facts: &PromotionFacts, package: &str) -> Option<Verdict> {
    let assessment = facts.status.known()?.packages.get(package)?;
    let (version, commit) = (assessment.version.as_deref()?, assessment.commit.as_deref()?);
    let number = verdicts::refused_in(facts, package, commit)?;
    Some(verdicts::refusal(facts, package, version, commit, number))
}

fn moves(facts: &PromotionFacts, listings: &[Listing]) -> Vec<Move> {
    let before: BTreeMap<&str, Option<&str>> =
        facts.head.listings.iter().map(|listing| (listing.package.as_str(), listing.pin())).collect();
    let status = facts.status.known();
    listings
        .iter()
        .filter(|listing| listing.pin() != before.get(listing.package.as_str()).copied().flatten())
        .filter_map(|listing| {
            let assessment = status?.packages.get(&listing.package)?;
            Some(Move {
                package: listing.package.clone(),
                from_version: None,
                to_version: assessment.version.clone().unwrap_or_default(),
                to_commit: listing.pin()?.to_owned(),
                url: listing.url.clone(),
                why: "nothing speaks against it".to_owned(),
            })
        })
        .collect()
}

fn wanted_targets(facts: &PromotionFacts) -> Option<Targets> {
    (facts.head.targets.as_ref() != Some(&facts.targets)).then(|| facts.targets.clone())
}

fn verdict(facts: &PromotionFacts, package: &str, change: Option<&Change>) -> Verdict {
    let moving = change.is_some_and(|change| change.moves.iter().any(|moved| moved.package == package));
    let listed = facts.head.listings.iter().find(|listing| listing.package == package);
    let staged = listed.is_some_and(|listing| listing.pin().is_some());
    let mut verdict = match facts.point.phase.promote {
        Promote::All => verdicts::staying(facts, package, VerdictKind::Current),
        _ if listed.is_none() => absent(facts),
        _ if staged || moving => Verdict {
            kind: if staged { VerdictKind::Staged } else { VerdictKind::Moves },
            reason: format!("{} holds it at one commit for the coming snapshot", facts.to),
            next: format!("It is part of the snapshot of {}", facts.targets.snapshot),
            root_causes: Vec::new(),
            actor: Actor::Nobody,
            ..verdicts::staying(facts, package, VerdictKind::Staged)
        },
        Promote::FailingOnly => {
            refused(facts, package).unwrap_or_else(|| verdicts::staying(facts, package, VerdictKind::Current))
        }
        Promote::None => Verdict {
            kind: VerdictKind::Frozen,
            next: format!("It is considered again from {} on", facts.point.next_cycle),
            actor: Actor::Nobody,
            ..verdicts::staying(facts, package, VerdictKind::Frozen)
        },
    };
    if moving && facts.via == Via::PullRequest {
        verdict.kind = VerdictKind::Proposed;
        verdict.next = "It is staged once the rolling pull request is merged".to_owned();
        verdict.actor = Actor::Moderators;
    }
    verdict
}

fn absent(facts: &PromotionFacts) -> Verdict {
    Verdict {
        kind: VerdictKind::Frozen,
        version: None,
        commit: None,
        reason: format!("It joined {} after the dependency freeze", facts.from),
        root_causes: Vec::new(),
        next: format!("It enters {} with the next cycle, on {}", facts.to, facts.point.next_cycle),
        actor: Actor::Nobody,
    }
}

fn action(facts: &PromotionFacts, change: Change) -> Option<Action> {
    if facts.via == Via::Commit {
        return Some(Action::Commit(change));
    }
    let key = format!("{}/{ROLLING}", facts.to);
    let open = facts.proposals.iter().find(|seen| seen.key == key && seen.state == ProposalState::Open);
    let fingerprint = change.fingerprint(&facts.source);
    let body = text::rolling_body(facts, &change);
    let newest = facts.proposals.iter().rev().find(|seen| seen.key == key);
    match open {
        // The same change was refused: it is proposed again once there is something new in it.
        None if newest
            .is_some_and(|seen| seen.state == ProposalState::Closed && seen.fingerprint == fingerprint) =>
        {
            None
        }
        Some(seen) if seen.touched => None,
        Some(seen) if seen.fingerprint == fingerprint && !seen.conflicting => {
            let digest = super::text_digest(&change.title, &body);
            (seen.text_digest != digest).then(|| Action::Retext {
                key,
                number: seen.number,
                title: change.title.clone(),
                body,
            })
        }
        seen => Some(Action::Propose { key, update: seen.map(|seen| seen.number), change, body }),
    }
}
