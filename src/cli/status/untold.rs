//! What is to be told by issues that are not open yet: they wait for room, for GitHub, or for a repository that takes
//! none.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::shown::plain;
use crate::config::Configuration;
use crate::store::{ReportStanding, Store};

/// An issue that is still to be opened.
#[derive(Serialize)]
pub(super) struct Untold {
    distribution: String,
    repository: String,
    title: String,
    /// Since when it is to be told.
    since: Timestamp,
    /// Why GitHub did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// All of them, in the order in which they will be opened.
pub(super) async fn untold(store: &Store, configuration: &Configuration) -> anyhow::Result<Vec<Untold>> {
    let mut untold = Vec::new();
    for distribution in configuration.distributions.keys() {
        let mut reports = store.reports(distribution).await?;
        reports.retain(|report| report.standing == ReportStanding::Unopened);
        reports.sort_by_key(|report| report.id);
        untold.extend(reports.into_iter().map(|report| Untold {
            distribution: distribution.clone(),
            repository: report.repository,
            title: report.title,
            since: report.began_at,
            refused: report.refused,
        }));
    }
    Ok(untold)
}

pub(super) fn text(untold: &[Untold]) -> String {
    let mut text = String::new();
    if !untold.is_empty() {
        text += "\nissues that wait to be opened\n";
    }
    for Untold { distribution, repository, title, since, refused } in untold {
        let why = refused.as_ref().map(|why| format!("; refused: {why}")).unwrap_or_default();
        text += &format!(
            "  {distribution}, {}  (since {since})\n",
            plain(&format!("{repository}: {title}{why}"))
        );
    }
    text
}
