//! What a snapshot is without something that was withdrawn from it: its next manifest, and which of its files stay.
//! Pure, so that a dry run shows what would happen by the same rule that does it.

use std::collections::BTreeSet;

use super::manifest::{Manifest, ManifestFile, ManifestWithdrawn};
use super::pages::PAGE;
use crate::domain::WithdrawnBytes;
use crate::ecosystem::cran::layout::IndexFile;
use crate::store::SnapshotWithdrawal;

/// A snapshot without what was withdrawn.
pub(crate) struct Without {
    /// Its manifest, but for the list of files.
    pub manifest: Manifest,
    /// The files that are taken over as they are.
    pub stays: Vec<ManifestFile>,
    /// The folders whose index loses rows, and the package that these are about.
    pub reindexed: BTreeSet<String>,
}

/// Whether something can be withdrawn from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is there, or its files still are.
    Held,
    /// It was withdrawn already, and nothing more is asked for.
    Withdrawn,
    /// It never was part of the snapshot.
    Unknown,
}

/// How a package, or the whole where none is named, stands in a snapshot whose files shall have that fate.
pub(crate) fn standing(manifest: &Manifest, package: Option<&str>, bytes: WithdrawnBytes) -> Standing {
    let before = manifest.withdrawn.iter().find(|withdrawn| withdrawn.package.as_deref() == package);
    if let Some(before) = before {
        let is_done = before.bytes == bytes || before.bytes == WithdrawnBytes::Drop;
        return if is_done { Standing::Withdrawn } else { Standing::Held };
    }
    match package {
        Some(package)
            if manifest.find(package).is_none() && archives_of(manifest, Some(package)).is_empty() =>
        {
            Standing::Unknown
        }
        _ => Standing::Held,
    }
}

/// The archives of a package in a manifest, or all of them: files beside an index whose name begins with the
/// package's and an underscore, which no name of a package has.
pub(crate) fn archives_of(manifest: &Manifest, package: Option<&str>) -> Vec<ManifestFile> {
    let folders = index_folders(manifest);
    let is_wanted = |file: &&ManifestFile| {
        let Some((folder, name)) = file.path.rsplit_once('/') else { return false };
        let Some((owner, _)) = name.split_once('_') else { return false };
        folders.contains(folder) && package.is_none_or(|package| package == owner)
    };
    manifest.files.iter().filter(is_wanted).cloned().collect()
}

/// The folders that have an index.
fn index_folders(manifest: &Manifest) -> BTreeSet<&str> {
    let ends = manifest.files.iter().filter_map(|file| file.path.rsplit_once('/'));
    ends.filter(|(_, name)| *name == IndexFile::Plain.name()).map(|(folder, _)| folder).collect()
}

/// The snapshot of `manifest` without what `row` withdraws.
pub(crate) fn without(manifest: &Manifest, row: &SnapshotWithdrawal) -> Without {
    let package = row.package.as_deref();
    let mut after = manifest.clone();
    let before = manifest.withdrawn.iter().find(|withdrawn| withdrawn.package.as_deref() == package);
    after.withdrawn.retain(|withdrawn| withdrawn.package.as_deref() != package);
    let is_kept_whole = package.is_none() && row.bytes == WithdrawnBytes::Keep;
    let archives = if is_kept_whole { Vec::new() } else { archives_of(manifest, package) };
    let member = package.and_then(|package| manifest.find(package));
    after.withdrawn.push(ManifestWithdrawn {
        package: row.package.clone(),
        version: member
            .map(|member| member.version.clone())
            .or_else(|| before.and_then(|before| before.version.clone())),
        at: row.at,
        reason: row.reason.clone(),
        bytes: row.bytes,
        archives: archives.clone(),
    });
    after.generation = row.generation;
    match package {
        Some(package) => {
            after.packages.retain(|member| member.name != package);
            if let Some(failing) = &mut after.failing {
                failing.packages.retain(|needed| needed.package.name != package);
            }
        }
        None if row.bytes == WithdrawnBytes::Drop => {
            after.packages.clear();
            after.failing = None;
            // What was withdrawn before and kept until now goes with the rest.
            after.withdrawn.iter_mut().for_each(|withdrawn| withdrawn.bytes = WithdrawnBytes::Drop);
        }
        None => {}
    }
    let gone: BTreeSet<&str> = match row.bytes {
        WithdrawnBytes::Drop => archives.iter().map(|file| file.path.as_str()).collect(),
        WithdrawnBytes::Keep => BTreeSet::new(),
    };
    let folders = index_folders(manifest);
    let reindexed: BTreeSet<String> = match package {
        Some(_) => archives
            .iter()
            .filter_map(|file| file.path.rsplit_once('/'))
            .map(|(folder, _)| folder.to_owned())
            .collect(),
        None => BTreeSet::new(),
    };
    let is_made_anew = |path: &str| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let all_gone = package.is_none() && row.bytes == WithdrawnBytes::Drop && folders.contains(folder);
        let in_index = reindexed.contains(folder) && is_index(path);
        path == PAGE || all_gone || in_index
    };
    let stays =
        manifest.files.iter().filter(|file| !gone.contains(file.path.as_str()) && !is_made_anew(&file.path));
    let stays = stays.cloned().collect();
    Without { manifest: after, stays, reindexed }
}

fn is_index(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    [IndexFile::Plain, IndexFile::Gzip, IndexFile::Rds].iter().any(|file| file.name() == name)
}
