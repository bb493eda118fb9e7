//! Moves that go together under `pinned`: all of them when a dependency freeze begins, otherwise the
//! packages that one commit of one repository releases. A pull request that is open for a package carries its
//! moves, whatever it is called: no second one is opened beside it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::index::{Index, origin};
use super::proposal::{self, Step};
use super::text;
use super::verdicts::{Ruling, cannot_determine, change_of_mind, hands_off, proposed_by_person, queued};
use crate::calendar::{Promote, Targets};
use crate::domain::{
    Action, Actor, Change, Evidence, Listing, Move, NewContents, PackageName, Plan, ProposalSeen,
    ProposalState, Verdict, VerdictKind, Via,
};

/// Moves that go together, and what else changes with them.
struct Bundle {
    key: String,
    kind: BundleKind,
    moves: Vec<Move>,
    leaving: Vec<PackageName>,
    targets: Option<Targets>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BundleKind {
    /// The grouped change that begins a dependency freeze.
    FreezeBegins,
    /// The packages that one commit of one repository releases.
    OneCommit,
    /// Everything that moves in one pass, as one commit.
    OnePass,
}

/// How a bundle reaches the channel.
#[derive(Clone, Copy)]
enum Way {
    Committed,
    Proposed,
    /// As many pull requests are open as may be: its place among those that wait.
    Queued(usize),
    /// A person committed to the branch of the pull request with this number.
    HandsOff(u64),
    /// Whether a person proposes it already could not be read.
    Unread,
}

/// How many more pull requests may be opened, and how many moves wait.
struct Room {
    left: usize,
    waiting: usize,
}

/// Splits off what moderators declined, bundles the rest, and plans each bundle's action and verdicts.
pub fn decide(index: &Index<'_>, wanted: BTreeMap<PackageName, Move>, plan: &mut Plan) {
    let mut moves = Vec::new();
    for (package, moved) in wanted {
        match index.refused(&package, &moved.to_commit) {
            Some(number) => {
                plan.verdicts.insert(package, refusal(index, &moved, number));
            }
            None => moves.push(moved),
        }
    }
    let left = index.facts.max_open.saturating_sub(index.open_count());
    let hourly = index.facts.queue.hourly.map_or(left, |hourly| hourly.left);
    let mut room = Room { left: left.min(hourly), waiting: 0 };
    let moves = without_proposed(index, moves, plan);
    let bundles = bundles(index, moves);
    let wanted: BTreeSet<String> = bundles.iter().map(|bundle| bundle.key.clone()).collect();
    for bundle in bundles {
        bundle.decide(index, &mut room, plan);
    }
    plan.actions.extend(superseded(index, &wanted));
}

/// Closes pull requests that ask for nothing any more: the channel holds each of their commits, or
/// the newest release instead. One that a person took over is theirs to close, and the one that
/// begins this cycle's freeze asks for its dates too.
fn superseded<'a>(index: &'a Index<'_>, wanted: &'a BTreeSet<String>) -> impl Iterator<Item = Action> + 'a {
    let dates_wait = index.facts.head.targets.as_ref() != Some(&index.facts.targets);
    let freeze_key = freeze_key(index);
    let asks =
        move |seen: &&ProposalSeen| wanted.contains(&seen.key) || (dates_wait && seen.key == freeze_key);
    let idle = index.open_proposals().filter(move |seen| !seen.touched && !asks(seen));
    let held = |seen: &&ProposalSeen| {
        let arrived = |(package, commit): (&PackageName, &String)| {
            index.pin(package).is_some_and(|pin| pin == commit || index.newest_commit(package) == Some(pin))
        };
        !seen.commits.is_empty() && seen.commits.iter().all(arrived)
    };
    idle.filter(held).map(|seen| Action::Close {
        key: seen.key.clone(),
        number: seen.number,
        title: text::superseded_title(index.facts, &seen.commits),
        body: text::superseded_body(index, &seen.commits),
    })
}

fn freeze_key(index: &Index<'_>) -> String {
    format!("{}/freeze-{}", index.facts.to, index.facts.point.cycle_start)
}

