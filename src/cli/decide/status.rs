//! `decide status`: what speaks against each package of a channel, on files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::super::{CommandError, Context, given_file};
use super::{Day, builds, read_packages};
use crate::calendar::Targets;
use crate::decide::status::{channel_status, own_findings};
use crate::domain::{
    Advisories, ChannelStatus, DependencyRule, Evidence, EvidencePolicy, Fact, ListedPackages, Listing,
    PackageFacts, PackageName, StatusFacts,
};
use crate::ecosystem::cran::advisories::Advisories as AdvisoryFiles;
use crate::ecosystem::cran::cran_index::read_index;
use crate::ecosystem::cran::files::{LedgerFile, StatusFile};
use crate::ecosystem::cran::universe::{UniverseAnswer, UniversePackage};
use crate::jobs::check_status::{facts_of, published_at, was_just_published};

/// Find what speaks against each package, and print the new status.json
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate decide status --universe packages.ndjson --versions versions.json --cran PACKAGES
      The status of community, by upstream's rules
  tidegate decide status --universe packages.ndjson --versions versions.json --staging packages.json \\
      --runs runs.json --at 2026-08-20T12:30:00Z
      The status of staging: issues of packages that are staged already stay with them")]
pub(super) struct Status {
    /// What the universe answers under /api/packages, or its condensed form
    #[arg(long, value_name = "FILE")]
    universe: PathBuf,
    /// The versions.json of the channel; taken as it is
    #[arg(long, value_name = "FILE")]
    versions: PathBuf,
    /// The packages.json of staging, whose pins are the packages that are staged already
    #[arg(long, value_name = "FILE")]
    staging: Option<PathBuf>,
    /// The PACKAGES index of CRAN at the frozen date, plain or compressed
    #[arg(long, value_name = "FILE")]
    cran: Option<PathBuf>,
    /// The universe's workflow runs, as GitHub's REST API lists them
    #[arg(long, value_name = "FILE")]
    runs: Option<PathBuf>,
    /// A folder of security advisories (or one of them)
    #[arg(long, value_name = "DIR")]
    advisories: Option<PathBuf>,
    /// Count the checks with the R before the targeted one too
    #[arg(long)]
    oldrelease: bool,
    #[command(flatten)]
    day: Day,
    /// How evidence is read
    #[arg(long, default_value = "faithful")]
    policy: PolicyChoice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyChoice {
    /// Exactly R-multiverse's rules
    Faithful,
    /// What is pending or unknown is no failure
    Guarded,
}

impl Status {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let (at, targets) = self.day.look_up(context)?;
        let older = if self.oldrelease { Some(self.day.series_before(&targets, context)?) } else { None };
        let policy = match self.policy {
            PolicyChoice::Faithful => EvidencePolicy::Faithful,
            PolicyChoice::Guarded => EvidencePolicy::Guarded,
        };
        let facts = self.facts(at, &targets, (policy, older))?;
        let status = channel_status(&facts, &own_findings(&facts, policy), policy);
        if policy == EvidencePolicy::Guarded {
            say_what_is_open(&status, context)?;
        }
        Ok(context.out.write_all(StatusFile::of(&status).write().as_bytes())?)
    }

    fn facts(
        &self,
        at: Timestamp,
        targets: &Targets,
        (policy, older_r_series): (EvidencePolicy, Option<String>),
    ) -> Result<StatusFacts, CommandError> {
        let file = self.universe.to_string_lossy();
        let answer = UniverseAnswer::read(&file, &given_file::read(&self.universe)?)
            .and_then(|answer| answer.require_whole(&file))
            .map_err(given_file::refused)?;
        // A universe always lists something: this is a download that failed, and a status without any package
        // would be taken for one.
        if answer.is_empty() {
            return Err(given_file::refused(format!(
                "{file}: the universe's answer lists no package at all"
            )));
        }
        let packages: BTreeMap<PackageName, PackageFacts> = answer
            .iter()
            .map(|package| {
                let facts = facts_of(package);
                let just_published = was_just_published(facts.published.as_deref(), at);
                let updated = facts.published.as_deref().and_then(published_at);
                (package.package.clone(), PackageFacts { just_published, updated, ..facts })
            })
            .collect();
        let ledger = LedgerFile::read(&self.versions.to_string_lossy(), &given_file::read(&self.versions)?)
            .map_err(given_file::refused)?;
        Ok(StatusFacts {
            cran: self.cran(&answer)?,
            builds: self.builds(&packages, at, policy)?,
            advisories: Fact::Known(self.advisories()?),
            // The list of a channel says what its universe should have: only that of staging is given.
            listed: Fact::Known(self.listed()?),
            ledger: ledger.into_ledger(),
            staged: self.staged()?,
            own_checks: BTreeMap::new(),
            overrides: BTreeMap::new(),
            dependency_rule: DependencyRule::Strict,
            older_r_series,
            r_series: targets.r.clone(),
            frozen_date: targets.dependency_freeze.to_string(),
            packages,
        })
    }

