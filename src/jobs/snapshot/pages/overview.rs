//! The page over all snapshots of a distribution, the newest first.

use askama::Template;
use jiff::civil::Date;

use super::{link, repositories, sentence};
use crate::jobs::snapshot::manifest::Manifest;

/// The snapshots of a distribution that people can read about.
pub(crate) struct Overview<'o> {
    /// The distribution's title.
    pub title: &'o str,
    /// The manifests of what is published, the oldest first.
    pub manifests: &'o [Manifest],
    /// The snapshot that `latest` shows.
    pub latest: Option<Date>,
}

#[derive(Template)]
#[template(path = "snapshots.html")]
struct Page<'o> {
    title: &'o str,
    latest: Option<Latest>,
    snapshots: Vec<Row<'o>>,
}

struct Latest {
    date: Date,
    repositories: String,
}

struct Row<'o> {
    date: Date,
    packages: usize,
    left_out: usize,
    r: &'o str,
    cran_date: Date,
    cran: Option<&'o str>,
    is_latest: bool,
    withdrawn: Option<String>,
}

/// The page.
pub(crate) fn overview(overview: &Overview<'_>) -> anyhow::Result<String> {
    let shown = overview.manifests.iter().find(|manifest| Some(manifest.date) == overview.latest);
    let latest = shown.map(|manifest| Latest { date: manifest.date, repositories: repositories(manifest) });
    let snapshots = overview.manifests.iter().rev().map(|manifest| Row {
        date: manifest.date,
        packages: manifest.packages.len(),
        left_out: manifest.left_out.len(),
        r: &manifest.r,
        cran_date: manifest.cran_date,
        cran: link(&manifest.cran),
        is_latest: Some(manifest.date) == overview.latest,
        withdrawn: manifest
            .withdrawn
            .iter()
            .find(|withdrawn| withdrawn.package.is_none())
            .map(|whole| sentence(&whole.reason)),
    });
    let page = Page { title: overview.title, latest, snapshots: snapshots.collect() };
    Ok(page.render()? + "\n")
}
