//! The settings of the reports on a channel of R packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text_duration::TextDuration;

/// Keeps a dashboard of a channel up to date, in one issue, and tells maintainers in their own repositories when the
/// condition of a package changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The channel that is reported on; snapshots are taken of it.
    #[schemars(extend("format" = "name"))]
    pub channel: String,
    /// How long a package has to stand in the same way before its maintainer is told. Default: `24h`.
    #[serde(default = "default_settle")]
    #[schemars(extend("format" = "duration"))]
    pub settle: TextDuration,
    /// How long before a snapshot the maintainer of a package that would leave it is told. Default: `14d`.
    #[serde(default = "default_warn")]
    #[schemars(extend("format" = "duration"))]
    pub warn: TextDuration,
}

fn default_settle() -> TextDuration {
    TextDuration::from_secs(24 * 60 * 60)
}

fn default_warn() -> TextDuration {
    TextDuration::from_secs(14 * 24 * 60 * 60)
}
