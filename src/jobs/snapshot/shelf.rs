//! The published folder of one distribution, brought to what the rows say: what was withdrawn is taken out of its
//! snapshots, `latest` shows the right one, and the pages above them tell of all.
//!
//! The rows come first, and each step finds out by itself whether it was done before: whoever is interrupted anywhere
//! calls [`Shelf::settle`] again.
//!
//! | the power fails | what the next call finds, and does |
//! |---|---|
//! | before a generation is shown | readers see the old one; it is made again from that |
//! | before its row says so | readers see the new one; its manifest is read, and the row gets its digest |
//! | before files are gone everywhere | the row is not settled: older generations and kept files are removed again |
//! | while somebody keeps files | the same: kept files go once nobody does, so that none goes which a job builds on |
//! | before `latest` or a page follows | they differ from what the rows say, and are made again |

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::civil::Date;

use super::assemble::{Seal, dress};
use super::manifest::{self, Manifest};
use super::pages::{FEED, Overview, PAGE, feed, overview};
use super::provenance::{Made, MadeFrom};
use super::snapshot_list;
use super::withdrawn::{Standing, standing, without};
use crate::config::Distribution;
use crate::decide::latest::{Candidate, latest};
use crate::decide::retention;
use crate::digest::sha256_hex;
use crate::domain::{LatestChoice, WithdrawnBytes};
use crate::ecosystem::cran::index;
use crate::ecosystem::cran::layout::{ArchiveKind, IndexFile};
use crate::failure::Failure;
use crate::jobs::Services;
use crate::publish::directory::Directory;
use crate::publish::signing::Signer;
use crate::store::{Snapshot, SnapshotState, SnapshotWithdrawal};
use crate::whole_file::{clear_leftovers, write_changed};

/// The link that shows the newest snapshot, or the one that people went back to.
pub(crate) const LATEST: &str = "latest";

/// How a file above the snapshots begins while it is written.
const WRITING: &str = ".writing-";

/// How long it is waited for whoever keeps files just now, before kept files are left to a later call.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far [`Shelf::settle`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Everything is as the rows say.
    Wholly,
    /// What is published is. Files that are to go are still kept in the store, since somebody keeps files there.
    ButForKeptFiles,
}

/// The published folder of a distribution.
pub(crate) struct Shelf {
    services: Arc<Services>,
    distribution: Arc<Distribution>,
}

/// What the rows say of a distribution's snapshots.
pub(crate) struct Rows {
    /// The snapshots that were published, the oldest first; those that were withdrawn among them.
    pub snapshots: Vec<Snapshot>,
    /// What was withdrawn from them, in order.
    pub withdrawals: Vec<SnapshotWithdrawal>,
    /// What `latest` is to show.
    pub latest: Option<Date>,
    pub choice: Option<LatestChoice>,
}

impl Rows {
    /// What `latest` would show once these snapshots were withdrawn as a whole.
    pub(crate) fn latest_without(&self, dates: &[Date]) -> Option<Date> {
        let is_withdrawn =
            |row: &Snapshot| row.state == SnapshotState::Withdrawn || dates.contains(&row.date);
        let candidates: Vec<Candidate> = self
            .snapshots
            .iter()
            .map(|row| Candidate { date: row.date, is_withdrawn: is_withdrawn(row) })
            .collect();
        latest(&candidates, self.choice.as_ref())
    }
}

impl Shelf {
    pub(crate) fn new(services: Arc<Services>, distribution: Arc<Distribution>) -> Self {
        Self { services, distribution }
    }

    /// Where the distribution's snapshots lie.
    pub(crate) fn directory(&self) -> Directory {
        Directory::new(self.services.publish.join(&self.distribution.name))
    }

    /// What the rows say now.
    pub(crate) async fn rows(&self) -> anyhow::Result<Rows> {
        let (store, name) = (&self.services.store, &self.distribution.name);
        let mut snapshots = store.snapshots(name).await?;
        snapshots.retain(|row| matches!(row.state, SnapshotState::Published | SnapshotState::Withdrawn));
        let (withdrawals, choice) =
            (store.snapshot_withdrawals(name).await?, store.latest_choice(name).await?);
        let rows = Rows { snapshots, withdrawals, latest: None, choice };
        Ok(Rows { latest: rows.latest_without(&[]), ..rows })
    }

