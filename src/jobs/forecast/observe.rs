//! What a forecast looks at: the sources that `check-status` stores of both channels, and two of its own, the newest
//! CRAN index and the lists of both channels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::calendar::Targets;
use crate::config::{Distribution, Forecast as Settings};
use crate::daemon::RunError;
use crate::decide::forecast::{ForecastFacts, Scenario};
use crate::domain::{
    Advisories, ChannelStatus, Fact, Issue, Ledger, LedgerRow, ListedPackages, Listing, OwnCheck,
    PackageName, StagingModel, StatusFacts,
};
use crate::ecosystem::cran::cran_index::read_index;
use crate::failure::Failure;
use crate::jobs::check_status::SeenUniverse;
use crate::jobs::sources::{fact_at, names};
use crate::jobs::universes::{cran_client_on, universe_of};
use crate::jobs::{Services, channel_files};
use crate::store::Store;

/// For how long the newest CRAN index and the lists count: a forecast may be made once a day.
const OWN_AGE: Duration = Duration::from_secs(48 * 60 * 60);

/// The newest CRAN index that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestCran {
    /// The day whose CRAN it is.
    pub date: Date,
    /// The version of each package.
    pub versions: BTreeMap<PackageName, String>,
}

/// What the next cycle targets, whose dependency freeze lies after the day of `at`.
pub fn coming(distribution: &Distribution, at: Timestamp) -> anyhow::Result<Targets> {
    let today = at.to_zoned(distribution.calendar.timezone().clone()).date();
    let point = distribution.calendar.point_on(today);
    let targets = distribution.targets(&point)?;
    if targets.dependency_freeze > today {
        return Ok(targets);
    }
    Ok(distribution.targets(&distribution.calendar.point_on(point.next_cycle))?)
}

/// What was known at `at`, from the store alone.
pub async fn facts(
    store: &Store,
    distribution: &Distribution,
    settings: &Settings,
    at: Timestamp,
) -> anyhow::Result<ForecastFacts> {
    let past = Past { store, distribution, at };
    let coming = coming(distribution, at)?;
    let targets = distribution.targets(&distribution.point(at))?;
    let frozen = names::cran(&distribution.name, &settings.to, targets.dependency_freeze);
    let frozen: Fact<BTreeMap<PackageName, String>> = past.fact(&frozen).await?;
    let newest = names::newest_cran(&distribution.name, &settings.to);
    let newest: Fact<NewestCran> = fact_at(store, &newest, at, OWN_AGE).await?;
    let today = at.to_zoned(distribution.calendar.timezone().clone()).date();
    let (day, newest) = match newest {
        Fact::Known(newest) => (newest.date, Fact::Known(newest.versions)),
        Fact::Unknown { why } => (today, Fact::Unknown { why }),
    };
    let now = Aim { channel: &settings.to, r: targets.r, cran: (targets.dependency_freeze, frozen) };
    let then = Aim { channel: &settings.from, r: coming.r, cran: (day, newest) };
    Ok(ForecastFacts {
        distribution: distribution.name.clone(),
        from: settings.from.clone(),
        to: settings.to.clone(),
        freeze: coming.dependency_freeze,
        snapshot: coming.snapshot,
        now: past.scenario(now, past.staged(&settings.to).await?).await?,
        // A freeze begins with nothing that is staged for its snapshot.
        then: past.scenario(then, BTreeSet::new()).await?,
    })
}

/// The store as it was at a time.
struct Past<'a> {
    store: &'a Store,
    distribution: &'a Distribution,
    at: Timestamp,
}

/// A channel's packages under a version of R and a CRAN.
struct Aim<'a> {
    channel: &'a str,
    r: String,
    cran: (Date, Fact<BTreeMap<PackageName, String>>),
}

