//! `snapshot`: photographs a channel on its day and publishes it, once and for good.
//!
//! Observes what the store knew of the channel at the nominal time; decides the set by
//! [`crate::decide::snapshot`]; fetches and verifies every file; indexes them as a CRAN-like
//! repository beside its manifest; publishes all of it in one step.
//!
//! Every step can be done again: files are kept by their digest, a prepared folder that was left
//! over is begun anew, and a folder that was published already is compared and adopted.

mod archives;
mod assemble;
mod attached;
mod background;
mod difference;
mod fetch;
mod manifest;
mod pages;
mod place;
mod provenance;
mod shelf;
mod snapshot_list;
mod verify;
mod wanted;
pub(crate) mod withdrawn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;

pub use attached::attach;
pub(crate) use attached::is_attached;
pub(crate) use difference::{
    Added, Changed, ChangedCheck, Difference, LeftOutNow, OutsideChange, Removed, difference,
};
pub use manifest::{
    Manifest, ManifestFailing, ManifestFile, ManifestLeftOut, ManifestNeeded, ManifestPackage,
    ManifestWithdrawn,
};
pub use provenance::{Made, MadeFrom};
pub(crate) use shelf::{LATEST, Settled, Shelf, manifest_of};
pub use verify::{Finding, Problem, Verified, verify};
pub(super) use wanted::folders_of;

use super::check_status::SeenUniverse;
use super::poll_releases::{SeenReleases, absences};
use super::sources::names;
use super::{Pass, Services, channel_files, planned_only, point_and_targets};
use crate::calendar::Targets;
use crate::config::{Distribution, Snapshot as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::exceptions;
use crate::decide::snapshot::{Member, SnapshotFacts, SnapshotPlan, snapshot};
use crate::decide::words::counted;
use crate::domain::{Absence, ChannelStatus, Fact, FreezeException, Listing, PackageName};
use crate::store::{
    NewEvent, NewPublication, RevisionId, SeenFact, Snapshot as SnapshotRow, SnapshotState, VerdictRow,
};

/// The scope under which a snapshot's verdicts are stored.
pub const SCOPE: &str = "snapshot";

/// The job.
pub struct Snapshot {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for Snapshot {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.take(context))
    }
}

/// What the store knew at the nominal time.
struct Observed {
    facts: SnapshotFacts,
    universe: SeenUniverse,
}

impl Snapshot {
    async fn take(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let now = self.services.clock.now();
        let store = &self.services.store;
        let (_, targets) = point_and_targets(&self.distribution, context.nominal)?;
        let date = targets.snapshot;
        let today = context.nominal.to_zoned(self.distribution.calendar.timezone().clone()).date();
        if today < date {
            return Ok(RunOutcome::Skipped {
                reason: format!("the snapshot of this cycle is due on {date}"),
            });
        }
        let known = store.snapshot(&self.distribution.name, date).await?;
        if let Some(row) = known
            && matches!(row.state, SnapshotState::Published | SnapshotState::Withdrawn)
        {
            if self.pass == Pass::Full {
                self.shelf().settle().await?;
                self.want_at_targets(date, &context, now).await?;
            }
            return Ok(RunOutcome::Unchanged { summary: published_before(&row) });
        }
        let seen = self.observe(&targets, context.nominal, now).await?;
        let plan = snapshot(&seen.facts);
        let input = serde_json::to_vec(&seen.facts).map_err(anyhow::Error::from)?;
        let input_digest = store.put_blob(&input, now).await?;
        let plan_digest =
            store.put_blob(&serde_json::to_vec(&plan).map_err(anyhow::Error::from)?, now).await?;
        let made = Made {
            job: context.job.clone(),
            at: context.nominal,
            from: MadeFrom::Decision {
                from: self.settings.from.clone(),
                to: self.settings.to.clone(),
                input_sha256: input_digest.clone(),
                plan_sha256: plan_digest.clone(),
            },
            builder: self.services.signer.builder().to_owned(),
        };
        let done = RunOutcome::Done {
            summary: format!("{}, {} left out", counted(plan.members.len(), "package"), plan.left_out.len()),
            input_digest: Some(input_digest),
            plan_digest: Some(plan_digest),
        };
        if self.pass == Pass::PlanOnly {
            return Ok(planned_only(done));
        }
        self.store_verdicts(&plan, date, &context, now).await?;
        if let Some(reason) = &plan.held {
            self.store_row(date, SnapshotState::Held, Some(reason.clone()), None, now).await?;
            return Ok(RunOutcome::Held { reason: reason.clone() });
        }
        self.store_row(date, SnapshotState::Preparing, None, None, now).await?;
        // Until the rows name what is fetched, nothing of it may be collected.
        let keeping = self.services.keeping().await?;
        let wanted = self.wanted(&plan.members, &seen.universe, &targets).await?;
        let files = self.fetch(wanted).await?;
        let needed: Vec<Member> = plan.needed.iter().map(|needed| needed.package.clone()).collect();
        let needed = match needed.is_empty() {
            true => Vec::new(),
            false => self.fetch(self.wanted(&needed, &seen.universe, &targets).await?).await?,
        };
        let published = self.publish(&plan, &targets, (&files, &needed), made).await?;
        self.record(&plan, (&files, &needed), &published, date, &context, now).await?;
        // Now rows hold all of it, and what was withdrawn may go, which nobody may keep files for.
        drop(keeping);
        self.shelf().settle().await?;
        Ok(done)
    }

