//! What speaks against each package by itself, and what could not be looked up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::ledger;
use crate::domain::{
    Check, Checks, EvidencePolicy, Fact, HeldUntil, Issue, LedgerRow, PackageFacts, PackageName, RVersion,
    StatusFacts,
};

/// What speaks against each package by itself, before anything passes on to its dependents, and
/// what could not be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFindings {
    /// Issues in the order of their kinds, without [`Issue::Dependencies`].
    pub issues: Vec<Issue>,
    /// Sources that could not tell: one clause each.
    pub unknown: Vec<String>,
    /// What would release it from that.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held_until: BTreeSet<HeldUntil>,
}

impl OwnFindings {
    /// Notes that nobody can tell, why, and until when.
    pub(in crate::decide) fn nobody_can_tell(&mut self, why: impl Into<String>, until: HeldUntil) {
        self.unknown.push(why.into());
        self.held_until.insert(until);
    }
}

/// The findings on every package of the facts by itself. A package that only the ledger knows is
/// in the result where its row is an issue, as it is in upstream's status files.
pub fn own_findings(facts: &StatusFacts, policy: EvidencePolicy) -> BTreeMap<PackageName, OwnFindings> {
    let mut findings: BTreeMap<PackageName, OwnFindings> = facts
        .packages
        .iter()
        .map(|(name, package)| (name.clone(), package_findings(name, package, facts, policy)))
        .collect();
    if policy == EvidencePolicy::Faithful {
        for (name, row) in &facts.ledger {
            if !facts.packages.contains_key(name) {
                let issues: Vec<Issue> = ledger::issue(row).into_iter().collect();
                if !issues.is_empty() {
                    findings.insert(name.clone(), OwnFindings { issues, ..OwnFindings::default() });
                }
            }
        }
    }
    findings
}

fn package_findings(
    name: &str,
    package: &PackageFacts,
    facts: &StatusFacts,
    policy: EvidencePolicy,
) -> OwnFindings {
    let mut found = OwnFindings::default();
    let version = package.version.as_deref().unwrap_or_default();
    match &facts.advisories {
        Fact::Known(advisories) => {
            let against = advisories.get(name).and_then(|versions| versions.get(version));
            found.issues.extend(against.cloned().map(Issue::Advisories));
        }
        Fact::Unknown { why } => found.nobody_can_tell(why, HeldUntil::SourcesAnswer),
    }
    if package.foss == Some(false) {
        let license = package.license.clone().unwrap_or_else(|| "NOT FOUND".to_owned());
        found.issues.push(Issue::License(license));
    }
    check_findings(name, package, facts, (policy, &mut found));
    let remotes: Vec<String> = package.remotes.iter().filter(|entry| !entry.is_empty()).cloned().collect();
    if !remotes.is_empty() {
        found.issues.push(Issue::Remotes(remotes));
    }
    match &facts.builds {
        Fact::Known(builds) => {
            // A running build wins over "just published", as upstream has it.
            if let Some(run) = builds.get(name) {
                found.issues.push(Issue::Synchronization(run.clone()));
            } else if package.just_published {
                found.issues.push(Issue::Synchronization("recent".to_owned()));
            }
        }
        Fact::Unknown { why } => found.nobody_can_tell(why, HeldUntil::SourcesAnswer),
    }
    match &facts.cran {
        Fact::Known(cran) => found.issues.extend(cran_conflict(version, cran.get(name))),
        Fact::Unknown { why } => found.nobody_can_tell(why, HeldUntil::SourcesAnswer),
    }
    found.issues.extend(facts.ledger.get(name).and_then(|row: &LedgerRow| ledger::issue(row)));
    if let Fact::Unknown { why } = &facts.listed {
        found.nobody_can_tell(why, HeldUntil::SourcesAnswer);
    }
    if policy == EvidencePolicy::Faithful {
        found.unknown.clear();
        found.held_until.clear();
    }
    found
}

/// The checks of a build that speak against it: those of the targeted R. Upstream looks for exactly `WARNING`
/// and `ERROR`; `guarded` also counts `FAIL`, which R-universe knows too.
pub fn bad_checks(package: &PackageFacts, r_series: &str, policy: EvidencePolicy) -> Vec<Check> {
    bad_checks_of(package, &[r_series], policy)
}

/// The same for several versions of R, in the universe's order.
fn bad_checks_of(package: &PackageFacts, series: &[&str], policy: EvidencePolicy) -> Vec<Check> {
    let counts = |check: &&Check| match check.check.as_str() {
        "WARNING" | "ERROR" => true,
        "FAIL" => policy == EvidencePolicy::Guarded,
        _ => false,
    };
    match &package.checks {
        Checks::Bad(bad) => bad.clone(),
        Checks::All(all) => {
            let of_series = all.iter().filter(|check| series.iter().any(|r| is_of_series(&check.r, r)));
            of_series.filter(counts).cloned().collect()
        }
    }
}

/// Bad checks and a build that failed are an issue; where no check was made at all with a version of R that
/// counts, nobody can tell.
fn check_findings(
    name: &str,
    package: &PackageFacts,
    facts: &StatusFacts,
    (policy, found): (EvidencePolicy, &mut OwnFindings),
) {
    let series: Vec<&str> = facts.counted_series().collect();
    let failed_build = failed_build(name, package, facts).filter(|_| policy == EvidencePolicy::Guarded);
    let bad: Vec<Check> = failed_build.into_iter().chain(bad_checks_of(package, &series, policy)).collect();
    if !bad.is_empty() {
        found.issues.push(Issue::RCmdCheck(bad));
        return;
    }
    let Checks::All(all) = &package.checks else { return };
    for r in series {
        if !all.iter().any(|check| is_of_series(&check.r, r)) {
            let why = format!("no check with R {r} exists for this build");
            found.nobody_can_tell(why, HeldUntil::Checked);
        }
    }
}

/// The failed build of what the channel wants: of the commit that it pins, or of whatever is newest where it
/// pins nothing. What is wanted of a package that the channel does not list is what its universe has.
fn failed_build(name: &str, package: &PackageFacts, facts: &StatusFacts) -> Option<Check> {
    let failed = package.newer_failure.as_ref()?;
    let pin = facts.listed.known().and_then(|listed| listed.get(name)).and_then(Option::as_ref);
    let url = package.failure_url.clone().unwrap_or_default();
    match pin {
        Some(pin) if pin != failed => None,
        _ if package.commit.as_ref() == Some(failed) => Some(Check::of_failed_build(url)),
        _ => Some(Check::of_failed_newer_build(failed, url)),
    }
}

/// True for a version of R that begins with these numbers: `4.5.3` and `4.5` are of `4.5`, `4.50` is not.
pub(in crate::decide) fn is_of_series(r: &str, series: &str) -> bool {
    r.strip_prefix(series).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// The CRAN conflict, where CRAN's version is strictly higher. What is not a version never conflicts.
fn cran_conflict(version: &str, cran: Option<&String>) -> Option<Issue> {
    let cran = cran?;
    let ours = RVersion::parse(version).ok()?;
    let theirs = RVersion::parse(cran).ok()?;
    (ours < theirs).then(|| Issue::Cran(cran.clone()))
}