    /// Brings the folder to what the rows say.
    pub(crate) async fn settle(&self) -> anyhow::Result<Settled> {
        let rows = self.rows().await?;
        if rows.snapshots.is_empty() {
            return Ok(Settled::Wholly);
        }
        for row in rows.withdrawals.iter().filter(|row| row.manifest_digest.is_none()) {
            let (row, title) = (row.clone(), self.distribution.title.clone());
            let id = row.id;
            let signer = self.services.signer.clone();
            let rewriting = move |directory: &Directory| rewrite(directory, &row, &title, signer);
            let (digest, packages) = self.blocking(rewriting).await?;
            self.services.store.snapshot_was_rewritten(id, (&digest, packages)).await?;
        }
        let open: Vec<SnapshotWithdrawal> =
            rows.withdrawals.iter().filter(|row| row.settled_at.is_none()).cloned().collect();
        let title = self.distribution.title.clone();
        let gone = |row: &SnapshotWithdrawal| (row.bytes == WithdrawnBytes::Drop).then_some(row.date);
        let gone: BTreeSet<Date> = open.iter().filter_map(gone).collect();
        let forgotten = gone.clone();
        self.blocking(move |directory| {
            let shown = Shown::of(directory, &rows)?;
            for date in &forgotten {
                directory.forget_older(&date.to_string())?;
            }
            shown.point_latest(directory)?;
            if !forgotten.is_empty() && directory.generation(LATEST).is_ok_and(|found| found.is_some()) {
                directory.forget_older(LATEST)?;
            }
            let root = directory.root();
            clear_leftovers(root, WRITING).with_context(|| format!("cannot clear {}", root.display()))?;
            for (name, bytes) in shown.above(root, &rows, &title)? {
                let path = root.join(name);
                write_changed(&path, &bytes, WRITING)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            Ok(())
        })
        .await?;
        let settled = if gone.is_empty() { Settled::Wholly } else { self.forget_kept(gone).await? };
        let is_done =
            |row: &&SnapshotWithdrawal| settled == Settled::Wholly || row.bytes == WithdrawnBytes::Keep;
        let ids: Vec<_> = open.iter().filter(is_done).map(|row| row.id).collect();
        if !ids.is_empty() {
            self.services.store.settle_snapshot_withdrawals(&ids, self.services.clock.now()).await?;
        }
        Ok(settled)
    }

    /// Removes what is kept of files that are gone from these snapshots, but for what another snapshot lists, or another
    /// distribution holds.
    async fn forget_kept(&self, dates: BTreeSet<Date>) -> anyhow::Result<Settled> {
        let content = self.services.content();
        let alone = tokio::task::spawn_blocking(move || content.alone_within(PATIENCE)).await??;
        let Some(alone) = alone else { return Ok(Settled::ButForKeptFiles) };
        // Asked only now: what was published while it was waited may list the same bytes.
        let (rows, content) = (self.rows().await?, self.services.content());
        let held = self.services.store.held_files().await?;
        let others = retention::held_by_others(held, &self.distribution.name);
        self.blocking(move |directory| {
            for sha256 in Shown::of(directory, &rows)?.unlisted(&dates) {
                if !others.contains(&sha256) {
                    content.forget(&alone, &sha256)?;
                }
            }
            Ok(Settled::Wholly)
        })
        .await
    }

    /// What stands above the snapshots of these dates, for a place that has them, with the one that `latest` shows
    /// there: each file by its name.
    pub(crate) async fn catalogue(
        &self,
        dates: &BTreeSet<Date>,
        latest: Option<Date>,
    ) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut rows = self.rows().await?;
        rows.snapshots.retain(|row| dates.contains(&row.date));
        let (title, dates) = (self.distribution.title.clone(), dates.clone());
        self.blocking(move |directory| {
            let shown = Shown { latest, ..Shown::of(directory, &rows)? };
            // A list without a snapshot that is there would say that it never was.
            let missing = dates.iter().find(|date| !shown.manifests.iter().any(|one| one.date == **date));
            if let Some(date) = missing {
                bail!("the folder of the snapshot {date} is gone; restore it from a copy");
            }
            let files = shown.above(directory.root(), &rows, &title)?;
            Ok(files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect())
        })
        .await
    }

    /// Runs `work` where waiting for the disk is allowed, while nobody else publishes there.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let directory = self.directory();
        let locked = move || {
            let lock = directory.lock()?;
            let done = work(&directory);
            drop(lock);
            done
        };
        // A disk that is full now has room another time.
        tokio::task::spawn_blocking(locked).await?.map_err(Failure::of_disk)
    }
}

/// The manifest of the generation of a snapshot that readers see, with its folder.
pub(crate) fn manifest_of(directory: &Directory, date: Date) -> anyhow::Result<(Manifest, Vec<u8>, PathBuf)> {
    let (_, folder) =
        directory.generation(&date.to_string())?.with_context(|| format!("the folder of {date} is gone"))?;
    let file = folder.join(manifest::FILE);
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is no manifest", file.display()))?;
    Ok((manifest, bytes, folder))
}

/// The manifest of the newest snapshot before `date` that lies in the folder: the one whose users read what changed.
pub(crate) fn manifest_before(directory: &Directory, date: Date) -> anyhow::Result<Option<Manifest>> {
    let entries = match fs::read_dir(directory.root()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.with_context(|| format!("cannot list {}", directory.root().display()))?,
    };
    let mut dates = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name();
        dates.extend(name.to_str().and_then(|name| name.parse::<Date>().ok()).filter(|other| *other < date));
    }
    dates.last().map(|before| manifest_of(directory, *before).map(|(manifest, _, _)| manifest)).transpose()
}

