//! The `pinned` model, the shipped default: every package of the channel is pinned to a commit.
//!
//! The dependency freeze begins with one grouped change that pins every package to its newest
//! admissible release. After that, while the freeze lasts, each newer admissible release is
//! promoted by itself. In the candidate freeze only packages that fail, by themselves or through a
//! dependency, may take a newer release. After the snapshot nothing moves.

use std::collections::BTreeMap;

use super::bundle;
use super::index::{Index, origin};
use super::verdicts::{Ruling, by_exception, cannot_determine, removed_by_person, staying};
use super::{removal, upstream};
use crate::calendar::Promote;
use crate::decide::ledger;
use crate::decide::words::cleared_in_words;
use crate::domain::{Actor, Evidence, Fact, Move, PackageName, Plan, Release, Verdict, VerdictKind};

pub fn promote(index: &Index<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut wanted: BTreeMap<PackageName, Move> = BTreeMap::new();
    let mut healthy = Vec::new();
    for package in index.packages() {
        if removal::is_removed(index.facts, package) {
            continue;
        }
        match consider(index, package) {
            Ok(Wish { moved, freeze: None }) => {
                wanted.insert(package.to_owned(), moved);
            }
            Ok(Wish { moved, freeze: Some(verdict) }) => healthy.push((moved, verdict)),
            Err(verdict) => {
                plan.verdicts.insert(package.to_owned(), *verdict);
            }
        }
    }
    come_along(healthy, &mut wanted, &mut plan);
    bundle::decide(index, wanted, &mut plan);
    plan
}

/// A move that the rules of one package allow, or that only the freeze of healthy packages forbids.
struct Wish {
    moved: Move,
    freeze: Option<Box<Verdict>>,
}

/// What one commit released moves together: healthy packages that the freeze keeps still come along with one
/// that may move by the very same commit.
fn come_along(healthy: Vec<(Move, Box<Verdict>)>, wanted: &mut BTreeMap<PackageName, Move>, plan: &mut Plan) {
    let mut leaders: BTreeMap<(String, String), PackageName> = BTreeMap::new();
    for moved in wanted.values() {
        leaders.entry(origin(moved)).or_insert_with(|| moved.package.clone());
    }
    for (moved, verdict) in healthy {
        match leaders.get(&origin(&moved)) {
            Some(leader) => {
                let why =
                    format!("the same commit releases {leader}, which may move, and they belong together");
                wanted.insert(moved.package.clone(), Move { why, ..moved });
            }
            None => {
                plan.verdicts.insert(moved.package, *verdict);
            }
        }
    }
}

/// Decides for one package whether it wants to move. Every way out is one rule.
fn consider(index: &Index<'_>, package: &str) -> Result<Wish, Box<Verdict>> {
    let facts = index.facts;
    if facts.source.is_empty() {
        // A distribution without a package does not exist: its list was lost.
        let why = format!("{} lists no package at all", facts.from);
        return Err(Box::new(cannot_determine(&why).on_held(index, package)));
    }
    if let Some(verdict) = upstream::absent(index, package) {
        return Err(Box::new(verdict));
    }
    let Some(source) = index.source(package) else { return Err(Box::new(left(index, package))) };
    let release = newest_release(index, package)?;
    if let Some(verdict) = upstream::withdrawn(index, package) {
        return Err(Box::new(verdict));
    }
    if index.pin(package) == Some(release.commit.as_str()) {
        let passed_over = upstream::passed_over(index, package);
        return Err(Box::new(passed_over.unwrap_or_else(|| staying(index, package, VerdictKind::Current))));
    }
    if index.is_removed(package) && index.exception(package, &release.version).is_none() {
        return Err(Box::new(removed_by_person(index).on_release(release)));
    }
    if let Some(verdict) = pinned_by_person(index, package, release) {
        return Err(Box::new(verdict));
    }
    if let Some(verdict) = inadmissible(index, package, release) {
        return Err(Box::new(verdict));
    }
    let (why, freeze) = match may_move(index, package, release)? {
        Ok(why) => (why, None),
        Err(frozen) => (String::new(), Some(frozen)),
    };
    let moved = Move {
        package: package.to_owned(),
        from_version: index.held_version(package).map(str::to_owned),
        to_version: release.version.clone(),
        to_commit: release.commit.clone(),
        url: source.url.clone(),
        why,
    };
    Ok(Wish { moved, freeze })
}

fn newest_release<'a>(index: &Index<'a>, package: &str) -> Result<&'a Release, Box<Verdict>> {
    let ruling = match index.release(package) {
        Some(Fact::Known(Some(release))) => return Ok(release),
        Some(Fact::Known(None)) => Ruling::new(
            VerdictKind::Inadmissible,
            Actor::Maintainer,
            "its repository has no release",
            "the first release is considered at once",
        ),
        Some(Fact::Unknown { why }) => cannot_determine(why),
        None => cannot_determine("nothing is known of its releases"),
    };
    Err(Box::new(ruling.on_held(index, package)))
}

