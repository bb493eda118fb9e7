//! The `follow` model, which R-multiverse runs today: staging's list is a copy of community's during
//! the dependency freeze; in the candidate freeze every healthy package is pinned and stays pinned;
//! after the snapshot nothing moves.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use super::proposal::{self, Step};
use super::verdicts::{
    Ruling, by_exception, cannot_determine, change_of_mind, hands_off, removed_by_person, staying,
};
use super::{removal, text, upstream, verdicts};
use crate::calendar::{Promote, Targets};
use crate::decide::words::nothing_against;
use crate::decide::{ledger, stage};
use crate::domain::{
    Action, Actor, Change, Evidence, Fact, FreezeException, Listing, Move, NewContents, PackageName, Plan,
    PromotionFacts, Verdict, VerdictKind, Via, sort_as_upstream,
};

/// The one rolling pull request of a distribution under `follow`.
const ROLLING: &str = "rolling";

pub fn promote(index: &Index<'_>) -> Plan {
    let change = match index.facts.point.phase.promote {
        Promote::All => copy(index),
        Promote::FailingOnly => pin(index),
        Promote::None => pin_excepted(index),
    };
    let mut plan = Plan::default();
    let way = change.as_ref().map_or(Way::Committed, |change| way(index, change, &mut plan));
    let moves = change.iter().flat_map(|change| &change.moves);
    let moves: BTreeMap<&str, &Move> = moves.map(|moved| (moved.package.as_str(), moved)).collect();
    for package in index.packages() {
        if removal::is_removed(index.facts, package) {
            continue;
        }
        let verdict = verdict(index, package, moves.get(package).copied(), way);
        plan.verdicts.insert(package.to_owned(), verdict);
    }
    plan
}

/// How a change reaches the channel.
#[derive(Clone, Copy)]
enum Way {
    Committed,
    Proposed,
    /// A person committed to the branch of the pull request with this number.
    HandsOff(u64),
    /// A person closed a pull request with exactly this change.
    Refused,
}

fn way(index: &Index<'_>, change: &Change, plan: &mut Plan) -> Way {
    if index.facts.via == Via::Commit {
        plan.actions.push(Action::Commit(change.clone()));
        return Way::Committed;
    }
    let key = format!("{}/{ROLLING}", index.facts.to);
    let body = match index.facts.point.phase.promote {
        Promote::All => text::copy_body(index),
        Promote::FailingOnly | Promote::None => text::pins_body(index, change),
    };
    match proposal::step(index, &key, change, body) {
        Step::HandsOff(seen) => return Way::HandsOff(seen.number),
        Step::Open(_) if index.is_refused(&key, change) => return Way::Refused,
        Step::Stands => {}
        Step::Act(action) | Step::Open(action) => plan.actions.push(action),
    }
    Way::Proposed
}

/// The dependency freeze: community's list, byte by byte, whenever it differs. Rows that people pinned or took
/// out stay theirs; then the others are brought up to date one by one.
fn copy(index: &Index<'_>) -> Option<Change> {
    let facts = index.facts;
    let targets = wanted_targets(facts);
    let lost = facts.guarded && facts.source.is_empty();
    let wanted = removal::without_removed(facts);
    if lost || (facts.head.listings == wanted && targets.is_none()) {
        return None;
    }
    let theirs = |listing: &&Listing| index.is_theirs(&listing.package);
    let untouched = !facts.source.iter().chain(&facts.head.listings).any(|listing| theirs(&listing));
    let contents = match untouched && wanted.len() == facts.source.len() {
        true => NewContents::CopyOfSource,
        false => rows_towards(index, &wanted),
    };
    let nothing = |contents: &NewContents| matches!(contents, NewContents::Rows { set, removed } if set.is_empty() && removed.is_empty());
    if nothing(&contents) && targets.is_none() {
        return None;
    }
    Some(Change {
        contents,
        targets,
        moves: Vec::new(),
        title: text::copy_title(facts),
        message: format!("{} follows {} until {}.", facts.to, facts.from, facts.targets.candidate_freeze),
    })
}

