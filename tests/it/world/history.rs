//! The bundled world against what R-multiverse really did: the rules that were in force then, applied
//! to the playback, must stage the very commits that were staged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tidegate::domain::{Listing, RVersion};
use tidegate::rehearse::world::{ListingCommit, OutageSource, Playback, UniverseRow, World};

use super::folder::time;

#[derive(Deserialize)]
struct Expected {
    staged: Vec<Staged>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Staged {
    at: Timestamp,
    package: String,
    commit: String,
}

/// Staging as upstream ran it: community's list in the first month, pins that stick in the second.
struct Upstream {
    playback: Arc<Playback>,
    /// By package: the current version and commit, and the highest.
    ledger: BTreeMap<String, [(RVersion, String); 2]>,
    listings: Vec<Listing>,
    registry: Vec<ListingCommit>,
}

impl Upstream {
    fn new(world: Arc<World>) -> Self {
        let initial = &world.initial["staging"];
        let ledger = initial.versions.iter().map(|entry| {
            let current = (entry.version_current.clone(), entry.hash_current.clone());
            let highest = entry.highest.clone().unwrap_or_else(|| current.clone());
            (entry.package.clone(), [current, highest])
        });
        Self {
            ledger: ledger.collect(),
            listings: initial.packages.clone(),
            registry: world.listing_commits(),
            playback: Arc::new(Playback::new(Arc::clone(&world))),
        }
    }

    /// Takes community's list over as it is at `at`.
    fn follow_community(&mut self, at: Timestamp) {
        let initial = &self.playback.world().initial["community"].packages;
        let last = self.registry.iter().rfind(|commit| commit.at <= at);
        self.listings.clone_from(last.map_or(initial, |commit| &commit.listings));
    }

    /// Remembers the versions that the universe has at `at`.
    fn look(&mut self, at: Timestamp) {
        let rows = self.playback.rows("staging", &self.listings, at);
        for row in rows.iter().filter(|row| !row.gone) {
            let now = (RVersion::parse(row.version.unwrap()).unwrap(), row.commit.to_owned());
            let entry =
                self.ledger.entry(row.package.to_owned()).or_insert_with(|| [now.clone(), now.clone()]);
            if now.0 > entry[1].0 {
                entry[1] = now.clone();
            }
            entry[0] = now;
        }
    }

    fn has_own_issue(&self, row: &UniverseRow<'_>, at: Timestamp, cycle: Cycle) -> bool {
        let world = self.playback.world();
        let version = RVersion::parse(row.version.unwrap()).unwrap();
        let on_cran = world.cran_index(cycle.cran.parse().unwrap()).unwrap().get(row.package);
        let [current, highest] = &self.ledger[row.package];
        row.checks.iter().any(|check| check.r.minor_series() == cycle.r)
            || !row.remotes.is_empty()
            || row.license.is_some()
            || !row.advisories.is_empty()
            || row.building.is_some()
            || current.0 != highest.0
            || current.1 != highest.1
            || (!world.outage(OutageSource::Cran, "staging", at)
                && on_cran.is_some_and(|cran| version < *cran))
    }

    /// Pins every package without issues, and tells which ones became pinned.
    fn stage(&mut self, at: Timestamp, cycle: Cycle) -> Vec<Staged> {
        let playback = Arc::clone(&self.playback);
        let listings = self.listings.clone();
        let rows = playback.rows("staging", &listings, at);
        let pinned: BTreeSet<&str> =
            listings.iter().filter(|row| row.pin().is_some()).map(|row| row.package.as_str()).collect();
        let mut bad: BTreeSet<&str> = rows
            .iter()
            .filter(|row| row.gone || self.has_own_issue(row, at, cycle))
            .map(|row| row.package)
            .filter(|package| !pinned.contains(package))
            .collect();
        // What depends on a bad package is bad too, and so on.
        loop {
            let dependents = rows.iter().map(|row| row.package).filter(|package| {
                !bad.contains(package)
                    && playback
                        .world()
                        .dependencies_of(package)
                        .iter()
                        .any(|needed| bad.contains(needed.as_str()))
            });
            let dependents: Vec<&str> = dependents.collect();
            if dependents.is_empty() {
                break;
            }
            bad.extend(dependents);
        }
        let mut staged = Vec::new();
        for listing in self.listings.iter_mut().filter(|listing| listing.pin().is_none()) {
            let row = rows.iter().find(|row| row.package == listing.package && !row.gone);
            if let Some(row) = row.filter(|row| !bad.contains(row.package)) {
                listing.branch = Some(row.commit.to_owned());
                let (package, commit) = (row.package.to_owned(), row.commit.to_owned());
                staged.push(Staged { at, package, commit });
            }
        }
        staged
    }
}

/// What the months of one cycle have in common.
#[derive(Clone, Copy)]
struct Cycle {
    r: &'static str,
    cran: &'static str,
    candidate_freeze: &'static str,
    snapshot: &'static str,
}

/// The first time of each freeze is when upstream's hourly job got to it.
const CYCLES: [Cycle; 2] = [
    Cycle {
        r: "4.5",
        cran: "2026-04-15",
        candidate_freeze: "2026-05-15T02:40:52Z",
        snapshot: "2026-06-15T00:00:00Z",
    },
    Cycle {
        r: "4.6",
        cran: "2026-07-15",
        candidate_freeze: "2026-08-15T01:38:30Z",
        snapshot: "2026-09-15T00:00:00Z",
    },
];

/// Plays every hour of the world, and the very times at which something was staged.
fn replay(world: &Arc<World>, stagings: impl Iterator<Item = Timestamp>) -> BTreeSet<Staged> {
    let hour = SignedDuration::from_hours(1);
    let hours = std::iter::successors(Some(world.start), |at| Some(*at + hour));
    let times: BTreeSet<Timestamp> = hours.take_while(|at| *at < world.end).chain(stagings).collect();
    let mut upstream = Upstream::new(Arc::clone(world));
    let mut staged = BTreeSet::new();
    for at in times {
        let cycle = CYCLES[usize::from(at >= time("2026-07-15T00:00:00Z"))];
        let first = time(cycle.candidate_freeze);
        if at < first {
            upstream.follow_community(at);
        }
        upstream.look(at);
        if (first..time(cycle.snapshot)).contains(&at) {
            staged.extend(upstream.stage(at, cycle));
        }
    }
    staged
}

#[test]
fn the_rules_of_the_time_stage_what_was_staged() {
    let text = include_str!("../../data/r-multiverse/worlds/2026-04-to-08.expected.json");
    let expected: BTreeSet<Staged> =
        serde_json::from_str::<Expected>(text).unwrap().staged.into_iter().collect();
    let world = Arc::new(World::bundled().unwrap());
    let staged = replay(&world, expected.iter().map(|staged| staged.at));
    assert_eq!(staged.len(), 141);
    // One of 141: for a week the real staging universe did not build a release that community's had,
    // and the rules of playback let it borrow community's.
    let differences: Vec<&Staged> = staged.symmetric_difference(&expected).collect();
    assert!(differences.iter().all(|staged| staged.package == "mirai"), "{differences:#?}");
    assert_eq!(differences.len(), 2);
}
