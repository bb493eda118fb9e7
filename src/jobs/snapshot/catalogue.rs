//! `snapshots.json` above the published snapshots: the records of all of them, as upstream keeps it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::Snapshot;
use crate::ecosystem::cran::files::{ListedSnapshot, SnapshotRecord, read_snapshot, write_snapshots};
use crate::store::{Snapshot as SnapshotRow, SnapshotState};

/// The list of all snapshots.
const FILE: &str = "snapshots.json";
/// The record of one, in its own folder.
const RECORD: &str = "snapshot.json";

impl Snapshot {
    /// Brings the list to what the rows say. It can be done again at any time.
    pub(super) async fn list_snapshots(&self) -> anyhow::Result<()> {
        let rows = self.services.store.snapshots(&self.distribution.name).await?;
        let root = self.services.publish.join(&self.distribution.name);
        tokio::task::spawn_blocking(move || list(&root, &rows)).await?
    }
}

fn list(root: &Path, rows: &[SnapshotRow]) -> anyhow::Result<()> {
    let mut listed = Vec::new();
    for row in rows {
        let withdrawn = match row.state {
            SnapshotState::Published => None,
            SnapshotState::Withdrawn => Some(row.reason.clone().unwrap_or_default()),
            SnapshotState::Preparing | SnapshotState::Held => continue,
        };
        if let Some(record) = record(&root.join(row.date.to_string()).join(RECORD))? {
            listed.push(ListedSnapshot { record, withdrawn });
        }
    }
    put(&root.join(FILE), write_snapshots(&listed).as_bytes())
}

/// The record of a snapshot as its folder has it; none where that was taken away.
fn record(path: &Path) -> anyhow::Result<Option<SnapshotRecord>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(read_snapshot(&path.display().to_string(), &bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!("{} is gone, and the snapshot is not listed", path.display());
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Gives the file these bytes in one step: readers see the old list or the new one. One that has them stays.
fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    // Always the same hidden name, so that a crash leaves one such file at most.
    let beside = path.with_file_name(format!(".writing-{FILE}"));
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        fs::File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
