//! The `pinned` model, the shipped default: every package of the channel is pinned to a commit.
//!
//! The dependency freeze begins with one grouped change that pins every package to its newest
//! admissible release. After that, while the freeze lasts, each newer admissible release is
//! promoted by itself. In the candidate freeze only packages that fail, by themselves or through a
//! dependency, may take a newer release. After the snapshot nothing moves.

use std::collections::{BTreeMap, BTreeSet};

use super::verdicts::{Standing, about_release, refusal, refused_in, staying};
use super::{text, text_digest};
use crate::calendar::Promote;
use crate::decide::{ledger, stage};
use crate::domain::{
    Action, Actor, Change, Evidence, Fact, Listing, Move, NewContents, PackageName, Plan, PromotionFacts,
    ProposalSeen, ProposalState, Release, Verdict, VerdictKind, Via,
};

pub fn promote(facts: &PromotionFacts) -> Plan {
    let mut plan = Plan::default();
    let mut wanted: BTreeMap<PackageName, Move> = BTreeMap::new();
    let packages: BTreeSet<&str> =
        facts.source.iter().chain(&facts.head.listings).map(|listing| listing.package.as_str()).collect();
    for package in packages {
        match consider(facts, package) {
            Considered::Moves(moved) => {
                wanted.insert(package.to_owned(), moved);
            }
            Considered::Stays(verdict) => {
                plan.verdicts.insert(package.to_owned(), *verdict);
            }
        }
    }
    for bundle in bundles(facts, wanted) {
        bundle.decide(facts, &mut plan);
    }
    plan
}

enum Considered {
    Moves(Move),
    Stays(Box<Verdict>),
}

/// Decides for one package whether it wants to move. Every way out is one rule.
fn consider(facts: &PromotionFacts, package: &str) -> Considered {
    let stays = |verdict: Verdict| Considered::Stays(Box::new(verdict));
    let held = facts.head.listings.iter().find(|listing| listing.package == package);
    let Some(source) = facts.source.iter().find(|listing| listing.package == package) else {
        return stays(left(facts, package));
    };
    let release = match facts.releases.get(package) {
        Some(Fact::Known(Some(release))) => release,
        Some(Fact::Known(None)) | None => return stays(unreleased(facts, package)),
        Some(Fact::Unknown { why }) => return stays(undetermined(facts, package, why)),
    };
    if held.and_then(Listing::pin) == Some(release.commit.as_str()) {
        return stays(staying(facts, package, VerdictKind::Current));
    }
    if let Some(problem) = inadmissible(facts, package, held, release) {
        return stays(problem);
    }
    if facts.pinned_by_person.contains(package) && facts.point.phase.promote != Promote::All {
        return stays(hands_off(release, "a person's merged pull request set the pin".to_owned()));
    }
    if let Some(seen) = taken_over_by_person(facts, package) {
        return stays(hands_off(release, format!("a person committed to the branch of #{}", seen.number)));
    }
    match may_move(facts, package, held, release) {
        Ok(why) => Considered::Moves(Move {
            package: package.to_owned(),
            from_version: facts.held_versions.get(package).cloned(),
            to_version: release.version.clone(),
            to_commit: release.commit.clone(),
            url: source.url.clone(),
            why,
        }),
        Err(verdict) => stays(*verdict),
    }
}

/// The open proposal of a package on whose branch a person works. Nothing else may move the package
/// meanwhile, or their work would end in a conflict.
fn taken_over_by_person<'a>(facts: &'a PromotionFacts, package: &str) -> Option<&'a ProposalSeen> {
    let touched = |seen: &&ProposalSeen| seen.state == ProposalState::Open && seen.touched;
    facts.proposals.iter().filter(touched).find(|seen| seen.commits.contains_key(package))
}

