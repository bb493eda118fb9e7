//! The page of one snapshot: how to install from it, what is in it, what changed, and what was left out and why.

use std::collections::BTreeSet;

use askama::Template;
use jiff::civil::Date;

use super::{link, named, repositories, repositories_with_failing, repositories_with_linux, sentence};
use crate::decide::words::{counted, listed};
use crate::domain::WithdrawnBytes;
use crate::jobs::snapshot::difference::{Difference, difference};
use crate::jobs::snapshot::manifest::Manifest;

/// The folder below which binaries for Linux lie.
const LINUX: &str = "bin/linux/";

#[derive(Template)]
#[template(path = "snapshot.html")]
struct Page<'m> {
    title: &'m str,
    manifest: &'m Manifest,
    /// Why the whole snapshot was withdrawn, where it was.
    withdrawn: Option<String>,
    /// The repositories to install from, in R.
    repositories: String,
    /// The same with names, for a session.
    named: String,
    /// What has binaries for Linux.
    linux: Vec<Linux<'m>>,
    /// What is published apart though it fails.
    apart: Option<Apart<'m>>,
    cran: Option<&'m str>,
    packages: Vec<Row<'m>>,
    left_out: Vec<LeftOut<'m>>,
    taken_back: Vec<TakenBack<'m>>,
    news: Option<News>,
}

/// Binaries for one Linux.
struct Linux<'m> {
    /// Its name and architecture.
    place: &'m str,
    /// The repositories to install from there.
    repositories: String,
}

/// The repository of packages that fail and that others need.
struct Apart<'m> {
    repositories: String,
    packages: Vec<Needed<'m>>,
}

struct Needed<'m> {
    name: &'m str,
    version: &'m str,
    needed_by: String,
    reason: String,
}

struct Row<'m> {
    name: &'m str,
    version: &'m str,
    link: Option<&'m str>,
    commit: &'m str,
    note: String,
}

struct LeftOut<'m> {
    name: &'m str,
    version: &'m str,
    reason: String,
}

struct TakenBack<'m> {
    name: &'m str,
    version: &'m str,
    on: Date,
    reason: String,
    is_gone: bool,
}

/// What changed since the snapshot before.
struct News {
    since: Date,
    summary: String,
    lines: Vec<Line>,
}

struct Line {
    what: &'static str,
    package: String,
    detail: String,
}

/// The page of a snapshot whose distribution has that title, after the snapshot `before`.
pub(crate) fn page(title: &str, manifest: &Manifest, before: Option<&Manifest>) -> anyhow::Result<String> {
    let whole = manifest.withdrawn.iter().find(|withdrawn| withdrawn.package.is_none());
    let packages = manifest.packages.iter().map(|package| Row {
        name: &package.name,
        version: &package.version,
        link: link(&package.url),
        commit: package.commit.get(..10).unwrap_or(&package.commit),
        note: package.caveat.as_deref().map(sentence).unwrap_or_default(),
    });
    let left_out = manifest.left_out.iter().map(|left| LeftOut {
        name: &left.name,
        version: left.version.as_deref().unwrap_or_default(),
        reason: sentence(&left.reason),
    });
    let taken_back = manifest.withdrawn.iter().filter_map(|withdrawn| {
        Some(TakenBack {
            name: withdrawn.package.as_deref()?,
            version: withdrawn.version.as_deref().unwrap_or_default(),
            on: withdrawn.at.to_zoned(jiff::tz::TimeZone::UTC).date(),
            reason: sentence(&withdrawn.reason),
            is_gone: withdrawn.bytes == WithdrawnBytes::Drop,
        })
    });
    let page = Page {
        title,
        manifest,
        withdrawn: whole.map(|whole| sentence(&whole.reason)),
        repositories: repositories(manifest),
        named: named(manifest),
        linux: linux(manifest),
        apart: apart(manifest),
        cran: link(&manifest.cran),
        packages: packages.collect(),
        left_out: left_out.collect(),
        taken_back: taken_back.collect(),
        news: before.map(|before| news(&difference(before, manifest))),
    };
    Ok(page.render()? + "\n")
}

/// The Linux systems for which there are binaries, by the folders of their files.
fn linux(manifest: &Manifest) -> Vec<Linux<'_>> {
    let binaries = manifest.files.iter().filter(|file| file.path.starts_with(LINUX));
    let roots: BTreeSet<&str> =
        binaries.filter_map(|file| Some(file.path.split_once("/src/contrib/")?.0)).collect();
    let lines = roots.into_iter().filter_map(|root| {
        let (place, _) = root.strip_prefix(LINUX)?.split_once('/')?;
        Some(Linux { place, repositories: repositories_with_linux(manifest, root) })
    });
    lines.collect()
}

fn apart(manifest: &Manifest) -> Option<Apart<'_>> {
    let failing = manifest.failing.as_ref().filter(|failing| !failing.packages.is_empty())?;
    let packages = failing.packages.iter().map(|needed| Needed {
        name: &needed.package.name,
        version: &needed.package.version,
        needed_by: listed(&needed.needed_by),
        reason: sentence(&needed.reason),
    });
    let repositories = repositories_with_failing(manifest, &failing.folder);
    Some(Apart { repositories, packages: packages.collect() })
}

fn news(difference: &Difference) -> News {
    let Difference { from, added, removed, changed, unchanged, .. } = difference;
    let summary = format!(
        "{} added, {} removed, {} changed, {unchanged} as before",
        counted(added.len(), "package"),
        removed.len(),
        changed.len()
    );
    let added = added.iter().map(|one| Line {
        what: "added",
        package: one.package.clone(),
        detail: one.version.clone(),
    });
    let removed = removed.iter().map(|one| Line {
        what: "removed",
        package: one.package.clone(),
        detail: sentence(one.reason.as_deref().unwrap_or("it is not listed any more")),
    });
    let changed = changed.iter().map(|one| Line {
        what: "changed",
        package: one.package.clone(),
        detail: match one.from_version == one.to_version {
            true => format!("{}, built from another commit", one.to_version),
            false => format!("{} → {}", one.from_version, one.to_version),
        },
    });
    News { since: *from, summary, lines: added.chain(removed).chain(changed).collect() }
}