fn bundles(index: &Index<'_>, moves: Vec<Move>) -> Vec<Bundle> {
    let facts = index.facts;
    let begins = begins(index);
    let (mut bundles, mut rest): (Vec<Bundle>, Vec<Move>) = match facts.via {
        Via::Commit => (Vec::new(), moves),
        Via::PullRequest => {
            let (carried, others) = carry(index, units(moves));
            match begins {
                true => (carried, others.into_iter().flatten().collect()),
                false => {
                    let new = others.into_iter().map(|moves| one_commit(index.proposal_key(&moves), moves));
                    (carried.into_iter().chain(new).collect(), Vec::new())
                }
            }
        }
    };
    bundles.sort_by_cached_key(|bundle| bundle.turn(index));
    rest.sort_by(|one, other| one.package.cmp(&other.package));
    if begins || facts.via == Via::Commit {
        let dates_move = facts.point.phase.promote != Promote::None
            && facts.head.targets.as_ref() != Some(&facts.targets)
            && !facts.source.is_empty();
        let group = Bundle {
            key: freeze_key(index),
            kind: if begins { BundleKind::FreezeBegins } else { BundleKind::OnePass },
            moves: rest,
            leaving: if begins { index.leaving() } else { Vec::new() },
            targets: dates_move.then(|| facts.targets.clone()),
        };
        // It comes first: everything else of the cycle rests on it.
        bundles.insert(0, group);
    }
    bundles
}

/// True while the grouped change that begins a dependency freeze is wanted.
fn begins(index: &Index<'_>) -> bool {
    let facts = index.facts;
    let freeze_key = freeze_key(index);
    let settled = |seen: &&ProposalSeen| matches!(seen.state, ProposalState::Merged | ProposalState::Closed);
    let begun = facts.proposals.iter().filter(settled).any(|seen| seen.key == freeze_key)
        || (facts.via == Via::Commit && facts.head.targets.as_ref() == Some(&facts.targets));
    facts.point.phase.promote == Promote::All && !begun && !facts.source.is_empty()
}

/// Splits off what is proposed already by somebody else, or by a group that is still open though its phase is
/// over: no second pull request is opened for it.
fn without_proposed(index: &Index<'_>, moves: Vec<Move>, plan: &mut Plan) -> Vec<Move> {
    if index.facts.via == Via::Commit || begins(index) {
        return moves;
    }
    let mut left = Vec::new();
    for moved in moves {
        let ours = index.proposed(&moved.package, &moved.to_commit);
        let ruling = match (ours, index.proposed_by_person(&moved.package, &moved.to_commit)) {
            (Some(group), _) if is_group(index, group) => {
                let reason = format!("pull request #{} proposes it with others", group.number);
                let next = "it moves once that pull request is merged";
                Ruling::new(VerdictKind::Proposed, Actor::Moderators, &reason, next)
            }
            (None, Some(number)) => proposed_by_person(number),
            _ => {
                left.push(moved);
                continue;
            }
        };
        let causes = index.standing(&moved.package).root_causes();
        plan.verdicts.insert(moved.package.clone(), ruling.caused_by(causes).on_move(&moved));
    }
    left
}

fn is_group(index: &Index<'_>, seen: &ProposalSeen) -> bool {
    seen.key.starts_with(&format!("{}/freeze-", index.facts.to))
}

/// The moves by the commit that released them.
fn units(moves: Vec<Move>) -> Vec<Vec<Move>> {
    let mut by_origin: BTreeMap<(String, String), Vec<Move>> = BTreeMap::new();
    for moved in moves {
        by_origin.entry(origin(&moved)).or_default().push(moved);
    }
    by_origin.into_values().collect()
}

/// Gives each unit the open pull request that is about one of its packages, the one with its very commit
/// before others and the oldest first; no pull request carries two. Returns those that have one, and the rest.
fn carry(index: &Index<'_>, units: Vec<Vec<Move>>) -> (Vec<Bundle>, Vec<Vec<Move>>) {
    let mut open: Vec<&ProposalSeen> = index.open_proposals().filter(|seen| !is_group(index, seen)).collect();
    open.sort_by_key(|seen| seen.number);
    let exactly =
        |seen: &ProposalSeen, moved: &Move| seen.commits.get(&moved.package) == Some(&moved.to_commit);
    let about = |seen: &ProposalSeen, moved: &Move| seen.commits.contains_key(&moved.package);
    let (mut carried, mut left) = (Vec::new(), units);
    for fits in [&exactly as &dyn Fn(&ProposalSeen, &Move) -> bool, &about] {
        for unit in std::mem::take(&mut left) {
            match open.iter().position(|seen| unit.iter().any(|moved| fits(seen, moved))) {
                Some(place) => carried.push(one_commit(open.remove(place).key.clone(), unit)),
                None => left.push(unit),
            }
        }
    }
    (carried, left)
}

fn one_commit(key: String, moves: Vec<Move>) -> Bundle {
    Bundle { key, kind: BundleKind::OneCommit, moves, leaving: Vec::new(), targets: None }
}

impl Bundle {
    /// Its turn among those that wait: what fails comes first, then who waits longest.
    fn turn(&self, index: &Index<'_>) -> (bool, Timestamp, String) {
        let fails =
            self.moves.iter().any(|moved| index.standing(&moved.package).evidence() == Evidence::Failing);
        let since = self.moves.iter().filter_map(|moved| index.facts.queue.waiting_since.get(&moved.package));
        (!fails, since.min().copied().unwrap_or(Timestamp::MAX), self.key.clone())
    }