/// The rows that bring the channel's list to `wanted`, but for those that people pinned or took out.
fn rows_towards(index: &Index<'_>, wanted: &[Listing]) -> NewContents {
    let ours = |listing: &&Listing| !index.is_theirs(&listing.package);
    let stays: BTreeSet<&str> = wanted.iter().map(|listing| listing.package.as_str()).collect();
    let differs = |listing: &&Listing| index.held(&listing.package) != Some(*listing);
    let mut set: Vec<Listing> = wanted.iter().filter(ours).filter(differs).cloned().collect();
    set.sort_by(|a, b| a.package.cmp(&b.package));
    let gone = index.facts.head.listings.iter().filter(|listing| !stays.contains(listing.package.as_str()));
    let mut removed: Vec<PackageName> = gone.filter(ours).map(|listing| listing.package.clone()).collect();
    removed.sort();
    NewContents::Rows { set, removed }
}

/// The candidate freeze: pin what may be pinned.
fn pin(index: &Index<'_>) -> Option<Change> {
    let facts = index.facts;
    let staged = stage::stage_candidates(&facts.head.listings, &pinnable(index));
    let mut set: Vec<Listing> =
        staged.into_iter().filter(|listing| index.held(&listing.package) != Some(listing)).collect();
    let leaves = excepted(index);
    set.retain(|listing| !leaves.contains_key(&listing.package));
    let mut moves = moves(facts, &set);
    set.extend(leaves.values().map(|(listing, _)| listing.clone()));
    moves.extend(leaves.into_values().map(|(_, moved)| moved));
    sort_as_upstream(&mut set);
    moves.sort_by_cached_key(|moved| (moved.package.to_lowercase(), moved.package.clone()));
    pins(facts, set, moves, wanted_targets(facts))
}

/// After the snapshot: only what an exception lets pass.
fn pin_excepted(index: &Index<'_>) -> Option<Change> {
    let (set, moves) = excepted(index).into_values().unzip();
    pins(index.facts, set, moves, None)
}

fn pins(
    facts: &PromotionFacts,
    set: Vec<Listing>,
    moves: Vec<Move>,
    targets: Option<Targets>,
) -> Option<Change> {
    if set.is_empty() && targets.is_none() {
        return None;
    }
    Some(Change {
        message: text::commit_message(&moves, &[]),
        contents: NewContents::Rows { set, removed: Vec::new() },
        targets,
        title: text::pins_title(facts, &moves),
        moves,
    })
}

/// What a named person's leave pins though the phase would not: the newest release, where it has just the
/// version, or else what staging's universe built of that version.
fn excepted(index: &Index<'_>) -> BTreeMap<PackageName, (Listing, Move)> {
    let facts = index.facts;
    let one = |leave: &FreezeException| {
        let (package, version) = (leave.package.as_str(), leave.version.as_str());
        let source = index.source(package)?;
        let commit = leave_commit(index, package, version)?;
        let held = index.held_version(package).filter(|_| index.pin(package).is_some());
        let rises = held.is_none_or(|held| ledger::rises(Some(held), Some(version)));
        let refused = facts.via == Via::PullRequest && index.refused(package, &commit).is_some();
        if index.pin(package) == Some(&commit) || !rises || refused {
            return None;
        }
        let moved = Move {
            package: package.to_owned(),
            from_version: held.map(str::to_owned),
            to_version: version.to_owned(),
            to_commit: commit.clone(),
            url: source.url.clone(),
            why: by_exception(leave),
        };
        Some((package.to_owned(), (Listing { branch: Some(commit), ..source.clone() }, moved)))
    };
    index.exceptions().filter_map(one).collect()
}

/// The commit of the only version that an exception is good for. It dies with the next version, and does not
/// pass the light checks.
fn leave_commit(index: &Index<'_>, package: &str, version: &str) -> Option<String> {
    match index.release(package) {
        Some(Fact::Known(Some(release))) => {
            (release.version == version && release.problems.is_empty()).then(|| release.commit.clone())
        }
        _ => {
            let built = index.facts.status.known()?.packages.get(package)?;
            let same = built.version.as_deref() == Some(version);
            same.then(|| built.commit.clone()).flatten()
        }
    }
}

