//! The universe as a CRAN-like repository: source packages and binaries of the targeted R, and the
//! `PACKAGES` index of each folder.

use std::fmt::Write as _;
use std::io::Write as _;

use axum::body::Bytes;
use flate2::{Compression, GzBuilder};

use super::maker::Platform;
use super::scene::View;
use super::shelf::Artifact;
use crate::rehearse::world::{FREE_LICENSE, UniverseRow};

/// What a path below a universe leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A file's bytes.
    File(Bytes),
    /// A path that such a repository can have, with nothing there now.
    Nothing,
    /// A path that no CRAN-like repository has.
    Unknown,
}

/// Looks a path up, such as `src/contrib/PACKAGES.gz`.
pub(super) fn find(view: &View<'_>, path: &str) -> Found {
    let Some((folder, file)) = path.rsplit_once('/') else { return Found::Unknown };
    let Some(shape) = shape_of(folder) else { return Found::Unknown };
    let here = match shape {
        Artifact::Source => Some(Artifact::Source),
        // The universe keeps binaries of other series too, but nobody who targets this one asks.
        Artifact::Binary(platform, series) => {
            let made = view.scene.shelf.platforms().contains(&platform);
            let there = made && series == view.r.series && platform.folder(&series) == folder;
            there.then(|| Artifact::Binary(platform, view.r.version.clone()))
        }
    };
    match (here, file) {
        (Some(artifact), "PACKAGES") => Found::File(index(view, &artifact).into()),
        (Some(artifact), "PACKAGES.gz") => Found::File(gzip(index(view, &artifact).as_bytes()).into()),
        (Some(artifact), _) => package(view, artifact, file),
        (None, _) => Found::Nothing,
    }
}

/// The kind of package in a folder; for binaries with the series of R as the folder names it.
fn shape_of(folder: &str) -> Option<Artifact> {
    if folder == "src/contrib" {
        return Some(Artifact::Source);
    }
    let linux = folder.strip_suffix("/src/contrib").filter(|parent| parent.starts_with("bin/linux/"));
    let (parent, series) = linux.unwrap_or(folder).rsplit_once('/')?;
    let platform = match parent {
        "bin/windows/contrib" => Platform::Windows,
        "bin/macosx/big-sur-x86_64/contrib" => Platform::MacX86,
        "bin/macosx/big-sur-arm64/contrib" | "bin/macosx/sonoma-arm64/contrib" => Platform::MacArm,
        "bin/linux/noble-x86_64" => Platform::Noble,
        _ => return None,
    };
    let (major, minor) = series.split_once('.')?;
    let numbers = [major, minor].iter().all(|part| part.parse::<u16>().is_ok());
    numbers.then(|| Artifact::Binary(platform, series.to_owned()))
}

/// A package's file. Names of other versions, and those that are no package's at all, lead to nothing.
fn package(view: &View<'_>, artifact: Artifact, file: &str) -> Found {
    let ending = match &artifact {
        Artifact::Source => "tar.gz",
        Artifact::Binary(platform, _) => platform.ending(),
    };
    let Some(stem) = file.strip_suffix(ending).and_then(|stem| stem.strip_suffix('.')) else {
        return Found::Unknown;
    };
    let Some((name, version)) = stem.split_once('_') else { return Found::Unknown };
    let rows = view.published_rows();
    match rows.iter().find(|row| row.package == name && row.version == Some(version)) {
        Some(row) => Found::File(view.file(row, artifact).bytes.clone()),
        None => Found::Nothing,
    }
}

/// The text of a folder's `PACKAGES`.
fn index(view: &View<'_>, artifact: &Artifact) -> String {
    let records: Vec<String> =
        view.published_rows().iter().map(|row| index_record(view, row, artifact)).collect();
    records.join("\n")
}

fn index_record(view: &View<'_>, row: &UniverseRow<'_>, artifact: &Artifact) -> String {
    let file = view.file(row, artifact.clone());
    let mut record = String::new();
    let mut line = |key: &str, value: &str| {
        writeln!(record, "{key}: {value}").expect("a String takes every text");
    };
    line("Package", row.package);
    line("Version", row.version.unwrap_or_default());
    line("License", row.license.unwrap_or(FREE_LICENSE));
    line("NeedsCompilation", "no");
    if let Artifact::Binary(platform, r) = artifact {
        let (architecture, family) = platform.built();
        let time = row.published.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
        line("Built", &format!("R {r}; {architecture}; {}; {family}", time.unwrap_or_default()));
    }
    line("MD5sum", &file.md5);
    line("Filesize", &file.bytes.len().to_string());
    line("SHA256", &file.sha256);
    let imports = view.scene.world().dependencies_of(row.package);
    if !imports.is_empty() {
        line("Imports", &imports.join(", "));
    }
    record
}

/// Compresses without a time in the header: the same text gives the same bytes.
pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    packed.write_all(text).and_then(|()| packed.finish()).expect("a Vec takes every byte")
}