/// The light checks: a valid DESCRIPTION without `Remotes`, and a version that rises.
fn inadmissible(
    facts: &PromotionFacts,
    package: &str,
    held: Option<&Listing>,
    release: &Release,
) -> Option<Verdict> {
    let mut problems = release.problems.clone();
    let held_version = facts.held_versions.get(package).filter(|_| held.and_then(Listing::pin).is_some());
    if let Some(version) = held_version
        && !ledger::rises(Some(version), Some(&release.version))
    {
        problems.push(if *version == release.version {
            format!("version {version} was released again from another commit")
        } else {
            format!("its version does not rise above {version}")
        });
    }
    (!problems.is_empty()).then(|| {
        about_release(
            VerdictKind::Inadmissible,
            release,
            super::verdicts::capitalised(&problems.join("; ")),
            "A new release without this is considered at once".to_owned(),
            Actor::Maintainer,
        )
    })
}

/// The freeze rule. What may be promoted in a phase is the calendar's word; a named exception lets
/// one version pass.
fn may_move(
    facts: &PromotionFacts,
    package: &str,
    held: Option<&Listing>,
    release: &Release,
) -> Result<String, Box<Verdict>> {
    let exception = facts
        .exceptions
        .iter()
        .find(|exception| exception.package == package && exception.version == release.version);
    let standing = Standing::of(facts, package);
    match (facts.point.phase.promote, exception) {
        (Promote::All, _) => {
            Ok("newer admissible releases are promoted until the candidate freeze".to_owned())
        }
        (_, Some(exception)) => {
            Ok(format!("{} lets this version pass the freeze: {}", exception.by, exception.reason))
        }
        (Promote::None, None) => {
            Err(frozen(facts, release, "Nothing moves between the snapshot and the next cycle"))
        }
        (Promote::FailingOnly, None) if held.is_none() => {
            Err(frozen(facts, release, "A package that is new cannot enter in the candidate freeze"))
        }
        (Promote::FailingOnly, None) => match standing.evidence() {
            Evidence::Failing => Ok(failing_because(standing)),
            Evidence::Passing => Err(frozen(
                facts,
                release,
                "It is healthy, and the candidate freeze keeps healthy packages still",
            )),
            Evidence::Pending | Evidence::Unknown => {
                Err(Box::new(staying(facts, package, VerdictKind::Current)))
            }
        },
    }
}

fn failing_because(standing: Standing<'_>) -> String {
    match standing {
        Standing::Assessed(assessment) => super::verdicts::issues_in_words(assessment),
        Standing::NotListed | Standing::Unknown(_) => String::new(),
    }
}

fn frozen(facts: &PromotionFacts, release: &Release, reason: &str) -> Box<Verdict> {
    Box::new(about_release(
        VerdictKind::Frozen,
        release,
        reason.to_owned(),
        format!("It is considered again on {}", facts.point.next_cycle),
        Actor::Nobody,
    ))
}

fn hands_off(release: &Release, reason: String) -> Verdict {
    about_release(
        VerdictKind::HandsOff,
        release,
        super::verdicts::capitalised(&reason),
        "Nothing is changed there until they are done".to_owned(),
        Actor::Moderators,
    )
}

fn left(facts: &PromotionFacts, package: &str) -> Verdict {
    let standing = staying(facts, package, VerdictKind::Gone);
    Verdict {
        kind: VerdictKind::Gone,
        reason: format!("It is not listed by {} any more", facts.from),
        next: format!("It leaves {} with the next cycle, on {}", facts.to, facts.point.next_cycle),
        actor: Actor::Moderators,
        root_causes: Vec::new(),
        ..standing
    }
}

fn unreleased(facts: &PromotionFacts, package: &str) -> Verdict {
    let standing = staying(facts, package, VerdictKind::Inadmissible);
    Verdict {
        kind: VerdictKind::Inadmissible,
        reason: "Its repository has no release".to_owned(),
        next: "The first release is considered at once".to_owned(),
        actor: Actor::Maintainer,
        root_causes: Vec::new(),
        ..standing
    }
}