/// Commits that may be pinned: upstream asks for no issue of any kind, `guarded` for evidence that
/// passes, and keeps a staged package as it is. A pin that a person set is theirs, and a commit that
/// moderators declined is not proposed again.
fn pinnable(index: &Index<'_>) -> BTreeMap<PackageName, String> {
    let facts = index.facts;
    let Fact::Known(status) = &facts.status else { return BTreeMap::new() };
    let mut pinnable = BTreeMap::new();
    for (package, assessment) in &status.packages {
        let Some(commit) = &assessment.commit else { continue };
        let kept = facts.guarded && index.pin(package).is_some();
        let passes =
            if facts.guarded { assessment.evidence == Evidence::Passing } else { assessment.success() };
        let free = !kept
            && !facts.pinned_by_person.contains(package)
            && !removal::is_removed(facts, package)
            && !upstream::is_dropped(facts, package);
        if passes && free && refused(index, package).is_none() {
            pinnable.insert(package.clone(), commit.clone());
        }
    }
    pinnable
}

/// The number of the pull request in which moderators declined what the universe has now.
fn refused(index: &Index<'_>, package: &str) -> Option<u64> {
    let built = index.facts.status.known()?.packages.get(package)?;
    let number = index.refused(package, built.commit.as_deref()?)?;
    (index.facts.via == Via::PullRequest).then_some(number)
}

fn moves(facts: &PromotionFacts, set: &[Listing]) -> Vec<Move> {
    let status = facts.status.known();
    let moved = |listing: &Listing| {
        let to_commit = listing.pin()?.to_owned();
        let assessment = status?.packages.get(&listing.package)?;
        Some(Move {
            package: listing.package.clone(),
            from_version: None,
            to_version: assessment.version.clone().unwrap_or_default(),
            to_commit,
            url: listing.url.clone(),
            why: nothing_against(Some(assessment)),
        })
    };
    set.iter().filter_map(moved).collect()
}

fn wanted_targets(facts: &PromotionFacts) -> Option<Targets> {
    (facts.head.targets.as_ref() != Some(&facts.targets)).then(|| facts.targets.clone())
}

fn verdict(index: &Index<'_>, package: &str, moved: Option<&Move>, way: Way) -> Verdict {
    let facts = index.facts;
    let moves = moved.is_some() || index.source(package).is_none() || index.held(package).is_none();
    if let Some(verdict) = upstream::vanished(index, package).filter(|_| !moves) {
        return verdict;
    }
    if facts.point.phase.promote == Promote::All {
        return while_following(index, package, way);
    }
    if let Some(moved) = moved {
        let next = match facts.point.phase.promote {
            Promote::None => format!("{} holds it from then on", facts.to),
            _ => format!("it is part of the snapshot of {} from then on", facts.targets.snapshot),
        };
        return moving(way, &moved.why, &next).on_move(moved);
    }
    if index.source(package).is_none() {
        return dropped(index, package);
    }
    if index.held(package).is_none() {
        let reason = format!("it joined {} after the dependency freeze", facts.from);
        let next = format!("it enters {} with the next cycle, on {}", facts.to, facts.point.next_cycle);
        return Ruling::new(VerdictKind::Frozen, Actor::Nobody, &reason, &next).on_held(index, package);
    }
    if index.pin(package).is_some() {
        return staged(index, package);
    }
    if let Some(number) = refused(index, package) {
        let reason = format!("pull request #{number} was closed without being merged");
        let next = format!("its next version is proposed again; to have this one, {}", change_of_mind(index));
        return Ruling::new(VerdictKind::Refused, Actor::Moderators, &reason, &next).on_held(index, package);
    }
    if facts.point.phase.promote == Promote::FailingOnly {
        return staying(index, package, VerdictKind::Current);
    }
    let reason = match index.standing(package).in_words() {
        words if words.is_empty() => "it was not staged in time".to_owned(),
        words => format!("it was not staged in time: {words}"),
    };
    let next = format!("it is considered again from {} on", facts.point.next_cycle);
    Ruling::new(VerdictKind::Frozen, Actor::Nobody, &reason, &next).on_held(index, package)
}

