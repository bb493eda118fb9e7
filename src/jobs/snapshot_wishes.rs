//! What people do to published snapshots: withdraw a package or a whole snapshot, and let `latest` show another one.
//! The daemon does it for whoever asks on its socket, a command by itself where no daemon runs.
//!
//! First comes the row, with the event that tells of it; then the folder, by [`Shelf::settle`], which finds out by itself
//! what is left to do. Whoever asks for the same again finishes what was interrupted, and changes nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::json;

use super::Services;
use super::snapshot::withdrawn::{Standing, archives_of, standing};
use super::snapshot::{Manifest, Settled, Shelf, manifest_of};
use crate::config::{Configuration, Distribution};
use crate::daemon::SnapshotSteering;
use crate::domain::{
    LatestChange, LatestChoice, LatestWish, PackageName, RewrittenSnapshot, SnapshotChange, SnapshotWish,
    SnapshotWishKind, WithdrawFrom, WithdrawnBytes,
};
use crate::ecosystem::cran::dcf::{self, DcfLimits};
use crate::ecosystem::cran::description::Description;
use crate::ecosystem::cran::layout::{ContribFolder, IndexFile};
use crate::publish::directory::Directory;
use crate::store::{NewEvent, NewSnapshotWithdrawal, Snapshot, SnapshotState};

/// How long it is waited between two tries to remove kept files while jobs keep files.
const BETWEEN: Duration = Duration::from_secs(5);

/// The snapshots of the configuration in force, as people change them.
pub struct SnapshotWishes {
    services: Arc<Services>,
    distributions: RwLock<Distributions>,
}

type Distributions = Arc<BTreeMap<String, Arc<Distribution>>>;

impl SnapshotWishes {
    /// Wishes about the snapshots of `configuration`.
    pub fn new(services: Arc<Services>, configuration: &Configuration) -> Self {
        Self { services, distributions: RwLock::new(of(configuration)) }
    }

    /// Puts a new configuration in force.
    pub fn reload(&self, configuration: &Configuration) {
        *self.distributions.write().unwrap_or_else(PoisonError::into_inner) = of(configuration);
    }

    /// What a wish would come to. Nothing is changed.
    pub async fn preview(&self, wish: &SnapshotWish) -> anyhow::Result<SnapshotChange> {
        self.plan(&self.shelf(&wish.distribution)?, &wish.change).await
    }

