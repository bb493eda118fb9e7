//! One look at all sources of a channel, as they answered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::CheckStatus;
use super::seen::read_universe;
use crate::calendar::Targets;
use crate::config::Policy;
use crate::daemon::RunError;
use crate::digest::hex;
use crate::domain::{
    Advisories, EvidenceOverride, EvidencePolicy, Fact, ListedPackages, Listing, OwnCheck, PackageName,
    StagingModel,
};
use crate::ecosystem::cran::cran_index::read_index;
use crate::ecosystem::cran::files::PackagesFile;
use crate::failure::Failure;
use crate::github::WorkflowRun;
use crate::jobs::channel_files::{PACKAGES, repository};
use crate::jobs::sources::{fresh_fact, names};
use crate::jobs::universes::{cran_client, universe_client, universe_of};

/// A run that waits for longer than this will never start (upstream's rule).
const LOST_BUILD: SignedDuration = SignedDuration::from_hours(24);
/// The workflow that builds packages in a universe's repository.
const BUILD_WORKFLOW: &str = "build.yml";

/// What all sources said, or how they failed.
pub(super) struct Look {
    universe: Result<Vec<u8>, Failure>,
    cran: Result<Vec<u8>, Failure>,
    builds: Result<BTreeMap<PackageName, String>, Failure>,
    listed: Result<ListedPackages, Failure>,
    advisories: Option<Result<Advisories, Failure>>,
    /// Packages that the channel holds and whose issues stay with them.
    pub(super) staged: BTreeSet<PackageName>,
    /// tidegate's own checks, where they are fresh enough to count.
    pub(super) own_checks: BTreeMap<PackageName, OwnCheck>,
    /// Operators' words that have not run out.
    pub(super) overrides: BTreeMap<PackageName, EvidenceOverride>,
}

/// The sources of this job, by the names under which they are stored.
pub(super) struct Sources {
    pub(super) universe: String,
    pub(super) cran: String,
    pub(super) builds: String,
    pub(super) listed: String,
    /// None where the distribution names no source of advisories.
    pub(super) advisories: Option<String>,
}

impl Sources {
    /// All of them.
    pub(super) fn names(self) -> Vec<String> {
        let mut names = vec![self.universe, self.cran, self.builds, self.listed];
        names.extend(self.advisories);
        names
    }
}

impl CheckStatus {
    /// Asks every source.
    pub(super) async fn look(&self, targets: &Targets, now: Timestamp) -> Result<Look, RunError> {
        let universe = universe_of(&self.distribution, &self.settings.channel)?;
        let runs = self.services.github()?.unfinished_runs(&universe.builds, BUILD_WORKFLOW).await;
        Ok(Look {
            universe: universe_client(&self.services, universe)?.packages_text().await,
            cran: cran_client(&self.services, universe, targets)?.index().await,
            builds: runs.map(|runs| alive(runs, now)),
            listed: self.listed().await?,
            advisories: self.look_at_advisories(now).await?,
            staged: self.staged(now).await?,
            own_checks: self.own_checks(now).await?,
            overrides: self.overrides(now).await?,
        })
    }

    /// What the channel's repository lists at its head. Without it nobody can tell what is missing, and all
    /// packages would be held until the next look; so a look that GitHub did not answer is taken again.
    async fn listed(&self) -> Result<Result<ListedPackages, Failure>, RunError> {
        let repository = repository(&self.distribution, &self.settings.channel)?;
        let view = match self.services.github()?.view(repository, &[PACKAGES], &[]).await {
            Ok(view) => view,
            Err(failure) if failure.is_transient() => return Err(failure.into()),
            Err(failure) => return Ok(Err(failure)),
        };
        let Some(text) = view.files.get(PACKAGES).and_then(Option::as_deref) else {
            let missing = format!("{repository} has no {PACKAGES} on its default branch");
            return Ok(Err(Failure::permanent(missing)));
        };
        let file = PackagesFile::read(&format!("{repository}/{PACKAGES}"), text.as_bytes());
        let row = |listing: Listing| {
            let pin = listing.pin().map(str::to_owned);
            (listing.package, pin)
        };
        Ok(file
            .map(|file| file.listings.into_iter().map(row).collect())
            .map_err(|error| Failure::permanent(error.to_string())))
    }