    /// CRAN's versions: those of the index, or those that a condensed answer carries itself.
    fn cran(&self, answer: &[UniversePackage]) -> Result<Fact<BTreeMap<PackageName, String>>, CommandError> {
        if let Some(path) = &self.cran {
            let index =
                read_index(&path.to_string_lossy(), &given_file::read(path)?).map_err(given_file::refused)?;
            let versions = index.into_iter().map(|(package, version)| (package, version.to_string()));
            return Ok(Fact::Known(versions.collect()));
        }
        // Only the condensed form has checks that somebody filtered before.
        if answer.iter().all(|package| package.issues_r_cmd_check.is_none() && package.cran.is_none()) {
            return Ok(Fact::unknown("no index of CRAN was given (--cran)"));
        }
        let carried = answer.iter().filter_map(|known| Some((known.package.clone(), known.cran.clone()?)));
        Ok(Fact::Known(carried.collect()))
    }

    /// Unfinished builds. Without a list of runs nobody can tell; upstream's rule then goes on as if
    /// there were none, and so does `faithful`.
    fn builds(
        &self,
        packages: &BTreeMap<PackageName, PackageFacts>,
        at: Timestamp,
        policy: EvidencePolicy,
    ) -> Result<Fact<BTreeMap<PackageName, String>>, CommandError> {
        match (&self.runs, policy) {
            (Some(path), _) => {
                let bytes = given_file::read(path)?;
                Ok(Fact::Known(builds::unfinished(&path.to_string_lossy(), &bytes, packages, at)?))
            }
            (None, EvidencePolicy::Faithful) => Ok(Fact::Known(BTreeMap::new())),
            (None, EvidencePolicy::Guarded) => Ok(Fact::unknown("no list of builds was given (--runs)")),
        }
    }

    fn advisories(&self) -> Result<Advisories, CommandError> {
        let Some(path) = &self.advisories else { return Ok(Advisories::new()) };
        Ok(AdvisoryFiles::read(path).map_err(given_file::refused)?.into_known())
    }

    fn listed(&self) -> Result<ListedPackages, CommandError> {
        let Some(path) = &self.staging else { return Ok(ListedPackages::new()) };
        let row = |listing: Listing| {
            let pin = listing.pin().map(str::to_owned);
            (listing.package, pin)
        };
        Ok(read_packages(path)?.listings.into_iter().map(row).collect())
    }

    fn staged(&self) -> Result<BTreeSet<PackageName>, CommandError> {
        let Some(path) = &self.staging else { return Ok(BTreeSet::new()) };
        let file = read_packages(path)?;
        let pinned = file.listings.into_iter().filter(|listing| listing.pin().is_some());
        Ok(pinned.map(|listing| listing.package).collect())
    }
}

/// Says on standard error what the file has no words for.
fn say_what_is_open(status: &ChannelStatus, context: &mut Context<'_>) -> Result<(), CommandError> {
    let count = |evidence| status.packages.values().filter(|known| known.evidence == evidence).count();
    let (pending, unknown) = (count(Evidence::Pending), count(Evidence::Unknown));
    writeln!(context.err, "note: {pending} pending and {unknown} unknown, which do not count as failing")?;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let open = status.packages.values().filter(|known| known.evidence == Evidence::Unknown);
    // The first reason is the package's own; the others follow from those of its dependencies.
    for reason in open.filter_map(|known| known.unknown.first()) {
        *reasons.entry(reason).or_default() += 1;
    }
    for (reason, packages) in reasons {
        writeln!(context.err, "note: {packages} unknown: {reason}")?;
    }
    Ok(())
}