/// A pin that a person set is theirs: in a freeze it stays, and before that only a version that is
/// known to be higher may take its place. Leave for exactly this release is a person's word too.
fn pinned_by_person(index: &Index<'_>, package: &str, release: &Release) -> Option<Verdict> {
    let facts = index.facts;
    let theirs =
        facts.pinned_by_person.contains(package) && index.exception(package, &release.version).is_none();
    let free = facts.point.phase.promote == Promote::All;
    let held = index.held_version(package);
    if !theirs || (free && held.is_some() && ledger::rises(held, Some(&release.version))) {
        return None;
    }
    let next = if free {
        "the pin stays until a release with a higher version comes".to_owned()
    } else {
        format!(
            "the pin stays; from {} on a release with a higher version is proposed",
            facts.point.next_cycle
        )
    };
    let reason = "a person set the pin";
    Some(Ruling::new(VerdictKind::HandsOff, Actor::Moderators, reason, &next).on_release(release))
}

/// The light checks: a valid DESCRIPTION without `Remotes`, and a version that rises.
fn inadmissible(index: &Index<'_>, package: &str, release: &Release) -> Option<Verdict> {
    let mut problems = release.problems.clone();
    let held = index.held_version(package).filter(|_| index.pin(package).is_some());
    if let Some(version) = held.filter(|held| !ledger::rises(Some(held), Some(&release.version))) {
        problems.push(if version == release.version {
            upstream::released_again(index, package, version)
        } else {
            format!("its version {} does not rise above {version}", release.version)
        });
    }
    (!problems.is_empty()).then(|| {
        let next = "a new release without this is considered at once";
        Ruling::new(VerdictKind::Inadmissible, Actor::Maintainer, &problems.join("; "), next)
            .on_release(release)
    })
}

/// The freeze rule: why a release may move, as one clause. What may be promoted in a phase is the
/// calendar's word; a named exception lets one version pass. The inner verdict is that on a healthy package,
/// which may still come along with another.
fn may_move(
    index: &Index<'_>,
    package: &str,
    release: &Release,
) -> Result<Result<String, Box<Verdict>>, Box<Verdict>> {
    let facts = index.facts;
    let standing = index.standing(package);
    let why = match (facts.point.phase.promote, index.exception(package, &release.version)) {
        (Promote::All, _) => format!(
            "every newer admissible release is promoted until the candidate freeze begins on {}",
            facts.targets.candidate_freeze
        ),
        (_, Some(exception)) => by_exception(exception),
        (Promote::None, None) => {
            return Err(frozen(index, package, release, "nothing moves until the next cycle"));
        }
        (Promote::FailingOnly, None) if index.held(package).is_none() => {
            return Err(frozen(index, package, release, "no new package enters in the candidate freeze"));
        }
        (Promote::FailingOnly, None) => match standing.evidence() {
            Evidence::Failing if standing.fails_by_itself() => {
                format!("what {} holds now fails: {}", facts.to, standing.in_words())
            }
            Evidence::Failing => standing.in_words(),
            Evidence::Passing => {
                let cleared = standing.assessment().and_then(cleared_in_words);
                let cleared = cleared.map(|cleared| format!(": {cleared}")).unwrap_or_default();
                let reason =
                    format!("it is healthy, and the candidate freeze keeps healthy packages still{cleared}");
                return Ok(Err(frozen(index, package, release, &reason)));
            }
            Evidence::Pending | Evidence::Unknown => {
                return Err(Box::new(staying(index, package, VerdictKind::Current)));
            }
        },
    };
    Ok(Ok(why))
}

/// A release that has to wait; unless it was proposed before the freeze, and that pull request is
/// still open for the moderators to decide.
fn frozen(index: &Index<'_>, package: &str, release: &Release, reason: &str) -> Box<Verdict> {
    let ruling = match index.proposed(package, &release.commit) {
        Some(seen) => {
            let reason = format!("pull request #{} proposed it before; by now {reason}", seen.number);
            let next = "it moves only if that pull request is merged all the same";
            Ruling::new(VerdictKind::Proposed, Actor::Moderators, &reason, next)
        }
        None => {
            let next = format!("it is considered again on {}", index.facts.point.next_cycle);
            Ruling::new(VerdictKind::Frozen, Actor::Nobody, reason, &next)
        }
    };
    Box::new(ruling.on_release(release))
}

fn left(index: &Index<'_>, package: &str) -> Verdict {
    let facts = index.facts;
    let reason = format!("{} does not list it any more", facts.from);
    let next = format!("it leaves {} with the next cycle, on {}", facts.to, facts.point.next_cycle);
    Ruling::new(VerdictKind::Gone, Actor::Moderators, &reason, &next).on_held(index, package)
}
