//! What speaks against each package of a channel.
//!
//! The eight kinds of issue are those of R-multiverse's `record_status`. Under `faithful` exactly
//! its rules hold: what could not be looked up speaks against nobody, and a running build counts
//! as a failure that reaches every dependent. Under `guarded` evidence has four states: a failed
//! look-up is unknown, a running build is pending, and neither is ever a failure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ledger, own_check};
use crate::domain::{
    Assessment, ChannelStatus, Check, Checks, DependencyGraph, Evidence, EvidencePolicy, Fact, Issue,
    IssueKind, LedgerRow, PackageFacts, PackageName, RVersion, StatusFacts,
};

/// What speaks against each package by itself, before anything passes on to its dependents, and
/// what could not be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFindings {
    /// Issues in the order of their kinds, without [`Issue::Dependencies`].
    pub issues: Vec<Issue>,
    /// Sources that could not tell: one clause each.
    pub unknown: Vec<String>,
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
                    findings.insert(name.clone(), OwnFindings { issues, unknown: Vec::new() });
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
    if let Some(addresses) = facts.advisories.get(name).and_then(|versions| versions.get(version)) {
        found.issues.push(Issue::Advisories(addresses.clone()));
    }
    if package.foss == Some(false) {
        let license = package.license.clone().unwrap_or_else(|| "NOT FOUND".to_owned());
        found.issues.push(Issue::License(license));
    }
    check_findings(package, &facts.r_series, policy, &mut found);
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
        Fact::Unknown { why } => found.unknown.push(why.clone()),
    }
    match &facts.cran {
        Fact::Known(cran) => found.issues.extend(cran_conflict(version, cran.get(name))),
        Fact::Unknown { why } => found.unknown.push(why.clone()),
    }
    found.issues.extend(facts.ledger.get(name).and_then(|row: &LedgerRow| ledger::issue(row)));
    if policy == EvidencePolicy::Faithful {
        found.unknown.clear();
    }
    found
}

/// The checks of a build that speak against it: those of the targeted R. Upstream looks for exactly `WARNING`
/// and `ERROR`; `guarded` also counts `FAIL`, which R-universe knows too.
pub fn bad_checks(package: &PackageFacts, r_series: &str, policy: EvidencePolicy) -> Vec<Check> {
    let counts = |check: &&Check| match check.check.as_str() {
        "WARNING" | "ERROR" => true,
        "FAIL" => policy == EvidencePolicy::Guarded,
        _ => false,
    };
    match &package.checks {
        Checks::Bad(bad) => bad.clone(),
        Checks::All(all) => {
            let targeted = all.iter().filter(|check| is_of_series(&check.r, r_series));
            targeted.filter(counts).cloned().collect()
        }
    }
}

/// Bad checks are an issue; where no check was made at all, nobody can tell.
fn check_findings(package: &PackageFacts, r_series: &str, policy: EvidencePolicy, found: &mut OwnFindings) {
    let bad = bad_checks(package, r_series, policy);
    let checked = match &package.checks {
        Checks::Bad(_) => true,
        Checks::All(all) => all.iter().any(|check| is_of_series(&check.r, r_series)),
    };
    if !bad.is_empty() {
        found.issues.push(Issue::RCmdCheck(bad));
    } else if !checked {
        found.unknown.push(format!("no check with R {r_series} exists for this build"));
    }
}

