//! What becomes of nominal times that could not be kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to occurrences that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// They are all skipped.
    None,
    /// The latest one is made up for, the others are skipped.
    #[default]
    Latest,
    /// All are made up for, the oldest first.
    All,
}

/// What happens when an occurrence is due while the one before still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// One may wait for its turn; further ones are skipped.
    QueueOne,
}
