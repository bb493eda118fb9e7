//! The candidate freeze of the `follow` model, as R-multiverse's `stage_candidates` does it.

use std::collections::BTreeMap;

use crate::domain::{Listing, PackageName, sort_as_upstream};

/// The new `packages.json` of staging: every package that succeeded is pinned to the commit that
/// did; all others keep what they had, so that a staged package stays staged even when it fails
/// later; a missing branch becomes `*release`. Nothing enters or leaves. Sorted as upstream sorts.
///
/// `succeeded` gives the commit of every package that may be staged now.
pub fn stage_candidates(staging: &[Listing], succeeded: &BTreeMap<PackageName, String>) -> Vec<Listing> {
    let mut staged: Vec<Listing> = staging
        .iter()
        .map(|listing| {
            let branch = match succeeded.get(&listing.package) {
                Some(commit) => commit.clone(),
                None => listing.branch.clone().unwrap_or_else(|| "*release".to_owned()),
            };
            Listing { branch: Some(branch), ..listing.clone() }
        })
        .collect();
    sort_as_upstream(&mut staged);
    staged
}