/// Shows the generation of a snapshot that is without what `row` withdraws. Gives back the SHA-256 of its manifest, and
/// how many packages it has.
fn rewrite(
    directory: &Directory,
    row: &SnapshotWithdrawal,
    title: &str,
    signer: Signer,
) -> anyhow::Result<(String, i64)> {
    let name = row.date.to_string();
    let (manifest, bytes, folder) = manifest_of(directory, row.date)?;
    if manifest.generation >= row.generation {
        // A state that was restored from a backup may not know what lies there.
        anyhow::ensure!(
            standing(&manifest, row.package.as_deref(), row.bytes) == Standing::Withdrawn,
            "the snapshot {name} is at generation {}, which is with what shall be withdrawn; the state is older than \
             the folder: restore a newer backup of it",
            manifest.generation
        );
        return Ok((sha256_hex(&bytes), manifest.packages.len().try_into()?));
    }
    let after = without(&manifest, row);
    let packages = after.manifest.packages.len().try_into()?;
    let prepared = directory.prepare(&name)?;
    for file in &after.stays {
        prepared.take(&folder.join(&file.path), &file.path)?;
    }
    for below in &after.reindexed {
        let path = folder.join(below).join(IndexFile::Plain.name());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = index::without(&text, row.package.as_deref().unwrap_or_default())
            .with_context(|| format!("cannot understand {}", path.display()))?;
        let into = prepared.path().join(below);
        fs::create_dir_all(&into).with_context(|| format!("cannot make {}", into.display()))?;
        index::write_text(&text, &into).with_context(|| format!("cannot index {}", into.display()))?;
    }
    let before = manifest_before(directory, row.date)?;
    let made = Made {
        job: "snapshot-withdrawal".to_owned(),
        at: row.at,
        from: MadeFrom::Generation { manifest_sha256: sha256_hex(&bytes) },
        builder: signer.builder().to_owned(),
    };
    let seal = Seal { made, signer };
    let digest = dress(prepared.path(), after.manifest, &after.stays, (title, before.as_ref()), &seal)?;
    directory.rewrite(prepared, row.generation)?;
    Ok((digest, packages))
}

/// The snapshots as their folders have them.
struct Shown {
    /// The manifests, the oldest first.
    manifests: Vec<Manifest>,
    latest: Option<Date>,
    /// For each date the paths that nobody finds any more.
    gone: BTreeMap<String, BTreeSet<String>>,
}

impl Shown {
    fn of(directory: &Directory, rows: &Rows) -> anyhow::Result<Self> {
        let mut manifests = Vec::new();
        for row in &rows.snapshots {
            let date = row.date;
            match directory.generation(&date.to_string())? {
                Some(_) => manifests.push(manifest_of(directory, date)?.0),
                None => tracing::warn!("the folder of the snapshot {date} is gone; restore it from a copy"),
            }
        }
        let mut gone: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for manifest in &manifests {
            let dropped =
                manifest.withdrawn.iter().filter(|withdrawn| withdrawn.bytes == WithdrawnBytes::Drop);
            let paths = dropped.flat_map(|withdrawn| withdrawn.archives.iter().map(|file| file.path.clone()));
            gone.entry(manifest.date.to_string()).or_default().extend(paths);
        }
        Ok(Self { manifests, latest: rows.latest, gone })
    }

    fn point_latest(&self, directory: &Directory) -> anyhow::Result<()> {
        let Some(date) = self.latest else { return Ok(()) };
        let carries = |of: &str, path: &str| {
            is_archive(path) && !self.gone.get(of).is_some_and(|gone| gone.contains(path))
        };
        directory.point(LATEST, &date.to_string(), &carries)?;
        Ok(())
    }

    /// The digests of files that are gone from these snapshots, and that none lists.
    fn unlisted(&self, dates: &BTreeSet<Date>) -> BTreeSet<String> {
        let files = self.manifests.iter().flat_map(|manifest| &manifest.files);
        let listed: BTreeSet<&str> = files.map(|file| file.sha256.as_str()).collect();
        let from = self.manifests.iter().filter(|manifest| dates.contains(&manifest.date));
        let dropped = from.flat_map(|manifest| &manifest.withdrawn);
        let dropped = dropped.filter(|withdrawn| withdrawn.bytes == WithdrawnBytes::Drop);
        let gone = dropped.flat_map(|withdrawn| &withdrawn.archives).map(|file| &file.sha256);
        gone.filter(|sha256| !listed.contains(sha256.as_str())).cloned().collect()
    }

    /// The files above the snapshots, in the order in which they are written.
    fn above(&self, root: &Path, rows: &Rows, title: &str) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
        let shown = Overview { title, manifests: &self.manifests, latest: self.latest };
        let mut files = vec![(PAGE, overview(&shown)?.into_bytes())];
        files.extend(feed(&shown)?.map(|bytes| (FEED, bytes)));
        files.push((snapshot_list::FILE, snapshot_list::text(root, rows)?.into_bytes()));
        Ok(files)
    }
}

/// True for a package by its path: a name, an underscore and a version, with the end of an archive.
fn is_archive(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let kinds = [ArchiveKind::Source, ArchiveKind::MacBinary, ArchiveKind::WindowsBinary];
    name.contains('_') && kinds.iter().any(|kind| name.ends_with(kind.suffix()))
}
