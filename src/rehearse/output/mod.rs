//! What a rehearsal leaves behind beside its state and its published tree: a page for each pull
//! request, a summary for machines, and a report for people.

mod chart;
mod pages;
mod report;
mod summary;

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;

pub use summary::Summary;

use super::github::state::PullRequest;
use crate::config::Configuration;
use crate::store::Store;

/// Writes all of it to `out`; returns the summary. `span` is the world time that was played.
pub async fn write(
    out: &Path,
    store: &Store,
    configuration: &Configuration,
    pull_requests: &[(String, PullRequest)],
    span: (Timestamp, Timestamp),
) -> anyhow::Result<Summary> {
    pages::write(&out.join("pull-requests"), pull_requests)?;
    let summary = summary::collect(out, store, configuration, pull_requests).await?;
    let mut bytes = serde_json::to_vec_pretty(&summary)?;
    bytes.push(b'\n');
    replace(&out.join("summary.json"), &bytes)?;
    let report = report::render(store, configuration, &summary, pull_requests, span).await?;
    replace(&out.join("report.html"), report.as_bytes())?;
    Ok(summary)
}

/// Replaces a file in one step.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    std::fs::write(temporary.path(), bytes).with_context(|| format!("cannot write {}", path.display()))?;
    temporary.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
