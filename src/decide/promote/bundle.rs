//! Moves that go together under `pinned`: all of them when a dependency freeze begins, otherwise the
//! packages of one repository, since one release carries them.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use super::proposal::{self, Step};
use super::text;
use super::verdicts::{Ruling, hands_off, queued};
use crate::calendar::{Promote, Targets};
use crate::domain::{
    Action, Actor, Change, Listing, Move, NewContents, PackageName, Plan, ProposalSeen, ProposalState,
    Verdict, VerdictKind, Via,
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
    /// The packages of one repository.
    OneRepository,
    /// Everything that moves in one pass, as one commit.
    OnePass,
}

/// How a bundle reaches the channel.
#[derive(Clone, Copy)]
enum Way {
    Committed,
    Proposed,
    /// As many pull requests are open as may be.
    Queued,
    /// A person committed to the branch of the pull request with this number.
    HandsOff(u64),
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
    let mut room = index.facts.max_open.saturating_sub(index.open_count());
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
    let freeze_key = freeze_key(index);
    let settled = |seen: &&ProposalSeen| seen.state != ProposalState::Open;
    let begun = facts.proposals.iter().filter(settled).any(|seen| seen.key == freeze_key)
        || (facts.via == Via::Commit && facts.head.targets.as_ref() == Some(&facts.targets));
    let begins = facts.point.phase.promote == Promote::All && !begun && !facts.source.is_empty();
    if begins || facts.via == Via::Commit {
        let dates_move = facts.point.phase.promote != Promote::None
            && facts.head.targets.as_ref() != Some(&facts.targets)
            && !facts.source.is_empty();
        return vec![Bundle {
            key: freeze_key,
            kind: if begins { BundleKind::FreezeBegins } else { BundleKind::OnePass },
            moves,
            leaving: if begins { index.leaving() } else { Vec::new() },
            targets: dates_move.then(|| facts.targets.clone()),
        }];
    }
    let mut by_key: BTreeMap<String, Vec<Move>> = BTreeMap::new();
    for moved in moves {
        by_key.entry(index.proposal_key(&moved.package, &moved.url)).or_default().push(moved);
    }
    let one_repository = |(key, moves)| Bundle {
        key,
        kind: BundleKind::OneRepository,
        moves,
        leaving: Vec::new(),
        targets: None,
    };
    by_key.into_iter().map(one_repository).collect()
}

impl Bundle {
    /// `room` is how many more pull requests may be opened.
    fn decide(self, index: &Index<'_>, room: &mut usize, plan: &mut Plan) {
        if self.moves.is_empty() && self.leaving.is_empty() && self.targets.is_none() {
            return;
        }
        let change = self.change(index);
        let way = self.act(index, &change, room, plan);
        for moved in &change.moves {
            let causes = index.standing(&moved.package).root_causes();
            let verdict = ruling(index, moved, way).caused_by(causes).on_move(moved);
            plan.verdicts.insert(moved.package.clone(), verdict);
        }
        for package in &self.leaving {
            plan.verdicts.insert(package.clone(), leaves(index, package));
        }
    }

    fn act(&self, index: &Index<'_>, change: &Change, room: &mut usize, plan: &mut Plan) -> Way {
        if index.facts.via == Via::Commit {
            plan.actions.push(Action::Commit(change.clone()));
            return Way::Committed;
        }
        match proposal::step(index, &self.key, change, self.body(index, change, plan)) {
            Step::HandsOff(number) => return Way::HandsOff(number),
            Step::Open(_) if *room == 0 => return Way::Queued,
            Step::Open(action) => {
                *room -= 1;
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
            BundleKind::OneRepository | BundleKind::OnePass => text::title(index.facts, &self.moves),
        };
        let message = text::commit_message(&self.moves, &self.leaving);
        Change { contents, targets: self.targets.clone(), moves: self.moves.clone(), title, message }
    }

    fn body(&self, index: &Index<'_>, change: &Change, plan: &Plan) -> String {
        match self.kind {
            BundleKind::FreezeBegins => text::freeze_body(index, change, &self.leaving, &plan.verdicts),
            BundleKind::OneRepository | BundleKind::OnePass => text::body(index, change),
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
        Way::Queued => queued(index),
        Way::HandsOff(number) => hands_off(number),
    }
}

fn refusal(index: &Index<'_>, moved: &Move, number: u64) -> Verdict {
    let reason = format!("pull request #{number} was closed without being merged");
    let next = "the next version is proposed again; to have this one, reopen that pull request";
    Ruling::new(VerdictKind::Refused, Actor::Moderators, &reason, next)
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
