//! The small files: `config.json`, `snapshot.json` (and `snapshots.json`), `nonstandard_licenses.json`.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::json::{self, MalformedFile};
use crate::calendar::Targets;
use crate::domain::PackageName;

/// `config.json`: tells R-universe which day of CRAN to build against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// The frozen day, as the package manager's snapshots name it.
    pub cran_version: Date,
}

impl ConfigFile {
    /// Reads a file; `file` names it in messages.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, MalformedFile> {
        json::read(file, bytes, "an object with the date `cran_version`")
    }

    /// The file's text as upstream would write it.
    pub fn write(&self) -> String {
        written(self)
    }
}

/// The one record of a `snapshot.json`: the dates of a cycle and where its snapshot is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// First day of the dependency freeze.
    pub dependency_freeze: Date,
    /// First day of the candidate freeze.
    pub candidate_freeze: Date,
    /// The day of the snapshot.
    pub snapshot: Date,
    /// The R series of the cycle, such as `4.6`.
    pub r: String,
    /// The address of the frozen CRAN.
    pub cran: String,
    /// The address of the snapshot.
    pub r_multiverse: String,
}

impl From<&Targets> for SnapshotRecord {
    fn from(targets: &Targets) -> Self {
        Self {
            dependency_freeze: targets.dependency_freeze,
            candidate_freeze: targets.candidate_freeze,
            snapshot: targets.snapshot,
            r: targets.r.clone(),
            cran: targets.cran.clone(),
            r_multiverse: targets.production.clone(),
        }
    }
}

impl From<SnapshotRecord> for Targets {
    fn from(record: SnapshotRecord) -> Self {
        Self {
            dependency_freeze: record.dependency_freeze,
            candidate_freeze: record.candidate_freeze,
            snapshot: record.snapshot,
            r: record.r,
            cran: record.cran,
            production: record.r_multiverse,
        }
    }
}

/// Reads a `snapshot.json`, which holds exactly one record.
pub fn read_snapshot(file: &str, bytes: &[u8]) -> Result<SnapshotRecord, MalformedFile> {
    let one = <[SnapshotRecord; 1]>::try_from(read_snapshots(file, bytes)?);
    one.map(|[record]| record).map_err(|records| MalformedFile {
        file: file.to_owned(),
        line: 0,
        column: 0,
        problem: format!("expected one record of dates, found {}", records.len()),
    })
}

/// Reads a `snapshots.json`: the records of all snapshots.
pub fn read_snapshots(file: &str, bytes: &[u8]) -> Result<Vec<SnapshotRecord>, MalformedFile> {
    json::read(file, bytes, "an array of records with the dates of a cycle")
}

/// The text of a `snapshot.json` as upstream would write it.
pub fn write_snapshot(record: &SnapshotRecord) -> String {
    written(&[record])
}

/// A row of a `snapshots.json`: the record of a snapshot as its own `snapshot.json` has it, and what became of it.
/// Upstream's rows have the first alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSnapshot {
    /// The snapshot.
    #[serde(flatten)]
    pub record: SnapshotRecord,
    /// Why it was withdrawn, where it was: it is no longer to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Why an older one was made the latest again, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<String>,
}

/// The text of a `snapshots.json`, oldest first. Upstream makes it with `jq -cs`: all on one line.
pub fn write_snapshots(snapshots: &[ListedSnapshot]) -> String {
    serde_json::to_string(snapshots).expect("records of strings and dates always serialize") + "\n"
}

/// One row of `nonstandard_licenses.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonstandardLicense {
    /// The package.
    pub package: PackageName,
    /// Its licence as written.
    pub license: String,
}

/// Reads a `nonstandard_licenses.json`.
pub fn read_nonstandard_licenses(file: &str, bytes: &[u8]) -> Result<Vec<NonstandardLicense>, MalformedFile> {
    json::read(file, bytes, "an array of records with `package` and `license`")
}

/// The text of a `nonstandard_licenses.json` as upstream would write it.
pub fn write_nonstandard_licenses(rows: &[NonstandardLicense]) -> String {
    written(rows)
}

fn written<T: Serialize + ?Sized>(value: &T) -> String {
    json::write(&serde_json::to_value(value).expect("records of strings and dates always serialize"))
}
