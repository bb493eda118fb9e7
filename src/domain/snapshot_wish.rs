//! What a person may ask of the published snapshots of a distribution, and what that comes to.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PackageName;

/// What becomes of the bytes of a package that is withdrawn from a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithdrawnBytes {
    /// No index lists them any more; who knows the path of a file still finds it.
    #[default]
    Keep,
    /// They are gone: no path leads to them, and older generations of the snapshot are removed.
    Drop,
}

impl WithdrawnBytes {
    /// The word as it is written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
        }
    }
}

/// A wish about the snapshots of one distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotWish {
    /// The distribution.
    pub distribution: String,
    /// What is asked for.
    pub change: SnapshotWishKind,
    /// Who asks.
    pub by: String,
    /// Why; kept, shown, and published with a withdrawal.
    pub reason: String,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SnapshotWishKind {
    /// No index lists a package any more, or a whole snapshot is no longer recommended.
    Withdraw {
        /// The snapshots that are meant.
        from: WithdrawFrom,
        /// The package; none: the whole snapshot.
        package: Option<PackageName>,
        /// What becomes of the files.
        bytes: WithdrawnBytes,
    },
    /// `latest` shows another snapshot.
    Latest(LatestWish),
}

/// The snapshots that something is withdrawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithdrawFrom {
    /// The one of this date.
    Snapshot(Date),
    /// All that hold the package.
    Everywhere,
}

/// Which snapshot `latest` is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatestWish {
    /// The one before the one it shows now.
    Before,
    /// The one of this date.
    On(Date),
    /// The newest.
    Newest,
}

/// That a person let `latest` show a snapshot. It holds until a newer snapshot is published, or the next choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestChoice {
    /// The snapshot that is shown.
    pub date: Date,
    /// The newest one that was published when this was chosen.
    pub newest: Date,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a wish comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChange {
    /// The snapshots that get a new generation, by date.
    pub rewritten: Vec<RewrittenSnapshot>,
    /// The snapshots for which that was done before.
    pub already: Vec<Date>,
    /// What `latest` shows from then on, where that changes.
    pub latest: Option<LatestChange>,
    /// Whether files that are gone from snapshots are still kept in the store of files, since jobs keep files there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_files_wait: bool,
}

/// A snapshot that something is withdrawn from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewrittenSnapshot {
    /// Its date.
    pub date: Date,
    /// The number of the generation that readers see from then on.
    pub generation: u64,
    /// The version of the package that goes; none for a whole snapshot.
    pub version: Option<String>,
    /// What becomes of the files.
    pub bytes: WithdrawnBytes,
    /// The files that no index lists any more, by path.
    pub files: Vec<String>,
    /// The packages of the snapshot that need the one that goes, by name.
    pub dependents: Vec<PackageName>,
}

/// That `latest` shows another snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestChange {
    /// What it showed; none where there was no link yet.
    pub from: Option<Date>,
    /// What it shows from then on.
    pub to: Date,
}
