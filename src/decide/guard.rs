//! The guard against sudden changes of many packages that nothing explains.
//!
//! Real sources break: on one recorded day a licence source emptied a channel nine times, on
//! another a failed look-up let every version conflict vanish for an hour. So when many packages
//! lose `passing` in one observation, or an issue kind vanishes from several at once, though their
//! version, their commit and the calendar stayed the same, the change is held as unknown until
//! later observations confirm it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::status::OwnFindings;
use crate::domain::{Fact, IssueKind, PackageName, StatusFacts};

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
    changes: BTreeSet<Change>,
    seen: u32,
}

/// One way in which an observation differs suspiciously from what was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Appeared(IssueKind),
    Vanished(IssueKind),
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
    policy: GuardPolicy,
) -> Reviewed {
    let sudden = Comparison::new(memory, facts, &findings).sudden_changes(policy);
    let seen = match &memory.suspicion {
        Some(suspicion) if suspicion.changes == sudden.keys().copied().collect() => {
            suspicion.seen + u32::from(suspicion.counted_at != at)
        }
        _ => 1,
    };
    if sudden.is_empty() || seen >= policy.confirm_after {
        return Reviewed { memory: accept(memory, facts, &findings, None), findings, held: Vec::new() };
    }
    let mut held = Vec::new();
    let mut affected = BTreeSet::new();
    for (change, packages) in &sudden {
        held.push(change.sentence(packages.len(), policy.confirm_after - seen));
        for package in packages {
            if let Some(found) = findings.get_mut(package) {
                if let Change::Appeared(kind) = change {
                    found.issues.retain(|issue| issue.kind() != *kind);
                }
                found.unknown.push(change.clause().to_owned());
            }
            affected.insert(package.clone());
        }
    }
    let suspicion = Suspicion { counted_at: at, changes: sudden.into_keys().collect(), seen };
    let mut kept = accept(memory, facts, &findings, Some(suspicion));
    for package in affected {
        if let Some(before) = memory.accepted.get(&package) {
            kept.accepted.insert(package, before.clone());
        }
    }
    Reviewed { findings, memory: kept, held }
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
        let mut pairs = Vec::new();
        for (name, found) in findings.iter().filter(|_| same_calendar) {
            let (Some(before), Some(package)) = (memory.accepted.get(name), facts.packages.get(name)) else {
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

    fn sudden_changes(&self, policy: GuardPolicy) -> BTreeMap<Change, Vec<PackageName>> {
        let fine_before = self.pairs.iter().filter(|(_, before, _)| before.is_empty()).count();
        let lost: Vec<_> =
            self.pairs.iter().filter(|(_, before, now)| before.is_empty() && !now.is_empty()).collect();
        let mut sudden: BTreeMap<Change, Vec<PackageName>> = BTreeMap::new();
        if lost.len() >= SEVERAL && lost.len() as f64 > policy.mass_change * fine_before as f64 {
            for (name, _, now) in lost {
                for kind in now {
                    sudden.entry(Change::Appeared(*kind)).or_default().push((*name).to_owned());
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
                sudden.insert(Change::Vanished(kind), without);
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
    if matches!(facts.cran, Fact::Unknown { .. }) && before.contains(&IssueKind::Cran) {
        kinds.insert(IssueKind::Cran);
    }
    kinds
}

fn accept(
    memory: &GuardMemory,
    facts: &StatusFacts,
    findings: &BTreeMap<PackageName, OwnFindings>,
    suspicion: Option<Suspicion>,
) -> GuardMemory {
    let none = BTreeSet::new();
    let accepted = findings
        .iter()
        .filter_map(|(name, found)| {
            let package = facts.packages.get(name)?;
            let before = memory.accepted.get(name).map_or(&none, |row| &row.kinds);
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
    }
}

impl Change {
    fn clause(self) -> &'static str {
        match self {
            Self::Appeared(_) => {
                "many packages got the same issue at once, which is held until it is confirmed"
            }
            Self::Vanished(_) => {
                "an issue vanished from several packages at once, which is held until it is confirmed"
            }
        }
    }

    fn sentence(self, packages: usize, missing: u32) -> String {
        let (what, kind) = match self {
            Self::Appeared(kind) => ("appeared on", kind),
            Self::Vanished(kind) => ("vanished from", kind),
        };
        let kind = serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned));
        let again = if missing == 1 {
            "one more observation".to_owned()
        } else {
            format!("{missing} more observations")
        };
        format!(
            "`{}` {what} {packages} packages at once without a change of version, commit or calendar; \
             held until {again} agree.",
            kind.unwrap_or_default(),
        )
    }
}
