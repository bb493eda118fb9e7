//! `[reports]` of a distribution of R packages: who is told by GitHub issues, as written and as resolved.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is told of what by GitHub issues, as written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReportsFile")]
pub(super) struct ReportsRFile {
    /// The repository with the distribution's own issues, its dashboard and its forecasts: `owner/name`.
    #[schemars(extend("format" = "repository"))]
    repository: String,
    /// Labels of new issues; GitHub leaves them out where the token may not push. Default: none.
    #[serde(default)]
    #[schemars(length(max = 20))]
    labels: Vec<String>,
    /// Whether maintainers are told by an issue in the repository of their own package. Default: false.
    #[serde(default)]
    maintainers: bool,
    /// Packages whose maintainers are not told all the same. Default: none.
    #[serde(default)]
    quiet: Vec<QuietText>,
    /// How many issues one pass may open in the repositories of packages; the rest waits for the next. Default: 10.
    #[serde(default = "default_per_pass")]
    #[schemars(range(min = 1, max = 1000))]
    max_per_pass: u32,
    /// The same within any hour. Default: 20.
    #[serde(default = "default_per_hour")]
    #[schemars(range(min = 1, max = 1000))]
    max_per_hour: u32,
}

fn default_per_pass() -> u32 {
    10
}

fn default_per_hour() -> u32 {
    20
}

/// The name of a package.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("format" = "word"))]
struct QuietText(String);

/// Who is told of what by GitHub issues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportsR {
    /// The repository with the distribution's own issues: `owner/name`.
    pub repository: String,
    /// Labels of new issues.
    pub labels: Vec<String>,
    /// Whose maintainers are told by an issue in the repository of their own package.
    pub maintainers: Maintainers,
    /// How many issues one pass may open in the repositories of packages.
    pub max_per_pass: u32,
    /// The same within any hour.
    pub max_per_hour: u32,
}

/// Whose maintainers are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Maintainers {
    /// Nobody's.
    Untold,
    /// Everybody's but those of these packages.
    Told {
        /// Packages whose maintainers are not told.
        but: BTreeSet<String>,
    },
}

impl ReportsRFile {
    pub(super) fn resolve(self) -> ReportsR {
        let but = self.quiet.into_iter().map(|package| package.0).collect();
        let maintainers = match self.maintainers {
            true => Maintainers::Told { but },
            false => Maintainers::Untold,
        };
        ReportsR {
            repository: self.repository,
            labels: self.labels,
            maintainers,
            max_per_pass: self.max_per_pass,
            max_per_hour: self.max_per_hour,
        }
    }
}
