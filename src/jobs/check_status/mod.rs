//! `check-status`: what speaks against each package of a channel.
//!
//! Observes the channel's universe and list, the CRAN index of the frozen date, the builds that run and the
//! advisory database, each stored with its source and time; keeps the version history, and since when each
//! version is there; and draws the status from them by [`crate::decide::look`]. Where all sources say the same as after the last pass that left nothing
//! open, the pass ends there.

mod advisories;
mod keep;
mod look;
mod seen;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

pub use look::is_alive;
pub use seen::{SeenBinary, SeenFile, SeenPackage, SeenUniverse, facts_of, published_at, was_just_published};

use super::sources::{fresh_fact, names};
use super::{Services, point_and_targets};
use crate::calendar::Targets;
use crate::config::{CheckStatus as Settings, Distribution};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::guard::{Confirmation, GuardPolicy};
use crate::decide::ledger;
use crate::decide::look::{Drawn, LookFacts, draw};
use crate::decide::status::freshness::{self, KnownUpdates};
use crate::decide::status::since::{NotPassingSince, not_passing_since};
use crate::domain::{
    ChannelStatus, Evidence, EvidencePolicy, Fact, Ledger, ListedPackages, PackageFacts, PackageName,
    StatusFacts,
};
use crate::ecosystem::cran::files::LedgerFile;
use look::{Look, Sources};

