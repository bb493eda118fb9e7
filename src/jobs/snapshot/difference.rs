//! What is different between two snapshots, from their manifests, and why.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use super::manifest::{Manifest, ManifestPackage};

/// What is different between two snapshots.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub from: Date,
    pub to: Date,
    /// The targeted R of each, where they differ.
    pub r: Option<(String, String)>,
    /// The frozen date of CRAN of each, where they differ.
    pub cran_date: Option<(Date, Date)>,
    pub added: Vec<Added>,
    pub removed: Vec<Removed>,
    pub changed: Vec<Changed>,
    /// How many packages are the same in both.
    pub unchanged: usize,
}

/// A package that only the later one has.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Added {
    pub package: String,
    pub version: String,
    pub commit: String,
    /// Why the earlier one left it out; none where it was no candidate then.
    pub left_out_before: Option<String>,
}

/// A package that only the earlier one has.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Removed {
    pub package: String,
    pub version: String,
    /// Why the later one leaves it out; none where it is no candidate any more.
    pub reason: Option<String>,
    pub root_causes: Vec<String>,
}

/// A package that both have at different commits.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Changed {
    pub package: String,
    pub from_version: String,
    pub to_version: String,
    pub from_commit: String,
    pub to_commit: String,
}

/// What is different in `to` from `from`.
pub(crate) fn difference(from: &Manifest, to: &Manifest) -> Difference {
    let by_name = |manifest: &'_ Manifest| -> BTreeMap<String, ManifestPackage> {
        manifest.packages.iter().map(|package| (package.name.clone(), package.clone())).collect()
    };
    let (before, after) = (by_name(from), by_name(to));
    let left_out = |manifest: &Manifest, package: &str| {
        manifest.left_out.iter().find(|left| left.name == package).cloned()
    };
    let added = after.values().filter(|package| !before.contains_key(&package.name)).map(|package| Added {
        package: package.name.clone(),
        version: package.version.clone(),
        commit: package.commit.clone(),
        left_out_before: left_out(from, &package.name).map(|left| left.reason),
    });
    let removed = before.values().filter(|package| !after.contains_key(&package.name)).map(|package| {
        let left = left_out(to, &package.name);
        Removed {
            package: package.name.clone(),
            version: package.version.clone(),
            root_causes: left.as_ref().map(|left| left.root_causes.clone()).unwrap_or_default(),
            reason: left.map(|left| left.reason).or_else(|| withdrawn(to, &package.name)),
        }
    });
    let both = before.values().filter_map(|old| Some((old, after.get(&old.name)?)));
    let (same, different): (Vec<_>, Vec<_>) =
        both.partition(|(old, new)| (&old.version, &old.commit) == (&new.version, &new.commit));
    let changed = different.into_iter().map(|(old, new)| Changed {
        package: old.name.clone(),
        from_version: old.version.clone(),
        to_version: new.version.clone(),
        from_commit: old.commit.clone(),
        to_commit: new.commit.clone(),
    });
    Difference {
        from: from.date,
        to: to.date,
        r: (from.r != to.r).then(|| (from.r.clone(), to.r.clone())),
        cran_date: (from.cran_date != to.cran_date).then_some((from.cran_date, to.cran_date)),
        added: added.collect(),
        removed: removed.collect(),
        changed: changed.collect(),
        unchanged: same.len(),
    }
}

/// Why a package that was in a snapshot once is not any more.
fn withdrawn(manifest: &Manifest, package: &str) -> Option<String> {
    let withdrawn = manifest.withdrawn.iter().find(|one| one.package.as_deref() == Some(package))?;
    Some(format!("it was withdrawn: {}", withdrawn.reason))
}
