//! How the registry's `packages.json` changes over time: the commits that the world makes in the
//! first universe's repository.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::World;
use crate::domain::{Listing, PackageName, sort_as_upstream};

/// One commit of the world to the registry's repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingCommit {
    /// When.
    pub at: Timestamp,
    /// All rows after it.
    pub listings: Vec<Listing>,
    /// The text of `packages.json` after it.
    pub packages_json: String,
}

impl World {
    /// The channel whose `packages.json` the registry feeds: the first universe.
    pub fn registry_channel(&self) -> &str {
        self.universes.first().map_or("", |universe| &universe.channel)
    }

    /// The text of a channel's `packages.json` at the start.
    pub fn initial_packages_json(&self, channel: &str) -> Option<String> {
        self.initial.get(channel).map(|initial| packages_json(&initial.packages))
    }

    /// Every change of the registry, in order, each with the whole file that it leaves behind.
    pub fn listing_commits(&self) -> Vec<ListingCommit> {
        let initial = self.initial.get(self.registry_channel());
        let mut rows: BTreeMap<PackageName, Listing> = initial
            .into_iter()
            .flat_map(|initial| &initial.packages)
            .map(|listing| (listing.package.clone(), listing.clone()))
            .collect();
        self.registry
            .iter()
            .map(|change| {
                rows.retain(|package, _| !change.remove.contains(package));
                rows.extend(change.set.iter().map(|(package, listing)| (package.clone(), listing.clone())));
                let mut listings: Vec<Listing> = rows.values().cloned().collect();
                sort_as_upstream(&mut listings);
                ListingCommit { at: change.at, packages_json: packages_json(&listings), listings }
            })
            .collect()
    }
}

/// The text that R's jsonlite writes with `pretty = TRUE`, which for such rows is also serde's.
fn packages_json(listings: &[Listing]) -> String {
    let text = serde_json::to_string_pretty(listings).expect("rows of texts can be written as JSON");
    format!("{text}\n")
}