    /// Carries out a wish. One that comes to nothing more than before is no error, and says so.
    pub async fn carry_out(&self, wish: &SnapshotWish) -> anyhow::Result<SnapshotChange> {
        ensure!(!wish.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
        let shelf = self.shelf(&wish.distribution)?;
        // What was interrupted counts as done for whatever is asked now.
        shelf.settle().await?;
        let change = self.plan(&shelf, &wish.change).await?;
        self.write_down(&shelf, wish, &change).await?;
        let kept_files_wait = shelf.settle().await? == Settled::ButForKeptFiles;
        if kept_files_wait {
            tokio::spawn(settle_later(shelf, wish.distribution.clone()));
        }
        Ok(SnapshotChange { kept_files_wait, ..change })
    }

    /// Brings every published folder to what the rows say: what is left to do after a crash.
    pub async fn finish(&self) {
        let distributions = Arc::clone(&self.distributions.read().unwrap_or_else(PoisonError::into_inner));
        for distribution in distributions.values() {
            let shelf = Shelf::new(self.services.clone(), distribution.clone());
            // Whoever runs this has other things to do as well; the next wish or snapshot tries again.
            match shelf.settle().await {
                Ok(Settled::Wholly) => {}
                Ok(Settled::ButForKeptFiles) => {
                    tokio::spawn(settle_later(shelf, distribution.name.clone()));
                }
                Err(error) => {
                    let name = &distribution.name;
                    tracing::error!("the published folder of {name} is not what it should be: {error:#}");
                }
            }
        }
    }

    fn shelf(&self, distribution: &str) -> anyhow::Result<Shelf> {
        let distributions = self.distributions.read().unwrap_or_else(PoisonError::into_inner);
        let found = distributions.get(distribution).cloned();
        let distribution = found.with_context(|| format!("there is no R distribution `{distribution}`"))?;
        Ok(Shelf::new(self.services.clone(), distribution))
    }

    async fn plan(&self, shelf: &Shelf, change: &SnapshotWishKind) -> anyhow::Result<SnapshotChange> {
        let rows = shelf.rows().await?;
        ensure!(!rows.snapshots.is_empty(), "no snapshot is published yet");
        match change {
            SnapshotWishKind::Latest(wish) => {
                let to = shown_by(*wish, &rows.snapshots, rows.latest)?;
                let change = LatestChange { from: rows.latest, to };
                let latest = (rows.latest != Some(to)).then_some(change);
                Ok(SnapshotChange { latest, ..SnapshotChange::default() })
            }
            SnapshotWishKind::Withdraw { from, package, bytes } => {
                let dates: Vec<Date> = match from {
                    WithdrawFrom::Snapshot(date) => vec![published(&rows.snapshots, *date)?.date],
                    WithdrawFrom::Everywhere => rows.snapshots.iter().map(|row| row.date).collect(),
                };
                let (directory, package, bytes) = (shelf.directory(), package.clone(), *bytes);
                let from = *from;
                let is_whole = package.is_none();
                let look = move || withdrawal(&directory, &dates, (package.as_deref(), bytes), from);
                let mut change = tokio::task::spawn_blocking(look).await??;
                if is_whole {
                    let dates: Vec<Date> = change.rewritten.iter().map(|one| one.date).collect();
                    let to = rows.latest_without(&dates).filter(|to| rows.latest != Some(*to));
                    change.latest = to.map(|to| LatestChange { from: rows.latest, to });
                }
                Ok(change)
            }
        }
    }

    /// Stores what is wanted, with the event that tells of it.
    async fn write_down(
        &self,
        shelf: &Shelf,
        wish: &SnapshotWish,
        change: &SnapshotChange,
    ) -> anyhow::Result<()> {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let SnapshotWish { distribution, by, reason, .. } = wish;
        if let (SnapshotWishKind::Latest(_), Some(LatestChange { from, to })) = (&wish.change, change.latest)
        {
            let newest = shelf.rows().await?.snapshots.last().map_or(to, |row| row.date);
            let choice = LatestChoice { date: to, newest, at: now, by: by.clone(), reason: reason.clone() };
            let event = NewEvent {
                at: now,
                kind: "latest".to_owned(),
                job: "rollback".to_owned(),
                package: None,
                body: json!({
                    "distribution": distribution, "from": from, "to": to, "by": by, "reason": reason,
                }),
                dedup_key: format!("latest/{distribution}/{to}/{now}"),
            };
            store.choose_latest(distribution, &choice, &event).await?;
        }
        let SnapshotWishKind::Withdraw { package, bytes, .. } = &wish.change else { return Ok(()) };
        let Some(first) = change.rewritten.first() else { return Ok(()) };
        let dates: Vec<Date> = change.rewritten.iter().map(|one| one.date).collect();
        let new =
            |date: &Date| NewSnapshotWithdrawal { date: *date, package: package.clone(), bytes: *bytes };
        let rows: Vec<NewSnapshotWithdrawal> = dates.iter().map(new).collect();
        let event = NewEvent {
            at: now,
            kind: "snapshot-withdrawn".to_owned(),
            job: "withdraw".to_owned(),
            package: package.clone(),
            body: json!({
                "distribution": distribution, "dates": dates, "bytes": bytes, "by": by, "reason": reason,
            }),
            dedup_key: format!(
                "snapshot-withdrawn/{distribution}/{}/{}/{}",
                first.date,
                first.generation,
                bytes.as_str()
            ),
        };
        store.withdraw_from_snapshots(distribution, &rows, (by, reason), &event).await
    }
}

/// Goes on until files that are to go are no longer kept, or the process ends: then the next start goes on.
async fn settle_later(shelf: Shelf, distribution: String) {
    loop {
        tokio::time::sleep(BETWEEN).await;
        match shelf.settle().await {
            Ok(Settled::Wholly) => return tracing::info!("what was withdrawn of {distribution} is gone"),
            Ok(Settled::ButForKeptFiles) => {}
            Err(error) => tracing::warn!("what was withdrawn of {distribution} is still kept: {error:#}"),
        }
    }
}

impl SnapshotSteering for SnapshotWishes {
    fn carry_out<'a>(&'a self, wish: &'a SnapshotWish) -> BoxFuture<'a, anyhow::Result<SnapshotChange>> {
        Box::pin(self.carry_out(wish))
    }
}

fn of(configuration: &Configuration) -> Distributions {
    let distributions = configuration.distributions.iter();
    Arc::new(
        distributions.map(|(name, distribution)| (name.clone(), Arc::new(distribution.clone()))).collect(),
    )
}

/// The row of a snapshot that was published.
fn published(snapshots: &[Snapshot], date: Date) -> anyhow::Result<&Snapshot> {
    if let Some(row) = snapshots.iter().find(|row| row.date == date) {
        return Ok(row);
    }
    let known: Vec<String> = snapshots.iter().map(|row| row.date.to_string()).collect();
    bail!("no snapshot {date} is published; there are {}", known.join(", "))
}

/// The snapshot that `latest` shows once a wish is granted.
fn shown_by(wish: LatestWish, snapshots: &[Snapshot], shown: Option<Date>) -> anyhow::Result<Date> {
    let in_use = snapshots.iter().filter(|row| row.state == SnapshotState::Published).map(|row| row.date);
    match wish {
        LatestWish::On(date) => {
            let row = published(snapshots, date)?;
            ensure!(
                row.state == SnapshotState::Published,
                "the snapshot {date} was withdrawn; `latest` never shows one that was"
            );
            Ok(date)
        }
        LatestWish::Newest => in_use.max().context("every snapshot was withdrawn"),
        LatestWish::Before => {
            let shown = shown.context("`latest` shows nothing yet")?;
            in_use.filter(|date| *date < shown).max().with_context(|| {
                format!("`latest` shows {shown}, and no earlier snapshot is published; it stays as it is")
            })
        }
    }
}

/// What a withdrawal from these snapshots comes to.
fn withdrawal(
    directory: &Directory,
    dates: &[Date],
    (package, bytes): (Option<&str>, WithdrawnBytes),
    from: WithdrawFrom,
) -> anyhow::Result<SnapshotChange> {
    let mut change = SnapshotChange::default();
    for date in dates {
        let (manifest, _, folder) = manifest_of(directory, *date)?;
        match standing(&manifest, package, bytes) {
            Standing::Withdrawn => change.already.push(*date),
            Standing::Held => {
                let index = folder.join(ContribFolder::source().index(IndexFile::Plain).as_str());
                let dependents = match package {
                    Some(package) => dependents_of(package, &fs::read(&index).unwrap_or_default()),
                    None => Vec::new(),
                };
                change.rewritten.push(rewritten(&manifest, package, bytes, dependents));
            }
            Standing::Unknown if from == WithdrawFrom::Everywhere => {}
            Standing::Unknown => {
                let package = package.unwrap_or_default();
                bail!("the snapshot {date} does not hold {package}, and never did");
            }
        }
    }
    let nothing = change.rewritten.is_empty() && change.already.is_empty();
    ensure!(!nothing, "no snapshot holds {}", package.unwrap_or_default());
    Ok(change)
}

fn rewritten(
    manifest: &Manifest,
    package: Option<&str>,
    bytes: WithdrawnBytes,
    dependents: Vec<PackageName>,
) -> RewrittenSnapshot {
    let member = package.and_then(|package| manifest.find(package));
    let is_kept_whole = package.is_none() && bytes == WithdrawnBytes::Keep;
    let archives = if is_kept_whole { Vec::new() } else { archives_of(manifest, package) };
    RewrittenSnapshot {
        date: manifest.date,
        generation: manifest.generation + 1,
        version: member.map(|member| member.version.clone()),
        bytes,
        files: archives.into_iter().map(|file| file.path).collect(),
        dependents,
    }
}

/// The packages of an index that need `package`. Nothing that cannot be read stands in the way of a withdrawal.
fn dependents_of(package: &str, index: &[u8]) -> Vec<PackageName> {
    let rows = dcf::read(index, DcfLimits::INDEX).unwrap_or_default();
    let mut dependents = Vec::new();
    for description in rows.into_iter().map(Description::of) {
        if description.strong_dependencies().iter().any(|needed| needed.as_str() == package) {
            dependents.extend(description.package.clone());
        }
    }
    dependents
}
