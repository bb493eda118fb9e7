//! What the next dependency freeze would change if it began today.
//!
//! The status rule is asked twice: about what the channel holds now, with the R and the CRAN of this cycle; and about
//! what the freeze would take up, which is what the channel before it offers, with the R and the CRAN that the
//! freeze would target. What comes out differently is the forecast. A forecast is careful whatever a distribution's
//! policy: what nobody can tell is said to be so, and is no "passes". Builds that run at the moment are passed
//! over, since the freeze builds everything.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::status::{channel_status, own_findings};
use super::words::{issue_in_words, issues_in_words};
use crate::domain::{
    Assessment, Checks, DependencyGraph, Evidence, EvidencePolicy, Fact, Issue, IssueKind, PackageName,
    StatusFacts,
};

pub use text::{Ended, ForecastFrame, body, ended_body, title};

/// Everything that a forecast looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecastFacts {
    /// The distribution.
    pub distribution: String,
    /// The channel whose packages the freeze takes up.
    pub from: String,
    /// The channel that is frozen.
    pub to: String,
    /// The first day of the freeze.
    pub freeze: Date,
    /// The day of the snapshot that follows.
    pub snapshot: Date,
    /// What `to` holds, under what this cycle targets.
    pub now: Scenario,
    /// What it would hold, under what the freeze would target if it began today.
    pub then: Scenario,
}

/// Packages under one version of R and one CRAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// The targeted R as `major.minor`.
    pub r: String,
    /// The day at which CRAN is frozen.
    pub cran: Date,
    /// The packages that are listed.
    pub listed: Fact<BTreeSet<PackageName>>,
    /// What is known of them.
    pub status: Fact<StatusFacts>,
}

/// What the freeze would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Facts that are missing: clauses. Whatever rests on them is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// How many packages stand how, now and then.
    pub now: Tally,
    /// See `now`.
    pub then: Tally,
    /// Packages that pass now, or of which nobody can tell now, and would fail.
    pub falls: Vec<Fall>,
    /// Every package whose version would be below CRAN's.
    pub conflicts: Vec<Conflict>,
    /// Packages that fail now and would pass.
    pub recovers: Vec<Recovery>,
    /// Packages that only the freeze brings in.
    pub enters: Vec<Entry>,
    /// Packages that are listed no more where the freeze takes them from.
    pub leaves: Vec<PackageName>,
    /// What nobody can tell yet, the reason that concerns most packages first.
    pub open: Vec<Open>,
}

/// How many packages stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub packages: usize,
    /// Those that pass.
    pub passing: usize,
    /// Those that fail.
    pub failing: usize,
    /// Those of which nobody can tell.
    pub unknown: usize,
}

/// A package that would fall out of what passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fall {
    /// Its name.
    pub package: PackageName,
    /// The version that the freeze would take up.
    pub version: Option<String>,
    /// How it stands now: passing, or nobody can tell.
    pub before: Evidence,
    /// What would speak against it: one clause.
    pub reason: String,
    /// The shortest way from its own dependency to a package at fault; empty where it would fail by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<PackageName>,
    /// The packages that would fall out through it alone or among others; only where it would fail by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes_along: Vec<PackageName>,
}

/// A version below the one that CRAN has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The package.
    pub package: PackageName,
    /// The version that the freeze would take up.
    pub version: String,
    /// CRAN's.
    pub cran: String,
    /// True where it is a conflict already, with the CRAN of this cycle.
    pub is_known: bool,
}

/// A package that would pass again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its name.
    pub package: PackageName,
    /// The version that the freeze would take up.
    pub version: Option<String>,
    /// What speaks against it now: one clause.
    pub failed: String,
}

/// A package that would enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub package: PackageName,
    /// Its version, where it was built.
    pub version: Option<String>,
    /// How it would stand.
    pub evidence: Evidence,
    /// Why, where it would not pass: one clause.
    pub reason: Option<String>,
}

/// Packages of which nobody can tell yet, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Why: one clause.
    pub why: String,
    /// The packages.
    pub packages: Vec<PackageName>,
}