/// True for a version of R that begins with these numbers: `4.5.3` and `4.5` are of `4.5`, `4.50` is not.
pub(super) fn is_of_series(r: &str, series: &str) -> bool {
    r.strip_prefix(series).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// The CRAN conflict, where CRAN's version is strictly higher. What is not a version never conflicts.
fn cran_conflict(version: &str, cran: Option<&String>) -> Option<Issue> {
    let cran = cran?;
    let ours = RVersion::parse(version).ok()?;
    let theirs = RVersion::parse(cran).ok()?;
    (ours < theirs).then(|| Issue::Cran(cran.clone()))
}

/// The status of a channel from the findings on each package: issues passed on to dependents, and
/// evidence drawn from both. What own checks clear is taken out first. What was known of each commit
/// before is for the caller to add.
pub fn channel_status(
    facts: &StatusFacts,
    findings: &BTreeMap<PackageName, OwnFindings>,
    policy: EvidencePolicy,
) -> ChannelStatus {
    let mut cleared = own_check::clear(facts, findings, policy);
    let findings = cleared.findings.as_ref();
    let graph =
        DependencyGraph::new(facts.packages.iter().map(|(name, package)| (name, &package.dependencies[..])));
    let passed_on = dependency_issues(&graph, findings, &facts.staged, policy);
    let uncertain = uncertain_dependencies(&graph, findings, policy);
    let mut packages = BTreeMap::new();
    for (name, found) in findings {
        let package = facts.packages.get(name);
        let mut assessment = Assessment {
            version: package.and_then(|package| package.version.clone()),
            commit: package.and_then(|package| package.commit.clone()),
            published: package.and_then(|package| package.published.clone()),
            evidence: Evidence::Unknown,
            settled: None,
            failed_build: package.and_then(|package| package.newer_failure.clone()),
            issues: found.issues.clone(),
            unknown: found.unknown.clone(),
            own_check: own_check::current(facts, name).cloned(),
            cleared: cleared.checks.remove(name).unwrap_or_default(),
        };
        assessment.unknown.extend(uncertain.get(name).cloned());
        if let Some(causes) = passed_on.get(name.as_str()) {
            assessment.issues.push(Issue::Dependencies(causes.clone()));
        }
        assessment.evidence = evidence_of(&assessment, policy);
        packages.insert(name.clone(), assessment);
    }
    ChannelStatus {
        r_series: facts.r_series.clone(),
        frozen_date: facts.frozen_date.clone(),
        packages,
        held: Vec::new(),
    }
}

/// Draws the evidence from issues and gaps. A named issue is a fact even while a source is missing;
/// a running build only counts where nothing else is known.
fn evidence_of(assessment: &Assessment, policy: EvidencePolicy) -> Evidence {
    let failing = assessment.issues.iter().any(|issue| counts_as_failing(issue.kind(), policy));
    match () {
        () if failing => Evidence::Failing,
        () if !assessment.issues.is_empty() => Evidence::Pending,
        () if !assessment.unknown.is_empty() => Evidence::Unknown,
        () => Evidence::Passing,
    }
}

fn counts_as_failing(kind: IssueKind, policy: EvidencePolicy) -> bool {
    policy == EvidencePolicy::Faithful || kind != IssueKind::Synchronization
}

/// For each package the causes among those it depends on, as upstream's `issues_dependencies` names
/// them: for every bad package its transitive dependents, each with those of its direct
/// dependencies that depend on the bad package themselves. Issues of staged packages stay with them.
fn dependency_issues<'a>(
    graph: &DependencyGraph<'a>,
    findings: &'a BTreeMap<PackageName, OwnFindings>,
    staged: &BTreeSet<PackageName>,
    policy: EvidencePolicy,
) -> BTreeMap<&'a str, BTreeMap<PackageName, Vec<PackageName>>> {
    let mut passed_on: BTreeMap<&str, BTreeMap<PackageName, Vec<PackageName>>> = BTreeMap::new();
    for (bad, found) in findings {
        let reaches = found.issues.iter().any(|issue| counts_as_failing(issue.kind(), policy));
        if !reaches || staged.contains(bad) {
            continue;
        }
        for (dependent, through) in graph.paths_to(bad) {
            let through = through.into_iter().map(str::to_owned).collect();
            passed_on.entry(dependent).or_default().insert(bad.clone(), through);
        }
    }
    passed_on
}

/// A clause for each package that depends on one of which nobody can tell anything: as long as that
/// lasts, nobody can tell that it works either. The nearest such dependency is named; where a source
/// fails, there may be thousands.
fn uncertain_dependencies(
    graph: &DependencyGraph<'_>,
    findings: &BTreeMap<PackageName, OwnFindings>,
    policy: EvidencePolicy,
) -> BTreeMap<PackageName, String> {
    if policy == EvidencePolicy::Faithful {
        return BTreeMap::new();
    }
    let uncertain = |found: &OwnFindings| found.issues.is_empty() && !found.unknown.is_empty();
    let causes = findings.iter().filter(|(_, found)| uncertain(found)).map(|(name, _)| name.as_str());
    let reached = graph.nearest_causes(causes).into_iter();
    // A package of which nobody can tell by itself needs no second reason.
    let reached =
        reached.filter(|(name, _)| findings.get(*name).is_none_or(|found| found.unknown.is_empty()));
    reached
        .map(|(name, cause)| {
            let clause =
                format!("it depends on {cause}, of which nobody can tell ({})", findings[cause].unknown[0]);
            (name.to_owned(), clause)
        })
        .collect()
}
