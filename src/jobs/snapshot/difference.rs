//! What is different between two snapshots, from their manifests, and why.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::manifest::{Manifest, ManifestLeftOut, ManifestPackage};
use crate::decide::snapshot::{Origin, OutsideDependency};

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
    /// What the later one leaves out for a reason that the earlier one had not, by package; without what is removed.
    pub left_out: Vec<LeftOutNow>,
    /// The checks of packages in both that came out otherwise, by package.
    pub checks: Vec<ChangedCheck>,
    /// What is needed from outside in another version, more or no longer, by name; none where one of the two does
    /// not say what it needs.
    pub outside: Option<Vec<OutsideChange>>,
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
    /// Since when it had not passed then, where that is known.
    pub left_out_since: Option<Timestamp>,
}

/// A package that only the earlier one has.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Removed {
    pub package: String,
    pub version: String,
    /// Why the later one leaves it out; none where it is no candidate any more.
    pub reason: Option<String>,
    pub root_causes: Vec<String>,
    /// Since when it, or what it depends on, does not pass, where that is known.
    pub since: Option<Timestamp>,
    /// Whether the later one publishes it apart, since others need it.
    pub is_apart: bool,
}

/// A package that the later one leaves out for a reason that is new.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOutNow {
    pub package: String,
    pub version: Option<String>,
    pub reason: String,
    pub root_causes: Vec<String>,
    pub since: Option<Timestamp>,
    /// Why the earlier one left it out; none where it was no candidate then.
    pub reason_before: Option<String>,
}

/// A check that came out otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ChangedCheck {
    pub package: String,
    /// Where it ran, such as `linux-release-x86_64`.
    pub config: String,
    pub from: String,
    pub to: String,
}

/// A package from outside that one of the two needs in another version than the other, or not at all.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OutsideChange {
    pub name: String,
    pub from: Option<Origin>,
    pub to: Option<Origin>,
    /// What depends on it directly in the later one, or in the earlier one where nothing does any more.
    pub needed_by: Vec<String>,
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
        left_out_since: left_out(from, &package.name).and_then(|left| left.since),
        left_out_before: left_out(from, &package.name).map(|left| left.reason),
    });
    let removed = before.values().filter(|package| !after.contains_key(&package.name)).map(|package| {
        let left = left_out(to, &package.name);
        Removed {
            package: package.name.clone(),
            version: package.version.clone(),
            root_causes: left.as_ref().map(|left| left.root_causes.clone()).unwrap_or_default(),
            since: left.as_ref().and_then(|left| left.since),
            is_apart: to.find(&package.name).is_some(),
            reason: left.map(|left| left.reason).or_else(|| withdrawn(to, &package.name)),
        }
    });
    let both = before.values().filter_map(|old| Some((old, after.get(&old.name)?)));
    let checks = both.flat_map(|(old, new)| changed_checks(old, new)).collect();
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
        left_out: left_out_now(from, to),
        checks,
        outside: outside(from, to),
        unchanged: same.len(),
    }
}

fn left_out_now(from: &Manifest, to: &Manifest) -> Vec<LeftOutNow> {
    let was_in: BTreeSet<&str> = from.packages.iter().map(|package| package.name.as_str()).collect();
    let before: BTreeMap<&str, &ManifestLeftOut> =
        from.left_out.iter().map(|left| (left.name.as_str(), left)).collect();
    let news = to.left_out.iter().filter(|left| !was_in.contains(left.name.as_str())).filter_map(|left| {
        let reason_before = before.get(left.name.as_str()).map(|before| before.reason.clone());
        (reason_before.as_ref() != Some(&left.reason)).then(|| LeftOutNow {
            package: left.name.clone(),
            version: left.version.clone(),
            reason: left.reason.clone(),
            root_causes: left.root_causes.clone(),
            since: left.since,
            reason_before,
        })
    });
    news.collect()
}

/// The checks in the same place with another outcome. What only one of the two was checked in tells nothing.
fn changed_checks(old: &ManifestPackage, new: &ManifestPackage) -> Vec<ChangedCheck> {
    let before: BTreeMap<&str, &str> =
        old.checks.iter().map(|check| (check.config.as_str(), check.check.as_str())).collect();
    let changed = new.checks.iter().filter_map(|check| {
        let from = before.get(check.config.as_str()).filter(|from| **from != check.check)?;
        Some(ChangedCheck {
            package: new.name.clone(),
            config: check.config.clone(),
            from: (*from).to_owned(),
            to: check.check.clone(),
        })
    });
    changed.collect()
}

fn outside(from: &Manifest, to: &Manifest) -> Option<Vec<OutsideChange>> {
    // Manifests of the first format do not say.
    if from.format == 1 || to.format == 1 {
        return None;
    }
    let by_name = |manifest: &'_ Manifest| -> BTreeMap<String, OutsideDependency> {
        manifest.outside.iter().map(|one| (one.name.clone(), one.clone())).collect()
    };
    let (before, after) = (by_name(from), by_name(to));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        let (from, to) = (old.map(|one| one.origin.clone()), new.map(|one| one.origin.clone()));
        let needed_by = new.or(old).map(|one| one.needed_by.clone()).unwrap_or_default();
        (from != to).then(|| OutsideChange { name: name.clone(), from, to, needed_by })
    });
    Some(changes.collect())
}

/// Why a package that was in a snapshot once is not any more.
fn withdrawn(manifest: &Manifest, package: &str) -> Option<String> {
    let withdrawn = manifest.withdrawn.iter().find(|one| one.package.as_deref() == Some(package))?;
    Some(format!("it was withdrawn: {}", withdrawn.reason))
}