/// Forecasts the freeze.
pub fn forecast(facts: &ForecastFacts) -> Forecast {
    let (now, then) = (Outlook::of(&facts.now, &facts.now.r), Outlook::of(&facts.then, &facts.now.r));
    let mut forecast = Forecast { missing: missing(facts), ..Forecast::default() };
    if let Some(now) = &now {
        forecast.now = now.tally();
    }
    if let Some(then) = &then {
        forecast.then = then.tally();
        forecast.conflicts = conflicts(now.as_ref(), then);
        forecast.open = open(then);
    }
    let (Some(now), Some(then)) = (now, then) else { return forecast };
    forecast.falls = falls(&now, &then);
    forecast.recovers = recovers(&now, &then);
    // Lists tell who enters and who leaves; a universe may be behind them, so it cannot.
    if let (Fact::Known(before), Fact::Known(after)) = (&facts.now.listed, &facts.then.listed) {
        forecast.enters = after.difference(before).map(|package| then.entry(package)).collect();
        forecast.leaves = before.difference(after).cloned().collect();
    }
    forecast
}

/// Clauses about the sources that are missing, each once.
fn missing(facts: &ForecastFacts) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for scenario in [&facts.now, &facts.then] {
        let cran = scenario.status.known().map(|status| &status.cran);
        missing.extend(why(&scenario.listed).into_iter().chain(why(&scenario.status)));
        missing.extend(cran.and_then(why));
    }
    missing.into_iter().collect()
}

fn why<T>(fact: &Fact<T>) -> Option<String> {
    match fact {
        Fact::Known(_) => None,
        Fact::Unknown { why } => Some(why.clone()),
    }
}

/// One scenario with what the status rule says of it.
struct Outlook<'a> {
    facts: StatusFacts,
    assessments: BTreeMap<PackageName, Assessment>,
    listed: BTreeSet<&'a str>,
}

impl<'a> Outlook<'a> {
    /// Nothing where nobody knows what the universe has. Where checks were filtered by whoever listed them, it was for
    /// the R that is targeted now, `filtered_for`: of another R those that are missing tell nothing.
    fn of(scenario: &'a Scenario, filtered_for: &str) -> Option<Self> {
        let mut facts = scenario.status.known()?.clone();
        facts.builds = Fact::Known(BTreeMap::new());
        for package in facts.packages.values_mut() {
            package.just_published = false;
            if let Checks::Bad(bad) = &package.checks
                && scenario.r != filtered_for
            {
                package.checks = Checks::All(bad.clone());
            }
        }
        let findings = own_findings(&facts, EvidencePolicy::Guarded);
        let status = channel_status(&facts, &findings, EvidencePolicy::Guarded);
        let listed = match &scenario.listed {
            Fact::Known(listed) => listed.iter().map(String::as_str).collect(),
            Fact::Unknown { .. } => {
                let status = scenario.status.known()?;
                status.packages.keys().map(String::as_str).collect()
            }
        };
        Some(Self { facts, assessments: status.packages, listed })
    }

    /// The listed packages that the universe has, by name.
    fn packages(&self) -> impl Iterator<Item = (&PackageName, &Assessment)> {
        self.assessments.iter().filter(|(package, _)| self.listed.contains(package.as_str()))
    }

    fn evidence(&self, package: &str) -> Option<Evidence> {
        let assessment = self.assessments.get(package).filter(|_| self.listed.contains(package));
        assessment.map(|assessment| assessment.evidence)
    }

    fn tally(&self) -> Tally {
        let count = |wanted: Evidence| {
            self.listed.iter().filter(|package| self.evidence(package) == Some(wanted)).count()
        };
        let (packages, passing, failing) =
            (self.listed.len(), count(Evidence::Passing), count(Evidence::Failing));
        Tally { packages, passing, failing, unknown: packages - passing - failing }
    }

    fn entry(&self, package: &PackageName) -> Entry {
        let assessment = self.assessments.get(package);
        let reason = match assessment {
            None => Some("its universe never built it, or not yet".to_owned()),
            Some(assessment) => match assessment.evidence {
                Evidence::Passing => None,
                Evidence::Failing | Evidence::Pending => Some(issues_in_words(assessment)),
                Evidence::Unknown => Some(assessment.unknown.join("; ")),
            },
        };
        Entry {
            package: package.clone(),
            version: assessment.and_then(|assessment| assessment.version.clone()),
            evidence: assessment.map_or(Evidence::Unknown, |assessment| assessment.evidence),
            reason,
        }
    }
}

/// What would speak against a package by itself: a clause, or nothing.
fn own_reason(assessment: &Assessment) -> Option<String> {
    let own = assessment.issues.iter().filter(|issue| issue.kind() != IssueKind::Dependencies);
    let clauses: Vec<String> = own.map(issue_in_words).collect();
    (!clauses.is_empty()).then(|| clauses.join("; "))
}

