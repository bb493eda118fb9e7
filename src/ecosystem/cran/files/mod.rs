//! The files that R-multiverse keeps in its repositories: what they hold, read with care and
//! written with the very bytes that upstream's own tools would write, so that a change of ours
//! shows only what changed.
//!
//! Upstream writes them with R's jsonlite. Inside objects of objects it boxes every scalar as an
//! array of one (`"success": [true]`), inside arrays of records it does not; the readers here take
//! both. Every reader has a limit on size and reports file, line and column of what is wrong.

mod by_name;
mod json;
mod ledger;
mod packages;
mod snapshot;
mod status;
mod status_read;

pub use by_name::ByName;
pub use json::MalformedFile;
pub use ledger::{LedgerFile, LedgerRow};
pub use packages::PackagesFile;
pub use snapshot::{
    ConfigFile, ListedSnapshot, NonstandardLicense, SnapshotRecord, read_nonstandard_licenses, read_snapshot,
    read_snapshots, write_nonstandard_licenses, write_snapshot, write_snapshots,
};
pub use status::{StagingStatus, StatusEntry, StatusFile};
