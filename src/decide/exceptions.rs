//! How an exception stands: it dies with the next version, and with its last day.

use jiff::civil::Date;
use serde::Serialize;

use super::ledger;
use crate::calendar::Promote;

/// Whether an exception still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExceptionState {
    /// It lets its version pass.
    InForce,
    /// A newer version is there, and it was for that one version only.
    Void,
    /// Its last day is over.
    Expired,
}

/// Whether a version that came into a channel in such a phase needed leave: where everything may move, none does.
pub fn was_needed(came_in: Promote) -> bool {
    came_in != Promote::All
}

/// The state on `today` of an exception for `version` that counts until `until`; `known` are the versions of
/// its package that are known to be there.
pub fn state<'a>(
    version: &str,
    until: Date,
    today: Date,
    mut known: impl Iterator<Item = &'a str>,
) -> ExceptionState {
    if known.any(|other| ledger::rises(Some(version), Some(other))) {
        ExceptionState::Void
    } else if until < today {
        ExceptionState::Expired
    } else {
        ExceptionState::InForce
    }
}
