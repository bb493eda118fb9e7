//! Whether a package was checked together with its dependencies as they are now.
//!
//! A universe builds and checks a package again when one that it strongly depends on has a new version. Until
//! then its checks speak of what was there before. So a check is fresh where it began after each direct strong
//! dependency inside the universe was updated; a pass that is not fresh is pending until the rebuild.
//!
//! An update is a new version or commit, not one more build of the same: those come every month, and nobody is
//! built again for them. One look cannot tell the two apart, so what a first look at a channel finds is no
//! update. Where a universe does not say when it packed what it checked, nothing is said against the check.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{PackageFacts, PackageName, StatusFacts, UpdatedDependency};

/// What a universe had of each package when it was looked at last.
pub type KnownUpdates = BTreeMap<PackageName, KnownUpdate>;

/// What a universe had of a package, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownUpdate {
    version: Option<String>,
    commit: Option<String>,
    /// Absent where it was there at the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// What is known after one more look. `published` says when a package's build came out; one that does not say
/// so was updated when it was `looked_at`.
pub fn updates(
    known: &KnownUpdates,
    packages: &BTreeMap<PackageName, PackageFacts>,
    published: impl Fn(&PackageFacts) -> Option<Timestamp>,
    looked_at: Timestamp,
) -> KnownUpdates {
    // A package that is away for a while keeps what is known of it.
    let mut updated = known.clone();
    for (name, package) in packages {
        let before = known.get(name);
        let same =
            |before: &KnownUpdate| before.version == package.version && before.commit == package.commit;
        if before.is_some_and(same) {
            continue;
        }
        let at = (!known.is_empty()).then(|| published(package).unwrap_or(looked_at));
        let (version, commit) = (package.version.clone(), package.commit.clone());
        updated.insert(name.clone(), KnownUpdate { version, commit, at });
    }
    updated
}

/// Since when a package is as it is, where somebody saw it come.
pub fn updated_at(known: &KnownUpdates, package: &str) -> Option<Timestamp> {
    known.get(package)?.at
}

/// The packages of a universe that were updated, and when.
pub(super) struct Updated<'a>(HashMap<&'a str, Timestamp, RandomState>);

impl<'a> Updated<'a> {
    pub(super) fn of(facts: &'a StatusFacts) -> Self {
        let updated =
            |(name, package): (&'a PackageName, &PackageFacts)| Some((name.as_str(), package.updated?));
        Self(facts.packages.iter().filter_map(updated).collect())
    }

    /// The direct dependencies of a package that were updated after its checks began, by name.
    pub(super) fn after_checks_of(&self, name: &str, package: &PackageFacts) -> Vec<UpdatedDependency> {
        let Some(packed) = package.packed else { return Vec::new() };
        let others = package.dependencies.iter().filter(|dependency| *dependency != name);
        let outdated = others.filter_map(|dependency| {
            let at = self.0.get(dependency.as_str()).copied().filter(|at| *at > packed)?;
            Some(UpdatedDependency { package: dependency.clone(), at })
        });
        let mut outdated: Vec<UpdatedDependency> = outdated.collect();
        outdated.sort_by(|one, other| one.package.cmp(&other.package));
        // A DESCRIPTION may name one twice.
        outdated.dedup();
        outdated
    }
}