    fn decide(self, index: &Index<'_>, room: &mut Room, plan: &mut Plan) {
        if self.moves.is_empty() && self.leaving.is_empty() && self.targets.is_none() {
            return;
        }
        let change = self.change(index);
        let way = self.act(index, &change, room, plan);
        for moved in &change.moves {
            let causes = index.standing(&moved.package).root_causes();
            let mut verdict = ruling(index, moved, way).caused_by(causes).on_move(moved);
            if let Way::Queued(place) = way {
                verdict.place = Some(place);
            }
            plan.verdicts.insert(moved.package.clone(), verdict);
        }
        for package in &self.leaving {
            plan.verdicts.insert(package.clone(), leaves(index, package));
        }
    }

    fn act(&self, index: &Index<'_>, change: &Change, room: &mut Room, plan: &mut Plan) -> Way {
        if index.facts.via == Via::Commit {
            plan.actions.push(Action::Commit(change.clone()));
            return Way::Committed;
        }
        if self.kind != BundleKind::FreezeBegins && index.open(&self.key).is_none() {
            // Before any text is written: that is most of the work, and thousands may wait.
            if index.facts.people.unread.is_some() {
                return Way::Unread;
            }
            if room.left == 0 {
                room.waiting += 1;
                return Way::Queued(room.waiting);
            }
        }
        match proposal::step(index, &self.key, change, self.body(index, change, plan)) {
            Step::HandsOff(seen) => {
                plan.actions.extend(proposal::tell(index, seen, change));
                return Way::HandsOff(seen.number);
            }
            Step::Open(action) => {
                room.left = room.left.saturating_sub(1);
                plan.actions.push(action);
            }
            Step::Act(action) => plan.actions.push(action),
            Step::Stands => {}
        }
        Way::Proposed
    }

    fn change(&self, index: &Index<'_>) -> Change {
        let row = |moved: &Move| {
            let source = index.source(&moved.package)?.clone();
            Some(Listing { branch: Some(moved.to_commit.clone()), ..source })
        };
        let contents = NewContents::Rows {
            set: self.moves.iter().filter_map(row).collect(),
            removed: self.leaving.clone(),
        };
        let title = match self.kind {
            BundleKind::FreezeBegins => text::freeze_title(index.facts, &self.moves),
            BundleKind::OneCommit | BundleKind::OnePass => text::title(index.facts, &self.moves),
        };
        let message = text::commit_message(&self.moves, &self.leaving);
        Change { contents, targets: self.targets.clone(), moves: self.moves.clone(), title, message }
    }

    fn body(&self, index: &Index<'_>, change: &Change, plan: &Plan) -> String {
        match self.kind {
            BundleKind::FreezeBegins => text::freeze_body(index, change, &self.leaving, &plan.verdicts),
            BundleKind::OneCommit | BundleKind::OnePass => text::body(index, change),
        }
    }
}

/// The ruling on a package that moves.
fn ruling(index: &Index<'_>, moved: &Move, way: Way) -> Ruling {
    match way {
        Way::Committed => {
            let next = format!("{} holds it after this pass", index.facts.to);
            Ruling::new(VerdictKind::Moves, Actor::Nobody, &moved.why, &next)
        }
        Way::Proposed => {
            let next = "it moves once the pull request is merged";
            Ruling::new(VerdictKind::Proposed, Actor::Moderators, &moved.why, next)
        }
        Way::Queued(place) => queued(index, place),
        Way::HandsOff(number) => hands_off(number),
        Way::Unread => {
            let why = index.facts.people.unread.as_deref().unwrap_or_default();
            cannot_determine(&format!("whether somebody proposes it already is not known: {why}"))
        }
    }
}

fn refusal(index: &Index<'_>, moved: &Move, number: u64) -> Verdict {
    let reason = format!("pull request #{number} was closed without being merged");
    let next = format!("the next version is proposed again; to have this one, {}", change_of_mind(index));
    Ruling::new(VerdictKind::Refused, Actor::Moderators, &reason, &next)
        .caused_by(index.standing(&moved.package).root_causes())
        .on_move(moved)
}

/// A package that leaves with the change that begins the freeze.
fn leaves(index: &Index<'_>, package: &str) -> Verdict {
    let facts = index.facts;
    let next = match facts.via {
        Via::Commit => format!("it leaves {} in this pass", facts.to),
        Via::PullRequest => {
            format!("it leaves {} once the pull request that begins the freeze is merged", facts.to)
        }
    };
    let reason = format!("{} does not list it any more", facts.from);
    Ruling::new(VerdictKind::Gone, Actor::Moderators, &reason, &next).on_held(index, package)
}
