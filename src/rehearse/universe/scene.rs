//! What every answer of the simulated universe is made from: the world, the time, what the
//! repositories list, and the R that the distribution targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Surroundings;
use super::maker::{MadePackage, Platform};
use super::shelf::{Artifact, MadeFile, Shelf};
use crate::domain::{Listing, RVersion};
use crate::rehearse::world::{Building, FREE_LICENSE, Playback, UniverseRow, World, title};

/// The world and everything around it.
pub(super) struct Scene {
    pub(super) playback: Arc<Playback>,
    pub(super) surroundings: Surroundings,
    pub(super) shelf: Shelf,
    /// By series of R: the newest patch release that the world knows.
    pub(super) newest_patches: BTreeMap<String, RVersion>,
}

/// One universe at one time.
pub(super) struct View<'a> {
    pub(super) scene: &'a Scene,
    pub(super) channel: &'a str,
    pub(super) at: Timestamp,
    pub(super) r: TargetedR,
    listings: Vec<Listing>,
}

/// The R that checks and binaries count for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TargetedR {
    /// Such as `4.5`.
    pub(super) series: String,
    /// The newest patch of it that the world knows, such as `4.5.3`.
    pub(super) version: String,
}

impl Scene {
    pub(super) fn world(&self) -> &World {
        self.playback.world()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// What a made file of a row's commit carries.
    fn made_package(&self, row: &UniverseRow<'_>) -> MadePackage {
        let world = self.world();
        let contents = world.contents(row.package, row.commit);
        MadePackage {
            package: row.package.to_owned(),
            version: row.version.unwrap_or_default().to_owned(),
            commit: row.commit.to_owned(),
            title: title(row.package),
            license: contents.map_or(FREE_LICENSE, |contents| contents.license).to_owned(),
            imports: world.dependencies_of(row.package).to_vec(),
            remotes: contents.map(|contents| contents.remotes.to_vec()).unwrap_or_default(),
            description: world.description(row.package, row.commit).unwrap_or_default(),
        }
    }

    /// The universe of `channel` now; none where the world has no such channel.
    pub(super) fn view<'a>(&'a self, channel: &'a str) -> Option<View<'a>> {
        if !self.world().universes.iter().any(|universe| universe.channel == channel) {
            return None;
        }
        let at = self.now();
        let series = (self.surroundings.targeted_r)(at);
        let newest = self.newest_patches.get(&series);
        let version = newest.map_or_else(|| format!("{series}.0"), |r| r.as_str().to_owned());
        let listings = (self.surroundings.listings)(channel);
        Some(View { scene: self, channel, at, r: TargetedR { series, version }, listings })
    }
}

/// By series of R: the highest patch release that a recorded check ran with.
pub(super) fn newest_patches(world: &World) -> BTreeMap<String, RVersion> {
    let seen = world.evidence.iter().filter_map(|row| row.seen.as_ref());
    let mut newest: BTreeMap<String, RVersion> = BTreeMap::new();
    for check in seen.flat_map(|seen| &seen.checks) {
        let patch = newest.entry(check.r.minor_series()).or_insert_with(|| check.r.clone());
        if *patch < check.r {
            *patch = check.r.clone();
        }
    }
    newest
}

impl View<'_> {
    /// What the universe has now: neither what it has lost nor what has no version yet.
    pub(super) fn rows(&self) -> Vec<UniverseRow<'_>> {
        let mut rows = self.scene.playback.rows(self.channel, &self.listings, self.at);
        rows.retain(|row| !row.gone && row.version.is_some());
        rows
    }

    /// The rows of packages that can be installed: the universe has built and published them.
    pub(super) fn published_rows(&self) -> Vec<UniverseRow<'_>> {
        let mut rows = self.rows();
        rows.retain(|row| row.published.is_some() && row.building != Some(Building::NotBuiltYet));
        rows
    }

    /// A file of a package.
    pub(super) fn file(&self, row: &UniverseRow<'_>, artifact: Artifact) -> Arc<MadeFile> {
        let identity = (row.package, row.version.unwrap_or_default(), row.commit);
        self.scene.shelf.file(identity, artifact, || self.scene.made_package(row))
    }

    /// A binary of a package for the targeted R.
    pub(super) fn binary(&self, row: &UniverseRow<'_>, platform: Platform) -> Arc<MadeFile> {
        self.file(row, Artifact::Binary(platform, self.r.version.clone()))
    }
}
