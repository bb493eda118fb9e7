//! The guard against sudden changes of many packages that nothing explains.
//!
//! Real sources break: on one recorded day a licence source emptied a channel nine times, on
//! another a failed look-up let every version conflict vanish for an hour. So when many packages
//! lose `passing` in one observation, or an issue kind vanishes from several at once, though their
//! version, their commit and the calendar stayed the same, the change is held as unknown until
//! later observations confirm it.
//!
//! Some issues cannot change at all while those stay the same: a licence and `Remotes` follow from the
//! commit, a conflict with CRAN from the version and an index that is frozen. There the source is at fault
//! however often it repeats itself (on 2025-05-16 one did so from morning to night), so only an operator
//! confirms such a change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::status::OwnFindings;
use crate::domain::{Fact, HeldChange, HeldUntil, IssueKind, PackageName, StatusFacts};

/// When a change is sudden, and when it is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardPolicy {
    /// Share of the packages that were fine which may get issues in one observation, 0 to 1.
    pub mass_change: f64,
    /// How many observations in a row have to agree before a held change counts.
    pub confirm_after: u32,
}

/// Fewer packages than this are never "several": a single repository can hold that many.
const SEVERAL: usize = 3;

/// What the guard remembers from one observation to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuardMemory {
    r_series: String,
    frozen_date: String,
    /// False until CRAN's index of the frozen date was read once.
    cran_known: bool,
    accepted: BTreeMap<PackageName, AcceptedFindings>,
    suspicion: Option<Suspicion>,
    /// When the operator's confirmation was given that was taken into account last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Timestamp>,
}

/// An operator's word that changes are real.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// When it was given.
    pub at: Timestamp,
    /// The changes that were held then. It counts for these alone, and once.
    pub changes: BTreeSet<HeldChange>,
}

