//! What a person may ask of targets.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A wish that a published snapshot lie at a target too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishWish {
    /// The distribution.
    pub distribution: String,
    /// The snapshot's date.
    pub date: Date,
    /// Which generation of it is published.
    pub generation: u32,
    /// The target's name.
    pub target: String,
    /// Who asks.
    pub by: String,
}
