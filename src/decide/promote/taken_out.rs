//! Packages that a person took out of a channel. tidegate takes out only what the source lists no more; so a row
//! that goes while the source lists its package was taken out by somebody, and that is theirs until the
//! cycle ends or somebody puts it back.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::{Listing, PackageName};

/// What a channel listed when it was looked at last: the memory between two looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOut {
    /// The cycle of that look, by its first day.
    pub cycle: Date,
    /// The packages that the channel listed.
    pub packages: BTreeSet<PackageName>,
    /// Those that a person took out in this cycle.
    pub removed: BTreeSet<PackageName>,
}

impl TakenOut {
    /// The memory after a look at both lists in the cycle that began on `cycle`.
    pub fn after(before: Option<&Self>, cycle: Date, head: &[Listing], source: &[Listing]) -> Self {
        let names = |listings: &[Listing]| -> BTreeSet<PackageName> {
            listings.iter().map(|listing| listing.package.clone()).collect()
        };
        let (packages, source) = (names(head), names(source));
        let before = before.filter(|before| before.cycle == cycle);
        let mut removed: BTreeSet<PackageName> = BTreeSet::new();
        if let Some(before) = before {
            removed.extend(before.removed.iter().cloned());
            removed.extend(before.packages.intersection(&source).cloned());
        }
        removed.retain(|package| !packages.contains(package));
        Self { cycle, packages, removed }
    }
}