fn undetermined(facts: &PromotionFacts, package: &str, why: &str) -> Verdict {
    let standing = staying(facts, package, VerdictKind::CannotDetermine);
    Verdict {
        kind: VerdictKind::CannotDetermine,
        reason: super::verdicts::capitalised(why),
        next: "It stays as it is until its repository answers again".to_owned(),
        actor: Actor::Operator,
        root_causes: Vec::new(),
        ..standing
    }
}

/// Moves that go together: all of them at the beginning of the dependency freeze; otherwise the
/// packages of one repository, since one release carries them.
struct Bundle {
    key: String,
    moves: Vec<Move>,
    leaving: Vec<PackageName>,
    /// True for the grouped change that begins a dependency freeze.
    kind: BundleKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BundleKind {
    FreezeBegins,
    OneRepository,
    Everything,
}

fn bundles(facts: &PromotionFacts, wanted: BTreeMap<PackageName, Move>) -> Vec<Bundle> {
    let freeze_key = format!("{}/freeze-{}", facts.to, facts.point.cycle_start);
    let begun =
        facts.proposals.iter().any(|seen| seen.key == freeze_key && seen.state != ProposalState::Open)
            || (facts.via == Via::Commit && facts.head.targets.as_ref() == Some(&facts.targets));
    let begins = facts.point.phase.promote == Promote::All && !begun;
    if begins || facts.via == Via::Commit {
        let kind = if begins { BundleKind::FreezeBegins } else { BundleKind::Everything };
        let leaving = if begins { leaving(facts) } else { Vec::new() };
        return vec![Bundle { key: freeze_key, moves: wanted.into_values().collect(), leaving, kind }];
    }
    let mut by_key: BTreeMap<String, Vec<Move>> = BTreeMap::new();
    for moved in wanted.into_values() {
        by_key.entry(bundle_key(facts, &moved)).or_default().push(moved);
    }
    by_key
        .into_iter()
        .map(|(key, moves)| Bundle { key, moves, leaving: Vec::new(), kind: BundleKind::OneRepository })
        .collect()
}

/// A package's own key, or its repository's where that holds several packages of the distribution.
fn bundle_key(facts: &PromotionFacts, moved: &Move) -> String {
    let siblings = facts.source.iter().filter(|listing| listing.url == moved.url).count();
    if siblings < 2 {
        return format!("{}/{}", facts.to, moved.package);
    }
    let mut parts = moved.url.trim_end_matches('/').trim_end_matches(".git").rsplit('/');
    let (name, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{}/{owner}.{name}", facts.to)
}

fn leaving(facts: &PromotionFacts) -> Vec<PackageName> {
    let listed: BTreeSet<&str> = facts.source.iter().map(|listing| listing.package.as_str()).collect();
    let held = facts.head.listings.iter().map(|listing| listing.package.clone());
    held.filter(|package| !listed.contains(package.as_str())).collect()
}

impl Bundle {
    fn decide(self, facts: &PromotionFacts, plan: &mut Plan) {
        let targets = (self.kind != BundleKind::OneRepository
            && facts.point.phase.promote != Promote::None
            && facts.head.targets.as_ref() != Some(&facts.targets))
        .then(|| facts.targets.clone());
        let (moves, refused) = self.without_refused(facts);
        for (moved, number) in refused {
            let verdict = refusal(facts, &moved.package, &moved.to_version, &moved.to_commit, number);
            plan.verdicts.insert(moved.package, verdict);
        }
        if moves.is_empty() && self.leaving.is_empty() && targets.is_none() {
            return;
        }
        let change = self.change(facts, moves, targets);
        let (verdict_kind, actions) = match facts.via {
            Via::Commit => (VerdictKind::Moves, vec![Action::Commit(change.clone())]),
            Via::PullRequest => self.propose(facts, plan, &change),
        };
        plan.actions.extend(actions);
        for moved in &change.moves {
            plan.verdicts.insert(moved.package.clone(), moving(facts, moved, verdict_kind));
        }
    }

    /// Splits off the moves to a commit for which a person closed a proposal without merging it.
    fn without_refused(&self, facts: &PromotionFacts) -> (Vec<Move>, Vec<(Move, u64)>) {
        let (mut moves, mut refused) = (Vec::new(), Vec::new());
        for moved in &self.moves {
            match refused_in(facts, &moved.package, &moved.to_commit) {
                Some(number) => refused.push((moved.clone(), number)),
                None => moves.push(moved.clone()),
            }
        }
        (moves, refused)
    }

    fn change(
        &self,
        facts: &PromotionFacts,
        moves: Vec<Move>,
        targets: Option<crate::calendar::Targets>,
    ) -> Change {
        let mut listings: Vec<Listing> = facts
            .head
            .listings
            .iter()
            .filter(|listing| !self.leaving.contains(&listing.package))
            .filter(|listing| !moves.iter().any(|moved| moved.package == listing.package))
            .cloned()
            .collect();
        for moved in &moves {
            let source = facts.source.iter().find(|listing| listing.package == moved.package);
            listings.extend(
                source.map(|listing| Listing { branch: Some(moved.to_commit.clone()), ..listing.clone() }),
            );
        }
        stage::sort_as_upstream(&mut listings);
        let title = match self.kind {
            BundleKind::FreezeBegins => text::freeze_title(facts, &moves),
            BundleKind::OneRepository | BundleKind::Everything => text::title(facts, &moves),
        };
        let message = text::commit_message(&moves, &self.leaving);
        Change { contents: NewContents::Listings(listings), targets, moves, title, message }
    }

    fn propose(&self, facts: &PromotionFacts, plan: &Plan, change: &Change) -> (VerdictKind, Vec<Action>) {
        let open =
            facts.proposals.iter().find(|seen| seen.key == self.key && seen.state == ProposalState::Open);
        if open.is_some_and(|seen| seen.touched) {
            return (VerdictKind::HandsOff, Vec::new());
        }
        let body = match self.kind {
            BundleKind::FreezeBegins => text::freeze_body(facts, change, &self.leaving),
            BundleKind::OneRepository | BundleKind::Everything => text::body(facts, change),
        };
        let fingerprint = change.fingerprint(&facts.source);
        let actions = match open {
            Some(seen) if seen.fingerprint == fingerprint && !seen.conflicting => retext(seen, change, body),
            None if !has_room(facts, plan) => Vec::new(),
            seen => vec![Action::Propose {
                key: self.key.clone(),
                update: seen.map(|seen| seen.number),
                change: change.clone(),
                body,
            }],
        };
        (VerdictKind::Proposed, actions)
    }
}

fn retext(seen: &ProposalSeen, change: &Change, body: String) -> Vec<Action> {
    if seen.text_digest == text_digest(&change.title, &body) {
        return Vec::new();
    }
    vec![Action::Retext { key: seen.key.clone(), number: seen.number, title: change.title.clone(), body }]
}

/// The cap on open proposals counts what people see: those that are open and those about to be.
fn has_room(facts: &PromotionFacts, plan: &Plan) -> bool {
    let open = facts.proposals.iter().filter(|seen| seen.state == ProposalState::Open).count();
    let opening =
        plan.actions.iter().filter(|action| matches!(action, Action::Propose { update: None, .. })).count();
    open + opening < facts.max_open
}

fn moving(facts: &PromotionFacts, moved: &Move, kind: VerdictKind) -> Verdict {
    let (next, actor) = match kind {
        VerdictKind::Moves => (format!("{} holds it after this pass", facts.to), Actor::Nobody),
        VerdictKind::HandsOff => ("The pull request is theirs to finish".to_owned(), Actor::Moderators),
        _ => ("It moves once the pull request is merged".to_owned(), Actor::Moderators),
    };
    let reason = match kind {
        VerdictKind::HandsOff => "A person committed to the branch of its pull request".to_owned(),
        _ => super::verdicts::capitalised(&moved.why),
    };
    Verdict {
        kind,
        version: Some(moved.to_version.clone()),
        commit: Some(moved.to_commit.clone()),
        reason,
        root_causes: Standing::of(facts, &moved.package).root_causes(),
        next,
        actor,
    }
}