/// In the dependency freeze packages enter and leave with the copy; the others follow by themselves.
fn while_following(index: &Index<'_>, package: &str, way: Way) -> Verdict {
    let facts = index.facts;
    let (from, to) = (&facts.from, &facts.to);
    if facts.guarded && facts.source.is_empty() {
        return cannot_determine(&format!("{from} lists no package at all")).on_held(index, package);
    }
    match (index.source(package), index.held(package)) {
        (_, None) if index.is_theirs(package) => removed_by_person(index).on_held(index, package),
        (_, Some(_)) if index.is_theirs(package) => {
            let next = format!("{to} keeps it there until somebody takes the pin away");
            Ruling::new(VerdictKind::HandsOff, Actor::Moderators, "a person set the pin", &next)
                .on_held(index, package)
        }
        (Some(_), Some(_)) => staying(index, package, VerdictKind::Current),
        (_, None) => {
            let next = format!("{to} builds it then");
            moving(way, &format!("it is new to {from}"), &next).on_held(index, package)
        }
        (None, Some(_)) => {
            let next = match way {
                Way::Committed => format!("it leaves {to} in this pass"),
                Way::Proposed | Way::HandsOff(_) => {
                    format!("it leaves {to} once the rolling pull request is merged")
                }
                Way::Refused => format!("it stays in {to}, since that pull request was closed"),
            };
            let reason = format!("{from} does not list it any more");
            Ruling::new(VerdictKind::Gone, Actor::Moderators, &reason, &next).on_held(index, package)
        }
    }
}

/// A package that the source dropped after the dependency freeze: its row stays for this cycle.
fn dropped(index: &Index<'_>, package: &str) -> Verdict {
    let facts = index.facts;
    let held = match index.pin(package) {
        Some(_) => format!("{} holds it at one commit for this cycle", facts.to),
        None => format!("{} keeps its row for this cycle", facts.to),
    };
    let reason = format!("{} does not list it any more, and {held}", facts.from);
    let next = format!("it leaves {} with the next cycle, on {}", facts.to, facts.point.next_cycle);
    Ruling::new(VerdictKind::Gone, Actor::Moderators, &reason, &next).on_held(index, package)
}

/// A package that the change moves. `then` says what comes after the move.
fn moving(way: Way, why: &str, then: &str) -> Ruling {
    match way {
        Way::Committed => Ruling::new(VerdictKind::Moves, Actor::Nobody, why, then),
        Way::Proposed => {
            let next = "it moves once the rolling pull request is merged";
            Ruling::new(VerdictKind::Proposed, Actor::Moderators, why, next)
        }
        Way::HandsOff(number) => hands_off(number),
        Way::Refused => {
            let reason = "the rolling pull request with it was closed without being merged";
            let next = "it is proposed again with the next change; to have it now, reopen that pull request";
            Ruling::new(VerdictKind::Refused, Actor::Moderators, reason, next)
        }
    }
}

/// A staged package stays staged, whatever is found later; the snapshot says what was found.
fn staged(index: &Index<'_>, package: &str) -> Verdict {
    let facts = index.facts;
    let standing = index.standing(package);
    let held = format!("{} holds it at one commit for the coming snapshot", facts.to);
    let reason = match standing.evidence() {
        Evidence::Failing => format!("{held}, though by now {}", standing.in_words()),
        _ => held,
    };
    let next = match facts.point.phase.promote {
        Promote::None => verdicts::until_next_cycle(index),
        Promote::All | Promote::FailingOnly => {
            format!("it is part of the snapshot of {}", facts.targets.snapshot)
        }
    };
    Ruling::new(VerdictKind::Staged, Actor::Nobody, &reason, &next).on_held(index, package)
}
