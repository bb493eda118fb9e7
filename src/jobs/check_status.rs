//! `check-status`: what speaks against each package of a channel.
//!
//! Observes the channel's universe, the CRAN index of the frozen date and the builds that run, each
//! stored with its source and time; keeps the version history; and draws the status from them by
//! [`crate::decide::status`], past the guard of [`crate::decide::guard`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sources::{fresh_fact, names};
use super::universes::{cran_client, universe_client, universe_of};
use super::{Services, point_and_targets};
use crate::calendar::Targets;
use crate::config::{CheckStatus as Settings, Distribution, Universe};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::guard::{self, GuardMemory, GuardPolicy};
use crate::decide::ledger;
use crate::decide::status;
use crate::domain::{
    ChannelStatus, Checks, Evidence, EvidencePolicy, Fact, Ledger, PackageFacts, PackageName, StagingModel,
    StatusFacts,
};
use crate::ecosystem::cran::files::LedgerFile;
use crate::ecosystem::cran::universe::{UniverseAnswer, UniversePackage};
use crate::failure::Failure;
use crate::github::WorkflowRun;

/// Published less than this before a look: dependents may still be rebuilding (upstream's rule).
const JUST_PUBLISHED: Duration = Duration::from_secs(5 * 60);
/// A run that waits for longer than this will never start (upstream's rule).
const LOST_BUILD: Duration = Duration::from_secs(24 * 60 * 60);
/// The workflow that builds packages in a universe's repository.
const BUILD_WORKFLOW: &str = "build.yml";
/// The version history that a channel's repository keeps.
const VERSIONS: &str = "versions.json";

/// What a universe says of its packages, as it is stored.
pub type SeenUniverse = BTreeMap<PackageName, SeenPackage>;

/// What a universe says of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenPackage {
    /// What the rules look at.
    pub facts: PackageFacts,
    /// The source package, where there is one.
    pub source: Option<SeenFile>,
    /// The binary packages.
    pub binaries: Vec<SeenBinary>,
}

/// A source package, as its universe promises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFile {
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes, where the universe says so.
    pub size: Option<u64>,
}

/// A binary package, as its universe promises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBinary {
    /// `win`, `mac`, `linux` or `wasm`.
    pub os: String,
    /// The architecture; none for a package without compiled code.
    pub arch: Option<String>,
    /// The full version of R that built it.
    pub r: String,
    /// The package's version.
    pub version: String,
    /// The commit that was built.
    pub commit: Option<String>,
    /// Its SHA-256.
    pub sha256: String,
}

/// The job.
pub struct CheckStatus {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
}

impl JobWork for CheckStatus {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.check(context))
    }
}

impl CheckStatus {
    async fn check(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let now = self.services.clock.now();
        let (_, targets) = point_and_targets(&self.distribution, context.nominal)?;
        let universe = universe_of(&self.distribution, &self.settings.channel)?;
        let seen = self.observe_universe(universe, now).await?;
        self.observe_cran(universe, &targets, now).await?;
        self.observe_builds(universe, now).await?;
        let seen = match seen {
            Fact::Known(seen) => seen,
            Fact::Unknown { why } => return Ok(RunOutcome::Held { reason: why }),
        };
        let facts = self.facts(&seen, &targets, now).await?;
        let status = self.draw(&facts, now).await?;
        let source = names::status(&self.distribution.name, &self.settings.channel);
        let bytes = serde_json::to_vec(&status).map_err(anyhow::Error::from)?;
        let seen = self.services.store.record_seen(&source, &bytes, now).await?;
        let summary = in_numbers(&status);
        Ok(if seen.changed { RunOutcome::done(summary) } else { RunOutcome::Unchanged { summary } })
    }

    /// How old an answer may be that still counts. Upstream has no memory: under `faithful` only
    /// what was read just now counts.
    fn max_age(&self) -> Duration {
        match self.distribution.policy.evidence {
            EvidencePolicy::Faithful => Duration::ZERO,
            EvidencePolicy::Guarded => self.distribution.policy.max_age.get(),
        }
    }

    async fn observe_universe(
        &self,
        universe: &Universe,
        now: Timestamp,
    ) -> Result<Fact<SeenUniverse>, RunError> {
        let source = names::universe(&self.distribution.name, &self.settings.channel);
        let answer = universe_client(&self.services, universe)?.packages().await;
        let store = &self.services.store;
        match answer.and_then(believable) {
            Ok(packages) => {
                let seen: SeenUniverse = packages.into_iter().map(seen_package).collect();
                let bytes = serde_json::to_vec(&seen).map_err(anyhow::Error::from)?;
                store.record_seen(&source, &bytes, now).await?;
            }
            Err(failure) => store.record_failed(&source, &failure.to_string(), now).await?,
        }
        Ok(fresh_fact(store, &source, now, self.max_age()).await?)
    }

