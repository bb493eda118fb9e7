//! The version history of a universe, and what it says against a package.
//!
//! Source of both rules: R-multiverse's `record_versions` and `issues_versions`, as described in
//! its packages' documentation. Unlike upstream, a row survives the absence of its package.

use crate::domain::{Issue, Ledger, LedgerRow, PackageFacts, PackageName, RVersion};
use std::collections::BTreeMap;

/// The ledger after one more look at a universe: current versions replaced, highest ones raised
/// where the current one is strictly higher.
pub fn update(ledger: &Ledger, packages: &BTreeMap<PackageName, PackageFacts>) -> Ledger {
    let mut updated = ledger.clone();
    for (package, facts) in packages {
        let current = (facts.version.clone(), facts.commit.clone());
        let row = updated.entry(package.clone()).or_insert_with(|| LedgerRow {
            version_current: current.0.clone(),
            hash_current: current.1.clone(),
            version_highest: current.0.clone(),
            hash_highest: current.1.clone(),
        });
        if row.version_highest.is_none() {
            row.version_highest.clone_from(&row.version_current);
            row.hash_highest.clone_from(&row.hash_current);
        }
        (row.version_current, row.hash_current) = current;
        if rises(row.version_highest.as_deref(), row.version_current.as_deref()) {
            row.version_highest.clone_from(&row.version_current);
            row.hash_highest.clone_from(&row.hash_current);
        }
    }
    updated
}

/// True where `to` is a strictly higher version than `from`. What is not a version never rises.
pub fn rises(from: Option<&str>, to: Option<&str>) -> bool {
    let parse = |text: Option<&str>| text.and_then(|text| RVersion::parse(text).ok());
    match (parse(from), parse(to)) {
        (Some(from), Some(to)) => to > from,
        (None, Some(_)) => true,
        _ => false,
    }
}

/// The issue of a row: the current version is not the highest, or it is but from another commit.
/// A row that has seen only one look has no highest version yet, and no issue.
pub fn issue(row: &LedgerRow) -> Option<Issue> {
    row.version_highest.as_ref()?;
    let same_version = row.version_current == row.version_highest;
    let same_commit = row.hash_current == row.hash_highest;
    if same_version && same_commit {
        return None;
    }
    Some(Issue::Versions {
        version_current: row.version_current.clone(),
        hash_current: row.hash_current.clone(),
        version_highest: row.version_highest.clone(),
        hash_highest: row.hash_highest.clone(),
    })
}
