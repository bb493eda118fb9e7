//! The words of a release train as types: packages, revisions, versions, evidence, verdicts, plans.
//! Pure: no I/O, no clock, no randomness.

mod evidence;
mod listing;
mod r_version;

pub use evidence::{Check, Evidence, Issue};
pub use listing::{Listing, PackageName, is_commit};
pub use r_version::RVersion;
