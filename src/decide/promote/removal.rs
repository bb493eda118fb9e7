//! Removals on request: the package leaves the channel's list, by commit or by a pull request of its own, and
//! no rule moves it again until the removal is undone.

use std::collections::BTreeSet;

use super::index::Index;
use super::proposal::{self, Step};
use super::text;
use super::verdicts::Ruling;
use crate::domain::{
    Action, Actor, Change, Listing, Move, NewContents, PackageName, Plan, PromotionFacts, Removal,
    VerdictKind, Via,
};

/// True where a person asked for the package to leave the channel.
pub fn is_removed(facts: &PromotionFacts, package: &str) -> bool {
    removal(facts, package).is_some()
}

fn removal<'f>(facts: &'f PromotionFacts, package: &str) -> Option<&'f Removal> {
    facts.removals.get(package).filter(|removal| removal.covers(&facts.to))
}

/// The source's list without what is removed.
pub fn without_removed(facts: &PromotionFacts) -> Vec<Listing> {
    facts.source.iter().filter(|listing| !is_removed(facts, &listing.package)).cloned().collect()
}

/// How a removal reaches the channel.
enum Way {
    /// The channel does not hold the package.
    Done,
    Committed,
    Proposed,
    HandsOff(u64),
    Refused(u64),
}

/// Takes removed packages out of the channel, closes what would bring them in, and gives each its verdict.
pub fn take_out(index: &Index<'_>, plan: &mut Plan) {
    let facts = index.facts;
    let asked = facts.removals.keys().map(String::as_str).filter(|package| index.knows(package));
    let removed: Vec<(&str, &Removal)> =
        asked.filter_map(|package| Some((package, removal(facts, package)?))).collect();
    let held: Vec<&str> =
        removed.iter().map(|(package, _)| *package).filter(|package| index.held(package).is_some()).collect();
    if facts.via == Via::Commit && !held.is_empty() {
        commit(facts, &held, plan);
    }
    for (package, removal) in removed {
        let way = match (index.held(package).is_some(), facts.via) {
            (false, _) => Way::Done,
            (true, Via::Commit) => Way::Committed,
            (true, Via::PullRequest) => propose(index, package, removal, plan),
        };
        let verdict = ruling(facts, removal, package, &way).on_held(index, package);
        plan.verdicts.insert(package.to_owned(), verdict);
    }
    close_what_moves_them(index, plan);
    close_what_is_undone(index, plan);
}

/// One commit per pass: a removal goes with the commit that the pass makes anyway.
fn commit(facts: &PromotionFacts, held: &[&str], plan: &mut Plan) {
    let open = plan.actions.iter_mut().find_map(|action| match action {
        Action::Commit(change) => Some(change),
        _ => None,
    });
    let Some(change) = open else {
        plan.actions.push(Action::Commit(change_of(facts, held)));
        return;
    };
    if let NewContents::Rows { removed, .. } = &mut change.contents {
        let missing: Vec<PackageName> = held
            .iter()
            .filter(|package| !removed.iter().any(|known| known == *package))
            .map(|p| (*p).to_owned())
            .collect();
        removed.extend(missing);
        removed.sort_unstable();
    }
}

fn change_of(facts: &PromotionFacts, packages: &[&str]) -> Change {
    Change {
        contents: NewContents::Rows {
            set: Vec::new(),
            removed: packages.iter().map(|package| (*package).to_owned()).collect(),
        },
        targets: None,
        moves: Vec::<Move>::new(),
        title: text::removal_title(facts, packages),
        message: text::removal_message(facts, packages),
    }
}

/// No package's name has a hyphen, so no other proposal has this key. A second wish for the same package is
/// another proposal: that the first one was closed is no answer to it.
fn key(facts: &PromotionFacts, package: &str, removal: &Removal) -> String {
    format!("{}/removal-{package}-{}", facts.to, removal.at.as_second())
}

fn propose(index: &Index<'_>, package: &str, removal: &Removal, plan: &mut Plan) -> Way {
    let facts = index.facts;
    let key = key(facts, package, removal);
    let change = change_of(facts, &[package]);
    let closed = facts.proposals.iter().rev().find(|seen| seen.key == key);
    let refused = index.is_refused(&key, &change) && index.open(&key).is_none();
    if let Some(seen) = closed.filter(|_| refused) {
        return Way::Refused(seen.number);
    }
    match proposal::step(index, &key, &change, text::removal_body(facts, package, removal)) {
        Step::HandsOff(seen) => return Way::HandsOff(seen.number),
        Step::Act(action) | Step::Open(action) => plan.actions.push(action),
        Step::Stands => {}
    }
    Way::Proposed
}

/// Open pull requests that move removed packages only are closed: merged by mistake they would bring them back.
fn close_what_moves_them(index: &Index<'_>, plan: &mut Plan) {
    let facts = index.facts;
    let ours = index.open_proposals().filter(|seen| !seen.touched && !seen.commits.is_empty());
    let all_removed = ours.filter(|seen| seen.commits.keys().all(|package| is_removed(facts, package)));
    plan.actions.extend(all_removed.map(|seen| Action::Close {
        key: seen.key.clone(),
        number: seen.number,
        title: text::removed_title(facts, &seen.commits),
        body: text::removed_body(facts, &seen.commits),
    }));
}

/// Open pull requests of removals that ask for nothing any more: undone, or the package is gone already.
fn close_what_is_undone(index: &Index<'_>, plan: &mut Plan) {
    let facts = index.facts;
    let wanted: BTreeSet<String> = facts
        .removals
        .iter()
        .filter(|(package, removal)| removal.covers(&facts.to) && index.held(package).is_some())
        .map(|(package, removal)| key(facts, package, removal))
        .collect();
    let prefix = format!("{}/removal-", facts.to);
    let idle = index
        .open_proposals()
        .filter(|seen| seen.key.starts_with(&prefix) && !seen.touched && !wanted.contains(&seen.key));
    plan.actions.extend(idle.map(|seen| Action::Close {
        key: seen.key.clone(),
        number: seen.number,
        title: text::undone_title(facts, &seen.key[prefix.len()..]),
        body: text::undone_body(facts),
    }));
}

fn ruling(facts: &PromotionFacts, removal: &Removal, package: &str, way: &Way) -> Ruling {
    let reason =
        format!("{} asked for it to be taken out, at {}: {}", removal.by, removal.at, removal.reason);
    let to = &facts.to;
    let undo =
        format!("`tidegate remove {package} --distribution {} --undo` puts it back", facts.distribution);
    let (actor, next) = match way {
        Way::Done => (Actor::Nobody, format!("{to} does not take it again; {undo}")),
        Way::Committed => (Actor::Nobody, format!("it leaves {to} in this pass; {undo}")),
        Way::Proposed => {
            (Actor::Moderators, format!("it leaves {to} once the pull request is merged; {undo}"))
        }
        Way::HandsOff(number) => (
            Actor::Moderators,
            format!("a person took over pull request #{number}, which is theirs to finish; {undo}"),
        ),
        Way::Refused(number) => (
            Actor::Moderators,
            format!(
                "pull request #{number} was closed, so {to} still lists it; snapshots leave it out; {undo}"
            ),
        ),
    };
    Ruling::new(VerdictKind::Removed, actor, &reason, &next)
}
