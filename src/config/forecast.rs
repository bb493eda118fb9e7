//! The settings of a forecast of the next dependency freeze.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text_duration::TextDuration;

/// Keeps one issue up to date that says what the next dependency freeze would change if it began today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// The channel whose packages the freeze takes up.
    #[schemars(extend("format" = "name"))]
    pub from: String,
    /// The channel that is frozen.
    #[schemars(extend("format" = "name"))]
    pub to: String,
    /// How long before the freeze the issue is opened. Default: `30d`.
    #[serde(default = "default_lead")]
    #[schemars(extend("format" = "positive-duration"))]
    pub lead: TextDuration,
}

fn default_lead() -> TextDuration {
    TextDuration::from_secs(30 * 24 * 60 * 60)
}