    async fn observe_cran(
        &self,
        universe: &Universe,
        targets: &Targets,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let source = names::cran(distribution, channel, targets.dependency_freeze);
        let store = &self.services.store;
        match cran_client(&self.services, universe, targets)?.versions().await {
            Ok(versions) if versions.is_empty() => {
                store.record_failed(&source, "the index is empty", now).await?;
            }
            Ok(versions) => {
                let bytes = serde_json::to_vec(&versions).map_err(anyhow::Error::from)?;
                store.record_seen(&source, &bytes, now).await?;
            }
            Err(failure) => store.record_failed(&source, &failure.to_string(), now).await?,
        }
        Ok(())
    }

    async fn observe_builds(&self, universe: &Universe, now: Timestamp) -> anyhow::Result<()> {
        let source = names::builds(&self.distribution.name, &self.settings.channel);
        let store = &self.services.store;
        match self.services.github.unfinished_runs(&universe.builds, BUILD_WORKFLOW).await {
            Ok(runs) => {
                let builds: BTreeMap<PackageName, String> = runs
                    .into_iter()
                    .filter(|run| is_alive(run, now))
                    .filter_map(|run| {
                        Some((run.display_title.split_whitespace().next()?.to_owned(), run.html_url))
                    })
                    .collect();
                store.record_seen(&source, &serde_json::to_vec(&builds)?, now).await?;
            }
            Err(failure) => store.record_failed(&source, &failure.to_string(), now).await?,
        }
        Ok(())
    }

    async fn facts(
        &self,
        universe: &SeenUniverse,
        targets: &Targets,
        now: Timestamp,
    ) -> Result<StatusFacts, RunError> {
        let store = &self.services.store;
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let packages: BTreeMap<PackageName, PackageFacts> = universe
            .iter()
            .map(|(package, seen)| {
                let just_published = was_just_published(seen.facts.published.as_deref(), now);
                (package.clone(), PackageFacts { just_published, ..seen.facts.clone() })
            })
            .collect();
        let cran = names::cran(distribution, channel, targets.dependency_freeze);
        let builds = names::builds(distribution, channel);
        Ok(StatusFacts {
            cran: fresh_fact(store, &cran, now, self.max_age()).await?,
            builds: fresh_fact(store, &builds, now, self.max_age()).await?,
            advisories: BTreeMap::new(),
            ledger: self.ledger(&packages).await?,
            staged: self.staged(now).await?,
            r_series: targets.r.clone(),
            frozen_date: targets.dependency_freeze.to_string(),
            packages,
        })
    }

    /// The version history, brought up to date. The first look takes over what the repository's own
    /// `versions.json` remembers.
    async fn ledger(&self, packages: &BTreeMap<PackageName, PackageFacts>) -> Result<Ledger, RunError> {
        let store = &self.services.store;
        let key = format!("{}/{}", self.distribution.name, self.settings.channel);
        let mut known = store.ledger(&key).await?;
        let repository =
            self.distribution.channel(&self.settings.channel).and_then(|channel| channel.repository());
        if known.is_empty()
            && let Some(repository) = repository
        {
            let view = self.services.github.view(repository, &[VERSIONS], &[]).await?;
            if let Some(text) = view.files.get(VERSIONS).and_then(Option::as_deref) {
                let file = LedgerFile::read(&format!("{repository}/{VERSIONS}"), text.as_bytes());
                known = file.map_err(anyhow::Error::from)?.into_ledger();
            }
        }
        let updated = ledger::update(&known, packages);
        if updated != known {
            store.save_ledger(&key, &updated).await?;
        }
        Ok(updated)
    }

    /// Under `follow`, issues of packages that are staged already do not reach their dependents.
    async fn staged(&self, now: Timestamp) -> anyhow::Result<BTreeSet<PackageName>> {
        if self.distribution.policy.staging == StagingModel::Pinned {
            return Ok(BTreeSet::new());
        }
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let held = self.services.store.channel_at(distribution, channel, now).await?;
        Ok(held.into_keys().collect())
    }