    /// Operators' words on packages of this channel, until the last day of each.
    async fn overrides(&self, now: Timestamp) -> anyhow::Result<BTreeMap<PackageName, EvidenceOverride>> {
        if self.distribution.policy.evidence == EvidencePolicy::Faithful {
            return Ok(BTreeMap::new());
        }
        let today = now.to_zoned(self.distribution.calendar.timezone().clone()).date();
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let mut overrides = self.services.store.evidence_overrides(distribution, channel).await?;
        overrides.retain(|_, word| word.until >= today);
        Ok(overrides)
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

    /// The own checks that a recheck of this channel stored last. Where none does so any more, they end with
    /// their age, and the universe's checks count as they are.
    async fn own_checks(&self, now: Timestamp) -> anyhow::Result<BTreeMap<PackageName, OwnCheck>> {
        let source = names::own_checks(&self.distribution.name, &self.settings.channel);
        let max_age = self.distribution.policy.max_age.get();
        let seen: Fact<BTreeMap<PackageName, OwnCheck>> =
            fresh_fact(&self.services.store, &source, now, max_age).await?;
        Ok(seen.known().cloned().unwrap_or_default())
    }

    /// The sources of this job, by the names under which they are stored.
    pub(super) fn sources(&self, targets: &Targets) -> Sources {
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let advisories = self.distribution.advisories.as_ref();
        Sources {
            universe: names::universe(distribution, channel),
            cran: names::cran(distribution, channel, targets.dependency_freeze),
            builds: names::builds(distribution, channel),
            listed: names::listed(distribution, channel),
            advisories: advisories.map(|_| names::advisories(distribution, channel)),
        }
    }

    /// Stores what each source said, with its time; a source that failed keeps what it said before.
    pub(super) async fn store_look(
        &self,
        look: &Look,
        targets: &Targets,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let Sources { universe, cran, builds, listed, advisories } = self.sources(targets);
        let read = match &look.universe {
            Ok(bytes) => read_universe(bytes).map(|seen| serde_json::to_vec(&seen)),
            Err(failure) => Err(failure.clone()),
        };
        self.store_source(&universe, read, now).await?;
        let read = match &look.cran {
            Ok(bytes) => read_index("the CRAN index", bytes).and_then(|versions| match versions.is_empty() {
                true => Err(Failure::transient("the index is empty")),
                false => Ok(serde_json::to_vec(&versions)),
            }),
            Err(failure) => Err(failure.clone()),
        };
        self.store_source(&cran, read, now).await?;
        let read = look.builds.as_ref().map(serde_json::to_vec).map_err(Failure::clone);
        self.store_source(&builds, read, now).await?;
        let read = look.listed.as_ref().map(serde_json::to_vec).map_err(Failure::clone);
        self.store_source(&listed, read, now).await?;
        if let (Some(source), Some(said)) = (&advisories, &look.advisories) {
            let read = said.as_ref().map(serde_json::to_vec).map_err(Failure::clone);
            self.store_source(source, read, now).await?;
        }
        Ok(())
    }

    async fn store_source(
        &self,
        source: &str,
        said: Result<serde_json::Result<Vec<u8>>, Failure>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        match said {
            Ok(bytes) => self.services.store.record_seen(source, &bytes?, now).await.map(drop),
            Err(failure) => self.services.store.record_failed(source, &failure.to_string(), now).await,
        }
    }
}

impl Look {
    /// Why the advisories could not be read, where that is so.
    pub(super) fn advisories_failed(&self) -> Option<&Failure> {
        self.advisories.as_ref()?.as_ref().err()
    }

    /// The digest of everything that was seen, and of the policy by which it is read; none where a source
    /// failed, since then nobody can say that nothing changed.
    pub(super) fn digest(&self, targets: &Targets, policy: &Policy) -> Option<String> {
        let mut digest = Sha256::new();
        for part in [self.universe.as_ref().ok()?, self.cran.as_ref().ok()?] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let advisories = match &self.advisories {
            Some(said) => Some(said.as_ref().ok()?),
            None => None,
        };
        let rest = serde_json::json!([
            self.builds.as_ref().ok()?,
            self.listed.as_ref().ok()?,
            advisories,
            self.staged,
            self.own_checks,
            self.overrides,
            targets,
            policy
        ]);
        digest.update(rest.to_string());
        Some(hex(&digest.finalize()))
    }
}

/// Packages whose build runs, with its address; a run's title begins with the package.
fn alive(runs: Vec<WorkflowRun>, now: Timestamp) -> BTreeMap<PackageName, String> {
    let alive = runs.into_iter().filter(|run| is_alive(run, now));
    alive
        .filter_map(|run| Some((run.display_title.split_whitespace().next()?.to_owned(), run.html_url)))
        .collect()
}

/// Upstream's rule: a run that is not in progress and began more than a day ago is lost.
pub fn is_alive(run: &WorkflowRun, now: Timestamp) -> bool {
    let began = run.run_started_at.unwrap_or(run.created_at);
    run.status == "in_progress" || now.duration_since(began) <= LOST_BUILD
}
