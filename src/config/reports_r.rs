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
        ReportsR { repository: self.repository, labels: self.labels, maintainers }
    }
}