    fn shelf(&self) -> Shelf {
        Shelf::new(self.services.clone(), self.distribution.clone())
    }

    async fn observe(
        &self,
        targets: &Targets,
        nominal: Timestamp,
        now: Timestamp,
    ) -> Result<Observed, RunError> {
        let store = &self.services.store;
        let (distribution, channel) = (&self.distribution.name, &self.settings.from);
        let at_nominal = self.stored(&names::status(distribution, channel), nominal, now).await?;
        let status: Fact<ChannelStatus> = read(at_nominal, &format!("the status of {channel}"))?;
        let at_nominal = self.stored(&names::universe(distribution, channel), nominal, now).await?;
        let universe: Fact<SeenUniverse> = read(at_nominal, &format!("the universe of {channel}"))?;
        let universe = match universe {
            Fact::Known(universe) => universe,
            Fact::Unknown { why } => return Err(RunError::Transient(anyhow::anyhow!(why), None)),
        };
        let previous = store.snapshots(distribution).await?.into_iter();
        let previous =
            previous.filter(|row| row.state == SnapshotState::Published).max_by_key(|row| row.date);
        let previous = match previous.and_then(|row| Some((row.date, row.suite?))) {
            Some((date, suite)) => Some(self.still_in(date, suite).await?),
            None => None,
        };
        let dependencies: BTreeMap<PackageName, Vec<PackageName>> =
            universe.iter().map(|(name, seen)| (name.clone(), seen.facts.dependencies.clone())).collect();
        let facts = SnapshotFacts {
            distribution: distribution.clone(),
            from: channel.clone(),
            date: targets.snapshot,
            targets: targets.clone(),
            staging: self.distribution.policy.staging,
            listings: self.listings_at(nominal).await?,
            status,
            dependencies,
            previous,
            shrink: self.distribution.policy.shrink,
            // A person's wish counts at once, also where it is younger than the nominal time.
            removals: store.removals_in_force(distribution).await?,
            absent: self.absent(nominal, now).await?,
            dependency_rule: self.distribution.policy.dependencies,
            released: store.snapshot_release(distribution, targets.snapshot).await?,
            exceptions: self.exceptions(nominal).await?,
            background: self.background(&universe, targets, nominal, now).await?,
        };
        Ok(Observed { facts, universe })
    }

    /// The packages of a published snapshot that were not withdrawn from it: nobody wonders where those are.
    async fn still_in(&self, date: Date, suite: RevisionId) -> anyhow::Result<BTreeSet<PackageName>> {
        let store = &self.services.store;
        let members = store.suite_members(suite).await?;
        let mut packages: BTreeSet<PackageName> = members.into_iter().map(|member| member.name).collect();
        for withdrawn in store.snapshot_withdrawals(&self.distribution.name).await? {
            if let Some(package) = withdrawn.package.filter(|_| withdrawn.date == date) {
                packages.remove(&package);
            }
        }
        Ok(packages)
    }