/// The version history that a channel's repository keeps.
const VERSIONS: &str = "versions.json";

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
        let store = &self.services.store;
        let (_, targets) = point_and_targets(&self.distribution, context.nominal)?;
        let look = self.look(&targets, now).await?;
        let digest = look.digest(&targets, &self.distribution.policy);
        if digest.is_some() && digest == self.settled_digest().await? {
            let mut sources = self.sources(&targets).names();
            sources.push(self.status_source());
            store.still_seen(&sources, now).await?;
            return Ok(RunOutcome::Unchanged { summary: "every source says what it said before".to_owned() });
        }
        // From here on the last settled look is history: a source that fails now and recovers later
        // has to be stored again, even where it then says what it said before.
        store.record_seen(&self.settled_source(), b"", now).await?;
        self.store_look(&look, &targets, now).await?;
        // Upstream's job ends where it cannot read the advisories, and leaves the status as it was.
        if let Some(failure) = look.advisories_failed()
            && self.distribution.policy.evidence == EvidencePolicy::Faithful
        {
            return Err(failure.clone().into());
        }
        let universe = names::universe(&self.distribution.name, &self.settings.channel);
        let universe: SeenUniverse = match fresh_fact(store, &universe, now, self.max_age()).await? {
            Fact::Known(seen) => seen,
            Fact::Unknown { why } => return Ok(RunOutcome::Held { reason: why }),
        };
        let seen = self.facts(look, &universe, &targets, now).await?;
        let facts = self.look_facts(seen, now).await?;
        let drawn = draw(&facts);
        let (bytes, is_news) = self.keep(&drawn, now).await?;
        self.date_failures(&drawn.status, context.nominal, now).await?;
        let unkept = match pins_of(&facts.seen.listed) {
            Some(pins) => self.keep_files(&pins, &universe, &targets, now).await?,
            None => Vec::new(),
        };
        let settled = digest.filter(|_| is_settled(&facts.seen, &drawn.status) && unkept.is_empty());
        store.record_seen(&self.settled_source(), settled.unwrap_or_default().as_bytes(), now).await?;
        let mut summary = in_numbers(&drawn.status);
        if !unkept.is_empty() {
            summary +=
                &format!("; files of pinned packages that could not be kept yet: {}", unkept.join("; "));
        }
        if !is_news {
            return Ok(RunOutcome::Unchanged { summary });
        }
        let input = serde_json::to_vec(&facts).map_err(anyhow::Error::from)?;
        Ok(RunOutcome::Done {
            summary,
            input_digest: Some(store.put_blob(&input, now).await?),
            plan_digest: Some(store.put_blob(&bytes, now).await?),
        })
    }

    fn status_source(&self) -> String {
        names::status(&self.distribution.name, &self.settings.channel)
    }

    fn settled_source(&self) -> String {
        format!("settled-status:{}/{}", self.distribution.name, self.settings.channel)
    }

    async fn settled_digest(&self) -> anyhow::Result<Option<String>> {
        let fact = self.services.store.latest_seen(&self.settled_source()).await?;
        Ok(fact.and_then(|fact| String::from_utf8(fact.bytes).ok()))
    }

    /// How old an answer may be that still counts. Upstream has no memory: under `faithful` only
    /// what was read just now counts.
    fn max_age(&self) -> Duration {
        match self.distribution.policy.evidence {
            EvidencePolicy::Faithful => Duration::ZERO,
            EvidencePolicy::Guarded => self.distribution.policy.max_age.get(),
        }
    }

    async fn facts(
        &self,
        look: Look,
        universe: &SeenUniverse,
        targets: &Targets,
        now: Timestamp,
    ) -> Result<StatusFacts, RunError> {
        let store = &self.services.store;
        let Sources { cran, builds, listed, advisories, .. } = self.sources(targets);
        let mut packages: BTreeMap<PackageName, PackageFacts> = universe
            .iter()
            .map(|(package, seen)| {
                let just_published = was_just_published(seen.facts.published.as_deref(), now);
                (package.clone(), PackageFacts { just_published, ..seen.facts.clone() })
            })
            .collect();
        self.date_updates(&mut packages, now).await?;
        Ok(StatusFacts {
            cran: fresh_fact(store, &cran, now, self.max_age()).await?,
            builds: fresh_fact(store, &builds, now, self.max_age()).await?,
            listed: fresh_fact(store, &listed, now, self.max_age()).await?,
            advisories: match advisories {
                Some(source) => fresh_fact(store, &source, now, self.max_age()).await?,
                None => Fact::Known(BTreeMap::new()),
            },
            ledger: self.ledger(&packages).await?,
            staged: look.staged,
            own_checks: look.own_checks,
            r_series: targets.r.clone(),
            older_r_series: self.distribution.older_series(&targets.r).map_err(RunError::Configuration)?,
            dependency_rule: self.distribution.policy.dependencies,
            overrides: look.overrides,
            frozen_date: targets.dependency_freeze.to_string(),
            packages,
        })
    }

    /// Notes for each package since when its version is there, and remembers that.
    async fn date_updates(
        &self,
        packages: &mut BTreeMap<PackageName, PackageFacts>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let store = &self.services.store;
        let source = names::updates(&self.distribution.name, &self.settings.channel);
        let known: KnownUpdates = read_or_default(store.latest_seen(&source).await?)?;
        let published = |package: &PackageFacts| package.published.as_deref().and_then(published_at);
        let updated = freshness::updates(&known, packages, published, now);
        for (name, package) in packages {
            package.updated = freshness::updated_at(&updated, name);
        }
        store.record_seen(&source, &serde_json::to_vec(&updated)?, now).await.map(drop)
    }

    /// Remembers since when packages do not pass, by the nominal times of the looks: an attempt that is made
    /// again says the same.
    async fn date_failures(
        &self,
        status: &ChannelStatus,
        nominal: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let source = names::not_passing(&self.distribution.name, &self.settings.channel);
        let known: NotPassingSince = read_or_default(self.services.store.latest_seen(&source).await?)?;
        let since = not_passing_since(&known, status, nominal);
        self.services.store.record_seen(&source, &serde_json::to_vec(&since)?, now).await.map(drop)
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
            let view = self.services.github()?.view(repository, &[VERSIONS], &[]).await?;
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

    /// What the status is drawn from: what was seen, and what is remembered.
    async fn look_facts(&self, seen: StatusFacts, now: Timestamp) -> anyhow::Result<LookFacts> {
        let store = &self.services.store;
        let policy = &self.distribution.policy;
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let confirmation = store.guard_confirmation(distribution, channel).await?;
        Ok(LookFacts {
            looked_at: now,
            evidence: policy.evidence,
            guard: GuardPolicy { mass_change: policy.mass_change, confirm_after: policy.confirm_after },
            seen,
            guard_memory: read_or_default(store.latest_seen(&names::guard(distribution, channel)).await?)?,
            confirmation: confirmation.map(|(at, changes)| Confirmation { at, changes }),
            before: read_or_default(store.latest_seen(&self.status_source()).await?)?,
        })
    }

    /// Stores the status and what the guard remembers. Returns the status as it was stored, and whether it is news.
    async fn keep(&self, drawn: &Drawn, now: Timestamp) -> anyhow::Result<(Vec<u8>, bool)> {
        let store = &self.services.store;
        if let Some(memory) = &drawn.guard_memory {
            let source = names::guard(&self.distribution.name, &self.settings.channel);
            store.record_seen(&source, &serde_json::to_vec(memory)?, now).await?;
        }
        let bytes = serde_json::to_vec(&drawn.status)?;
        let recorded = store.record_seen(&self.status_source(), &bytes, now).await?;
        Ok((bytes, recorded.changed))
    }
}

/// True where another look at the same answers would come to the same status: nothing is held until
/// it is confirmed, and nothing was published so lately that time alone will change it.
fn is_settled(facts: &StatusFacts, status: &ChannelStatus) -> bool {
    status.held.is_empty() && facts.packages.values().all(|package| !package.just_published)
}

/// The packages that the channel pins, with their commits; nothing where nobody could see its list.
fn pins_of(listed: &Fact<ListedPackages>) -> Option<BTreeMap<PackageName, String>> {
    let rows = listed.known()?.iter();
    Some(rows.filter_map(|(package, pin)| Some((package.clone(), pin.clone()?))).collect())
}

fn read_or_default<T: serde::de::DeserializeOwned + Default>(
    fact: Option<crate::store::SeenFact>,
) -> anyhow::Result<T> {
    Ok(fact.map(|fact| serde_json::from_slice(&fact.bytes)).transpose()?.unwrap_or_default())
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
