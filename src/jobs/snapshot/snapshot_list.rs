//! `snapshots.json` above the published snapshots: the records of all of them, as upstream keeps it.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;

use super::shelf::Rows;
use crate::ecosystem::cran::files::{ListedSnapshot, SnapshotRecord, read_snapshot, write_snapshots};
use crate::store::SnapshotState;

/// The list of all snapshots.
pub(super) const FILE: &str = "snapshots.json";
/// The record of one, in its own folder.
const RECORD: &str = "snapshot.json";

/// The list as the rows have it. One that people went back from is newer than what `latest` shows.
pub(super) fn text(root: &Path, rows: &Rows) -> anyhow::Result<String> {
    let mut listed = Vec::new();
    for row in &rows.snapshots {
        let is_withdrawn = row.state == SnapshotState::Withdrawn;
        let went_back = rows.choice.as_ref().filter(|_| !is_withdrawn && rows.latest < Some(row.date));
        if let Some(record) = record(&root.join(row.date.to_string()).join(RECORD))? {
            listed.push(ListedSnapshot {
                record,
                withdrawn: is_withdrawn.then(|| row.reason.clone().unwrap_or_default()),
                rolled_back: went_back.map(|choice| choice.reason.clone()),
            });
        }
    }
    Ok(write_snapshots(&listed))
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
