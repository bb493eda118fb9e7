//! Since when packages have not been passing, whatever else was said of them meanwhile.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{ChannelStatus, Evidence, PackageName};

/// The packages of a channel that do not pass, and since when each was seen so without a break.
pub type NotPassingSince = BTreeMap<PackageName, Timestamp>;

/// What is known after one more status. A build under way changes nothing of what was known before it.
pub fn not_passing_since(known: &NotPassingSince, status: &ChannelStatus, at: Timestamp) -> NotPassingSince {
    let not_passing =
        status.packages.iter().filter(|(_, assessment)| assessment.settled_evidence() != Evidence::Passing);
    not_passing.map(|(name, _)| (name.clone(), known.get(name).copied().unwrap_or(at))).collect()
}