    /// The packages whose repository was not to be seen at the nominal time. What nobody knows is not gone.
    async fn absent(
        &self,
        nominal: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<BTreeMap<PackageName, Absence>> {
        let source = names::releases(&self.distribution.name);
        let Some(fact) = self.stored(&source, nominal, now).await? else { return Ok(BTreeMap::new()) };
        let seen: SeenReleases = serde_json::from_slice(&fact.bytes)?;
        Ok(absences(seen, self.distribution.policy.upstream.deleted))
    }

    /// What a source said at the nominal time; or, where nothing had been seen by then, what it says
    /// now.
    async fn stored(
        &self,
        source: &str,
        nominal: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<Option<SeenFact>> {
        let max_age = self.distribution.policy.max_age.get();
        let at_nominal = self.services.store.seen_at(source, nominal).await?;
        let fresh = at_nominal.filter(|fact| nominal.duration_since(fact.last_at).unsigned_abs() <= max_age);
        if fresh.is_some() {
            return Ok(fresh);
        }
        let latest = self.services.store.latest_seen(source).await?;
        Ok(latest.filter(|fact| now.duration_since(fact.last_at).unsigned_abs() <= max_age))
    }

    /// The channel's list as it was at the nominal time: the pins that the store knew then.
    async fn listings_at(&self, nominal: Timestamp) -> Result<Vec<Listing>, RunError> {
        let mut listings =
            channel_files::listings(&self.services, &self.distribution, &self.settings.from).await?;
        let pins =
            self.services.store.channel_at(&self.distribution.name, &self.settings.from, nominal).await?;
        for listing in &mut listings {
            if let Some((entry, _)) = pins.get(&listing.package) {
                listing.branch = Some(entry.commit_sha.clone());
            }
        }
        Ok(listings)
    }

    /// Leave of any time for what the channel held at the nominal time, where that came in while a freeze lasted.
    async fn exceptions(&self, nominal: Timestamp) -> anyhow::Result<Vec<FreezeException>> {
        let (store, calendar) = (&self.services.store, &self.distribution.calendar);
        let held = store.channel_at(&self.distribution.name, &self.settings.from, nominal).await?;
        let let_in = |leave: &FreezeException| {
            held.get(&leave.package).is_some_and(|(entry, since)| {
                entry.version.as_ref() == Some(&leave.version)
                    && exceptions::was_needed(calendar.point(*since).phase.promote)
            })
        };
        let all = self.distribution.exceptions.iter().map(FreezeException::from);
        Ok(all.filter(let_in).collect())
    }

    async fn store_verdicts(
        &self,
        plan: &SnapshotPlan,
        date: Date,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let mut rows = BTreeMap::new();
        for member in &plan.members {
            let body = serde_json::json!({ "date": date, "member": member });
            rows.insert(member.package.clone(), VerdictRow { kind: "included".to_owned(), body });
        }
        for left_out in &plan.left_out {
            let body = serde_json::json!({ "date": date, "left_out": left_out });
            rows.insert(left_out.package.clone(), VerdictRow { kind: "left-out".to_owned(), body });
        }
        let distribution = &self.distribution.name;
        self.services.store.replace_verdicts(distribution, SCOPE, &rows, now, context.run_id).await.map(drop)
    }

    async fn store_row(
        &self,
        date: Date,
        state: SnapshotState,
        reason: Option<String>,
        published: Option<&assemble::Published>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        self.services
            .store
            .save_snapshot(&SnapshotRow {
                distribution: self.distribution.name.clone(),
                date,
                state,
                reason,
                suite: published.and_then(|published| published.suite),
                manifest_digest: published.map(|published| published.manifest_sha256.clone()),
                packages: published.map_or(0, |published| published.packages),
                published_at: published.map(|_| now),
                generation: 1,
            })
            .await
    }

    /// Writes down at which targets the snapshot is to lie. A crash before this is mended by the occurrence, which
    /// is tried again.
    async fn want_at_targets(&self, date: Date, context: &RunContext, now: Timestamp) -> anyhow::Result<()> {
        let row = self.services.store.snapshot(&self.distribution.name, date).await?;
        let generation = row.map_or(1, |row| row.generation).try_into()?;
        for target in &self.settings.targets {
            let distribution = &self.distribution.name;
            let new = NewPublication { distribution, date, generation, target, by: &context.job };
            self.services.store.want_publication(&new, now).await?;
        }
        Ok(())
    }

    async fn announce(
        &self,
        plan: &SnapshotPlan,
        date: Date,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let event = NewEvent {
            at: now,
            kind: "snapshot".to_owned(),
            job: context.job.clone(),
            package: None,
            body: serde_json::json!({
                "date": date, "packages": plan.members.len(), "left_out": plan.left_out.len(),
            }),
            dedup_key: format!("snapshot/{}/{date}", self.distribution.name),
        };
        self.services.store.add_event(&event).await.map(drop)
    }
}

/// Why nothing is published under a date a second time.
fn published_before(row: &SnapshotRow) -> String {
    let date = row.date;
    match (row.state, &row.reason) {
        (SnapshotState::Withdrawn, Some(reason)) => {
            format!("the snapshot of {date} was published and withdrawn ({reason}); a date is published once")
        }
        _ => format!("the snapshot of {date} is published already; a date is published once"),
    }
}

fn read<T: serde::de::DeserializeOwned>(fact: Option<SeenFact>, about: &str) -> anyhow::Result<Fact<T>> {
    match fact {
        Some(fact) => Ok(Fact::Known(serde_json::from_slice(&fact.bytes)?)),
        None => Ok(Fact::unknown(format!("{about} was not read lately"))),
    }
}