    /// Draws the status, past the guard, and remembers what the guard needs the next time.
    async fn draw(&self, facts: &StatusFacts, now: Timestamp) -> Result<ChannelStatus, RunError> {
        let store = &self.services.store;
        let policy = self.distribution.policy.evidence;
        let own = status::own_findings(facts, policy);
        if policy == EvidencePolicy::Faithful {
            return Ok(status::channel_status(facts, &own, policy));
        }
        let memory_source = names::guard(&self.distribution.name, &self.settings.channel);
        let memory: GuardMemory = read_or_default(store.latest_seen(&memory_source).await?)?;
        let guard_policy = GuardPolicy {
            mass_change: self.distribution.policy.mass_change,
            confirm_after: self.distribution.policy.confirm_after,
        };
        let reviewed = guard::review(&memory, facts, own, guard_policy);
        let mut status = status::channel_status(facts, &reviewed.findings, policy);
        status.held = reviewed.held;
        let source = names::status(&self.distribution.name, &self.settings.channel);
        let before: ChannelStatus = read_or_default(store.latest_seen(&source).await?)?;
        settle(&mut status, &before);
        let bytes = serde_json::to_vec(&reviewed.memory).map_err(anyhow::Error::from)?;
        store.record_seen(&memory_source, &bytes, now).await?;
        Ok(status)
    }
}

fn read_or_default<T: serde::de::DeserializeOwned + Default>(
    fact: Option<crate::store::SeenFact>,
) -> anyhow::Result<T> {
    Ok(fact.map(|fact| serde_json::from_slice(&fact.bytes)).transpose()?.unwrap_or_default())
}

/// A universe always lists something: an empty answer, or one with records that cannot be read, is a
/// fault of the source.
fn believable(answer: UniverseAnswer) -> Result<Vec<UniversePackage>, Failure> {
    let packages = answer.require_whole("the universe")?;
    if packages.is_empty() {
        return Err(Failure::transient("the universe's answer lists no package at all"));
    }
    Ok(packages)
}

/// Upstream's rule: a run that is not in progress and began more than a day ago is lost.
pub fn is_alive(run: &WorkflowRun, now: Timestamp) -> bool {
    let began = run.run_started_at.unwrap_or(run.created_at);
    run.status == "in_progress" || now.duration_since(began).unsigned_abs() <= LOST_BUILD
}

/// Turns a record of a universe into what is stored of it.
fn seen_package(package: UniversePackage) -> (PackageName, SeenPackage) {
    let facts = facts_of(&package);
    let source = package.file.map(|file| SeenFile { sha256: file.sha256, size: file.size });
    let binaries = package.binaries.into_iter().map(|binary| SeenBinary {
        os: binary.os,
        arch: binary.arch,
        r: binary.r,
        version: binary.version,
        commit: binary.commit,
        sha256: binary.sha256,
    });
    (package.package, SeenPackage { facts, source, binaries: binaries.collect() })
}

/// What the rules look at in a record of a universe.
pub fn facts_of(package: &UniversePackage) -> PackageFacts {
    PackageFacts {
        version: Some(package.version.clone()),
        commit: Some(package.commit.clone()),
        published: package.published.clone(),
        just_published: false,
        license: package.license.clone(),
        foss: package.foss,
        remotes: package.remotes.clone(),
        checks: match &package.issues_r_cmd_check {
            Some(bad) => Checks::Bad(bad.clone()),
            None => Checks::All(package.checks.clone()),
        },
        dependencies: package.strong_dependencies().into_iter().cloned().collect(),
        newer_failure: package.failure.as_ref().and_then(|failure| failure.commit.clone()),
    }
}

/// True where `published` (as status files print it) lies less than five minutes before `now`.
pub fn was_just_published(published: Option<&str>, now: Timestamp) -> bool {
    let text = published.map(|text| text.trim_end_matches(" UTC").replacen(' ', "T", 1) + "Z");
    let at = text.and_then(|text| text.parse::<Timestamp>().ok());
    at.is_some_and(|at| now.duration_since(at).unsigned_abs() < JUST_PUBLISHED)
}

/// Keeps what was known of a commit while it is being built again, or while nobody can tell.
fn settle(status: &mut ChannelStatus, before: &ChannelStatus) {
    for (package, assessment) in &mut status.packages {
        if matches!(assessment.evidence, Evidence::Passing | Evidence::Failing) {
            continue;
        }
        let known = before.packages.get(package).filter(|known| known.commit == assessment.commit);
        assessment.settled = known.and_then(|known| match known.evidence {
            Evidence::Passing | Evidence::Failing => Some(known.evidence),
            Evidence::Pending | Evidence::Unknown => known.settled,
        });
    }
}

fn in_numbers(status: &ChannelStatus) -> String {
    let count = |evidence: Evidence| {
        status.packages.values().filter(|assessment| assessment.evidence == evidence).count()
    };
    format!(
        "{} packages: {} passing, {} failing, {} pending, {} unknown",
        status.packages.len(),
        count(Evidence::Passing),
        count(Evidence::Failing),
        count(Evidence::Pending),
        count(Evidence::Unknown),
    )
}