impl Past<'_> {
    async fn fact<T: serde::de::DeserializeOwned>(&self, source: &str) -> anyhow::Result<Fact<T>> {
        fact_at(self.store, source, self.at, self.distribution.policy.max_age.get()).await
    }

    /// Under `follow`, issues of packages that are staged already do not reach their dependents.
    async fn staged(&self, channel: &str) -> anyhow::Result<BTreeSet<PackageName>> {
        if self.distribution.policy.staging == StagingModel::Pinned {
            return Ok(BTreeSet::new());
        }
        let held = self.store.channel_at(&self.distribution.name, channel, self.at).await?;
        Ok(held.into_keys().collect())
    }

    async fn scenario(&self, aim: Aim<'_>, staged: BTreeSet<PackageName>) -> anyhow::Result<Scenario> {
        let Aim { channel, r, cran: (day, cran) } = aim;
        let name = &self.distribution.name;
        let listed: Fact<Vec<Listing>> =
            fact_at(self.store, &names::listing(name, channel), self.at, OWN_AGE).await?;
        let row = |listing: &Listing| (listing.package.clone(), listing.pin().map(str::to_owned));
        let pins: ListedPackages = listed.known().into_iter().flatten().map(row).collect();
        let listed = match listed {
            Fact::Known(list) => Fact::Known(list.into_iter().map(|listing| listing.package).collect()),
            Fact::Unknown { why } => Fact::Unknown { why },
        };
        let universe: Fact<SeenUniverse> = self.fact(&names::universe(name, channel)).await?;
        let universe = match universe {
            Fact::Known(universe) => universe,
            Fact::Unknown { why } => {
                return Ok(Scenario { r, cran: day, listed, status: Fact::Unknown { why } });
            }
        };
        let own_checks: Fact<BTreeMap<PackageName, OwnCheck>> =
            self.fact(&names::own_checks(name, channel)).await?;
        let status: Fact<ChannelStatus> = self.fact(&names::status(name, channel)).await?;
        let (advisories, ledger) = status.known().map(remembered).unwrap_or_default();
        let status = StatusFacts {
            packages: universe.into_iter().map(|(package, seen)| (package, seen.facts)).collect(),
            cran,
            builds: Fact::Known(BTreeMap::new()),
            advisories: Fact::Known(advisories),
            // A list that nobody could read is said to be missing by itself.
            listed: Fact::Known(pins),
            ledger,
            staged,
            own_checks: own_checks.known().cloned().unwrap_or_default(),
            r_series: r.clone(),
            older_r_series: self.distribution.older_series(&r)?,
            frozen_date: day.to_string(),
            dependency_rule: self.distribution.policy.dependencies,
            // Words on what is there now say nothing of what a freeze would take up.
            overrides: BTreeMap::new(),
        };
        Ok(Scenario { r, cran: day, listed, status: Fact::Known(status) })
    }
}

/// What a stored status says of advisories and of version histories, neither of which a freeze changes.
fn remembered(status: &ChannelStatus) -> (Advisories, Ledger) {
    let (mut advisories, mut ledger) = (Advisories::new(), Ledger::new());
    for (package, assessment) in &status.packages {
        for issue in &assessment.issues {
            match issue {
                Issue::Advisories(addresses) => {
                    let version = assessment.version.clone().unwrap_or_default();
                    advisories.entry(package.clone()).or_default().insert(version, addresses.clone());
                }
                Issue::Versions { version_current, hash_current, version_highest, hash_highest } => {
                    let row = LedgerRow {
                        version_current: version_current.clone(),
                        hash_current: hash_current.clone(),
                        version_highest: version_highest.clone(),
                        hash_highest: hash_highest.clone(),
                    };
                    ledger.insert(package.clone(), row);
                }
                _ => {}
            }
        }
    }
    (advisories, ledger)
}

/// Asks for what no other job stores, and stores it. A source that cannot be read keeps what it said before.
pub(super) async fn look(
    services: &Services,
    distribution: &Distribution,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), RunError> {
    let store = &services.store;
    let source = names::newest_cran(&distribution.name, &settings.to);
    match newest_cran(services, distribution, settings, now).await? {
        Ok(newest) => {
            let bytes = serde_json::to_vec(&newest).context("an index can be written")?;
            store.record_seen(&source, &bytes, now).await?;
        }
        Err(failure) => store.record_failed(&source, &failure.to_string(), now).await?,
    }
    for channel in [&settings.from, &settings.to] {
        let source = names::listing(&distribution.name, channel);
        match channel_files::listings(services, distribution, channel).await {
            Ok(listings) => {
                let bytes = serde_json::to_vec(&listings).context("a list can be written")?;
                store.record_seen(&source, &bytes, now).await?;
            }
            Err(error @ RunError::Configuration(_)) => return Err(error),
            Err(error) => store.record_failed(&source, &error.to_string(), now).await?,
        }
    }
    Ok(())
}

/// CRAN as it is today; or, where that is not there yet, as it was yesterday.
async fn newest_cran(
    services: &Services,
    distribution: &Distribution,
    settings: &Settings,
    now: Timestamp,
) -> Result<Result<NewestCran, Failure>, RunError> {
    let universe = universe_of(distribution, &settings.to)?;
    let today = now.to_zoned(distribution.calendar.timezone().clone()).date();
    let mut failed = Failure::transient("the index is empty");
    for date in [today, today.saturating_sub(1.day())] {
        let index = cran_client_on(services, distribution, universe, date)?.index().await;
        match index.and_then(|bytes| read_index("the CRAN index", &bytes)) {
            Ok(versions) if versions.is_empty() => {}
            Ok(versions) => {
                let text = versions.into_iter().map(|(package, version)| (package, version.to_string()));
                return Ok(Ok(NewestCran { date, versions: text.collect() }));
            }
            Err(failure @ Failure::Permanent { .. }) => failed = failure,
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Err(failed))
}
