//! What speaks against each package of a channel.
//!
//! The eight kinds of issue are those of R-multiverse's `record_status`. Under `faithful` exactly
//! its rules hold: what could not be looked up speaks against nobody, and a running build counts
//! as a failure that reaches every dependent. Under `guarded` evidence has four states: a failed
//! look-up is unknown, a running build is pending, and neither is ever a failure.

pub mod freshness;
mod overriding;
mod own;
mod passed_on;
pub mod since;

use std::collections::{BTreeMap, BTreeSet};

use self::freshness::Updated;
use self::overriding::Overrides;
pub(super) use self::own::is_of_series;
pub use self::own::{OwnFindings, bad_checks, own_findings};
use self::passed_on::{Neighbours, counts_as_failing};
use super::beside::Beside;
use super::own_check;
use crate::domain::{
    Assessment, ChannelStatus, Evidence, EvidencePolicy, Issue, PackageFacts, PackageName, StatusFacts,
};

/// The status of a channel from the findings on each package: issues passed on to dependents, and
/// evidence drawn from both. What own checks clear and operators override is taken out first. What was
/// known of each commit before is for the caller to add.
pub fn channel_status(
    facts: &StatusFacts,
    findings: &BTreeMap<PackageName, OwnFindings>,
    policy: EvidencePolicy,
) -> ChannelStatus {
    let mut cleared = own_check::clear(facts, findings, policy);
    let overrides = Overrides::in_force(facts, policy);
    let findings = overrides.apply(cleared.findings);
    let neighbours = Neighbours::new(facts, policy);
    let mut failures = Beside::new(neighbours.failures(&findings, &overrides));
    let mut gaps = Beside::new(neighbours.gaps(&findings, &overrides));
    let mut seen = Beside::new(&facts.packages);
    let updated = Updated::of(facts);
    let mut packages = BTreeMap::new();
    for (name, found) in findings.iter() {
        let package = seen.of(name);
        let mut assessment = Assessment {
            own_check: own_check::current(facts, name).cloned(),
            cleared: cleared.checks.remove(name).unwrap_or_default(),
            ..found_alone(package, found)
        };
        let from_elsewhere = neighbours.elsewhere(name, &findings, &overrides);
        match overrides.get(name) {
            Some(word) => {
                assessment.evidence = word.says.evidence();
                assessment.overridden = Some(word.clone());
            }
            None => {
                if let Some(gap) = gaps.of(name) {
                    assessment.unknown.push(gap.clause);
                    assessment.held_until.insert(gap.until);
                    assessment.unknown_through = Some(gap.cause);
                }
                assessment.issues.extend(failures.of(name).map(Issue::Dependencies));
                if let Some(package) = package.filter(|_| policy == EvidencePolicy::Guarded) {
                    assessment.outdated_by = updated.after_checks_of(name, package);
                }
                assessment.evidence = evidence_of(&assessment, policy);
            }
        }
        assessment.from_elsewhere = from_elsewhere;
        without_what_does_not_count(&mut assessment);
        packages.insert(name.clone(), assessment);
    }
    ChannelStatus {
        r_series: facts.r_series.clone(),
        frozen_date: facts.frozen_date.clone(),
        packages,
        held: Vec::new(),
        odd_dependencies: neighbours.odd(),
    }
}

/// What is known of a package before anything reaches it.
fn found_alone(package: Option<&PackageFacts>, found: &OwnFindings) -> Assessment {
    Assessment {
        version: package.and_then(|package| package.version.clone()),
        commit: package.and_then(|package| package.commit.clone()),
        published: package.and_then(|package| package.published.clone()),
        evidence: Evidence::Unknown,
        settled: None,
        issues: found.issues.clone(),
        failed_build: package.and_then(|package| package.newer_failure.clone()),
        unknown: found.unknown.clone(),
        unknown_through: None,
        held_until: found.held_until.clone(),
        outdated_by: Vec::new(),
        from_elsewhere: Vec::new(),
        overridden: None,
        own_check: None,
        cleared: Vec::new(),
    }
}

/// Draws the evidence from issues and gaps. A named issue is a fact even while a source is missing; a running
/// build, and a check that is older than what it was to check, only count where nothing else is known.
fn evidence_of(assessment: &Assessment, policy: EvidencePolicy) -> Evidence {
    let failing = assessment.issues.iter().any(|issue| counts_as_failing(issue.kind(), policy));
    match () {
        () if failing => Evidence::Failing,
        () if !assessment.issues.is_empty() => Evidence::Pending,
        () if !assessment.unknown.is_empty() => Evidence::Unknown,
        () if !assessment.outdated_by.is_empty() => Evidence::Pending,
        () => Evidence::Passing,
    }
}

/// Nobody has to be told what would release a package that nothing holds.
fn without_what_does_not_count(assessment: &mut Assessment) {
    if assessment.evidence != Evidence::Unknown {
        assessment.held_until = BTreeSet::new();
        assessment.unknown_through = None;
    }
    if assessment.evidence == Evidence::Failing {
        assessment.outdated_by = Vec::new();
    }
}