impl GuardMemory {
    /// The changes that are held.
    pub fn held(&self) -> BTreeSet<HeldChange> {
        let suspicion = self.suspicion.iter();
        suspicion.flat_map(|suspicion| suspicion.changes.union(&suspicion.lasting)).copied().collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AcceptedFindings {
    version: Option<String>,
    commit: Option<String>,
    kinds: BTreeSet<IssueKind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Suspicion {
    /// When it was counted last: a look that is taken again after a crash counts once.
    counted_at: Timestamp,
    /// Those that later looks can confirm, and how many have agreed.
    changes: BTreeSet<HeldChange>,
    seen: u32,
    /// Those that only an operator can.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    lasting: BTreeSet<HeldChange>,
}

/// The findings as they may be believed, the memory for the next time, and a sentence for each
/// change that is held.
pub struct Reviewed {
    /// The findings, with a clause under `unknown` where a change is held.
    pub findings: BTreeMap<PackageName, OwnFindings>,
    /// What to remember.
    pub memory: GuardMemory,
    /// Whole sentences: what is held, and what would release it.
    pub held: Vec<String>,
}

/// Reviews the findings of the look that was taken `at` this time against what was accepted before.
pub fn review(
    memory: &GuardMemory,
    at: Timestamp,
    facts: &StatusFacts,
    mut findings: BTreeMap<PackageName, OwnFindings>,
    (policy, confirmation): (GuardPolicy, Option<&Confirmation>),
) -> Reviewed {
    let mut sudden = Comparison::new(memory, facts, &findings).sudden_changes(policy);
    let fresh = confirmation.filter(|given| memory.confirmed_at.is_none_or(|last| given.at > last));
    if let Some(given) = fresh {
        sudden.retain(|change, _| !given.changes.contains(change));
    }
    let confirmed_at = fresh.map(|given| given.at).or(memory.confirmed_at);
    let (lasting, changes): (BTreeSet<HeldChange>, BTreeSet<HeldChange>) =
        sudden.keys().copied().partition(|change| cannot_change(change.kind()));
    let seen = match &memory.suspicion {
        Some(suspicion) if suspicion.changes == changes => {
            suspicion.seen + u32::from(suspicion.counted_at != at)
        }
        _ => 1,
    };
    if seen >= policy.confirm_after {
        sudden.retain(|change, _| lasting.contains(change));
    }
    if sudden.is_empty() {
        let memory = GuardMemory { confirmed_at, ..accept(memory, facts, &findings, None) };
        return Reviewed { memory, findings, held: Vec::new() };
    }
    let mut held = Vec::new();
    let mut affected = BTreeSet::new();
    for (change, packages) in &sudden {
        held.push(sentence(*change, packages.len(), policy.confirm_after.saturating_sub(seen)));
        for package in packages {
            if let Some(found) = findings.get_mut(package) {
                if let HeldChange::Appeared(kind) = change {
                    found.issues.retain(|issue| issue.kind() != *kind);
                }
                found.nobody_can_tell(clause(*change), released_by(*change));
            }
            affected.insert(package.clone());
        }
    }
    let changes = sudden.keys().filter(|change| !lasting.contains(change)).copied().collect();
    let suspicion = Suspicion { counted_at: at, changes, seen, lasting };
    let mut kept = accept(memory, facts, &findings, Some(suspicion));
    for package in affected {
        if let Some(before) = memory.accepted.get(&package) {
            kept.accepted.insert(package, before.clone());
        }
    }
    Reviewed { findings, memory: GuardMemory { confirmed_at, ..kept }, held }
}

/// Whether an issue of this kind can neither come nor go while version, commit and calendar stay the same.
fn cannot_change(kind: IssueKind) -> bool {
    matches!(kind, IssueKind::License | IssueKind::Remotes | IssueKind::Cran)
}

/// What was accepted, beside what is new, for packages whose version and commit stayed the same.
struct Comparison<'a> {
    pairs: Vec<(&'a str, &'a BTreeSet<IssueKind>, BTreeSet<IssueKind>)>,
}

impl<'a> Comparison<'a> {
    fn new(
        memory: &'a GuardMemory,
        facts: &'a StatusFacts,
        findings: &'a BTreeMap<PackageName, OwnFindings>,
    ) -> Self {
        let same_calendar = memory.r_series == facts.r_series && memory.frozen_date == facts.frozen_date;
        let (mut accepted, mut seen) = (Beside::new(&memory.accepted), Beside::new(&facts.packages));
        let mut pairs = Vec::new();
        for (name, found) in findings.iter().filter(|_| same_calendar) {
            let (Some(before), Some(package)) = (accepted.of(name), seen.of(name)) else {
                continue;
            };
            if before.version == package.version && before.commit == package.commit {
                pairs.push((name.as_str(), &before.kinds, kinds(found, facts, &before.kinds)));
            }
        }
        // The first index of a new frozen date explains every conflict that comes with it.
        if !memory.cran_known {
            for (_, before, now) in &mut pairs {
                now.retain(|kind| *kind != IssueKind::Cran || before.contains(kind));
            }
        }
        Self { pairs }
    }

    fn sudden_changes(&self, policy: GuardPolicy) -> BTreeMap<HeldChange, Vec<PackageName>> {
        let fine_before = self.pairs.iter().filter(|(_, before, _)| before.is_empty()).count();
        let lost: Vec<_> =
            self.pairs.iter().filter(|(_, before, now)| before.is_empty() && !now.is_empty()).collect();
        let mut sudden: BTreeMap<HeldChange, Vec<PackageName>> = BTreeMap::new();
        if lost.len() >= SEVERAL && lost.len() as f64 > policy.mass_change * fine_before as f64 {
            for (name, _, now) in lost {
                for kind in now {
                    sudden.entry(HeldChange::Appeared(*kind)).or_default().push((*name).to_owned());
                }
            }
        }
        let all_kinds: BTreeSet<IssueKind> =
            self.pairs.iter().flat_map(|(_, before, _)| before.iter().copied()).collect();
        for kind in all_kinds {
            let had = self.pairs.iter().filter(|(_, before, _)| before.contains(&kind)).count();
            let without: Vec<PackageName> = self
                .pairs
                .iter()
                .filter(|(_, before, now)| before.contains(&kind) && !now.contains(&kind))
                .map(|(name, _, _)| (*name).to_owned())
                .collect();
            if without.len() >= SEVERAL && without.len() * 2 > had {
                sudden.insert(HeldChange::Vanished(kind), without);
            }
        }
        sudden
    }
}

/// The kinds of issue that count for the guard. A build under way is expected to come and go, and a
/// kind whose source could not be read stays as it was.
fn kinds(found: &OwnFindings, facts: &StatusFacts, before: &BTreeSet<IssueKind>) -> BTreeSet<IssueKind> {
    let mut kinds: BTreeSet<IssueKind> = found
        .issues
        .iter()
        .map(|issue| issue.kind())
        .filter(|kind| *kind != IssueKind::Synchronization)
        .collect();
    let silent = [
        (IssueKind::Cran, matches!(facts.cran, Fact::Unknown { .. })),
        (IssueKind::Advisories, matches!(facts.advisories, Fact::Unknown { .. })),
    ];
    kinds.extend(
        silent.into_iter().filter(|(kind, silent)| *silent && before.contains(kind)).map(|(kind, _)| kind),
    );
    kinds
}

fn accept(
    memory: &GuardMemory,
    facts: &StatusFacts,
    findings: &BTreeMap<PackageName, OwnFindings>,
    suspicion: Option<Suspicion>,
) -> GuardMemory {
    let none = BTreeSet::new();
    let (mut before, mut seen) = (Beside::new(&memory.accepted), Beside::new(&facts.packages));
    let accepted = findings
        .iter()
        .filter_map(|(name, found)| {
            let package = seen.of(name)?;
            let before = before.of(name).map_or(&none, |row| &row.kinds);
            Some((
                name.clone(),
                AcceptedFindings {
                    version: package.version.clone(),
                    commit: package.commit.clone(),
                    kinds: kinds(found, facts, before),
                },
            ))
        })
        .collect();
    let same_date = memory.frozen_date == facts.frozen_date;
    GuardMemory {
        r_series: facts.r_series.clone(),
        frozen_date: facts.frozen_date.clone(),
        cran_known: facts.cran.known().is_some() || (same_date && memory.cran_known),
        accepted,
        suspicion,
        confirmed_at: memory.confirmed_at,
    }
}

/// What releases a package whose change is held.
fn released_by(change: HeldChange) -> HeldUntil {
    if cannot_change(change.kind()) { HeldUntil::Confirmed } else { HeldUntil::LooksAgree }
}

/// Why nobody can tell of a package whose change is held.
fn clause(change: HeldChange) -> String {
    let what = match change {
        HeldChange::Appeared(_) => "many packages got the same issue at once",
        HeldChange::Vanished(_) => "an issue vanished from several packages at once",
    };
    match cannot_change(change.kind()) {
        true => format!("{what} though it cannot change by itself, so its source is not believed"),
        false => format!("{what}, which is held until it is confirmed"),
    }
}

fn sentence(change: HeldChange, packages: usize, missing: u32) -> String {
    let what = match change {
        HeldChange::Appeared(_) => "appeared on",
        HeldChange::Vanished(_) => "vanished from",
    };
    let kind = serde_json::to_value(change.kind()).unwrap_or_default();
    let until = match (cannot_change(change.kind()), missing) {
        (true, _) => "held until its source says again what it said before, or an operator confirms it with \
                      `tidegate guard confirm`"
            .to_owned(),
        (false, 1) => "held until one more observation agrees".to_owned(),
        (false, missing) => format!("held until {missing} more observations agree"),
    };
    format!(
        "`{}` {what} {packages} packages at once without a change of version, commit or calendar; {until}.",
        kind.as_str().unwrap_or_default(),
    )
}