fn causes(assessment: &Assessment) -> impl Iterator<Item = &PackageName> {
    assessment.issues.iter().flat_map(|issue| match issue {
        Issue::Dependencies(causes) => causes.keys().collect::<Vec<_>>(),
        _ => Vec::new(),
    })
}

fn falls(now: &Outlook<'_>, then: &Outlook<'_>) -> Vec<Fall> {
    let graph = DependencyGraph::new(
        then.facts.packages.iter().map(|(name, package)| (name, &package.dependencies[..])),
    );
    let at_fault = then.assessments.iter().filter(|(_, assessment)| own_reason(assessment).is_some());
    let chains = graph.chains(at_fault.map(|(name, _)| name.as_str()));
    let fallen: Vec<(&PackageName, &Assessment, Evidence)> = then
        .packages()
        .filter(|(_, assessment)| assessment.evidence == Evidence::Failing)
        .filter_map(|(package, assessment)| Some((package, assessment, now.evidence(package)?)))
        .filter(|(_, _, before)| *before != Evidence::Failing)
        .collect();
    let mut taken_along: BTreeMap<&PackageName, Vec<PackageName>> = BTreeMap::new();
    for (package, assessment, _) in &fallen {
        if own_reason(assessment).is_none() {
            for cause in causes(assessment) {
                taken_along.entry(cause).or_default().push((*package).clone());
            }
        }
    }
    let fall = |(package, assessment, before): (&PackageName, &Assessment, Evidence)| {
        let own = own_reason(assessment);
        let way = chains.get(package.as_str()).filter(|_| own.is_none());
        let through = way.into_iter().flatten().map(|&step| step.to_owned()).collect();
        Fall {
            package: package.clone(),
            version: assessment.version.clone(),
            before,
            takes_along: taken_along.get(package).cloned().unwrap_or_default(),
            reason: own.unwrap_or_else(|| issues_in_words(assessment)),
            through,
        }
    };
    fallen.into_iter().map(fall).collect()
}

fn recovers(now: &Outlook<'_>, then: &Outlook<'_>) -> Vec<Recovery> {
    let healthy = then.packages().filter(|(_, assessment)| assessment.evidence == Evidence::Passing);
    let failed = |package: &str| {
        let before = now.assessments.get(package).filter(|_| now.listed.contains(package));
        before.filter(|assessment| assessment.evidence == Evidence::Failing)
    };
    healthy
        .filter_map(|(package, assessment)| {
            Some(Recovery {
                failed: issues_in_words(failed(package)?),
                package: package.clone(),
                version: assessment.version.clone(),
            })
        })
        .collect()
}

fn conflicts(now: Option<&Outlook<'_>>, then: &Outlook<'_>) -> Vec<Conflict> {
    let with_cran = |assessment: &Assessment| {
        assessment.issues.iter().find_map(|issue| match issue {
            Issue::Cran(version) => Some(version.clone()),
            _ => None,
        })
    };
    let is_known =
        |package: &str| now.and_then(|now| now.assessments.get(package)).and_then(with_cran).is_some();
    then.packages()
        .filter_map(|(package, assessment)| {
            Some(Conflict {
                cran: with_cran(assessment)?,
                version: assessment.version.clone()?,
                is_known: is_known(package),
                package: package.clone(),
            })
        })
        .collect()
}

fn open(then: &Outlook<'_>) -> Vec<Open> {
    let mut reasons: BTreeMap<&str, Vec<PackageName>> = BTreeMap::new();
    for (package, assessment) in then.packages() {
        if assessment.evidence == Evidence::Unknown {
            // The first reason is one of its own, where there is one.
            let why = assessment.unknown.first().map_or("nobody can tell", String::as_str);
            reasons.entry(why).or_default().push(package.clone());
        }
    }
    let unbuilt: Vec<PackageName> = then
        .listed
        .iter()
        .filter(|package| !then.assessments.contains_key(**package))
        .map(|package| (*package).to_owned())
        .collect();
    if !unbuilt.is_empty() {
        reasons.entry("its universe never built it, or not yet").or_default().extend(unbuilt);
    }
    let mut open: Vec<Open> =
        reasons.into_iter().map(|(why, packages)| Open { why: why.to_owned(), packages }).collect();
    open.sort_by_key(|reason| std::cmp::Reverse(reason.packages.len()));
    open
}
