//! What a universe says at a time: the rules of `world.toml`, and nothing else. Pure; asking
//! costs a few binary searches per package.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{RecordedCheck, Release, Seen, World};
use crate::domain::{Listing, PackageName};

/// A world, indexed by time.
#[derive(Debug)]
pub struct Playback {
    world: Arc<World>,
    /// By channel and package: rows of evidence.
    histories: BTreeMap<String, BTreeMap<PackageName, History>>,
    /// By repository and package: releases, oldest first.
    releases: BTreeMap<String, BTreeMap<PackageName, Vec<usize>>>,
}

/// The rows of evidence that one universe has for one package, as indices, oldest first.
#[derive(Debug, Default)]
struct History {
    all: Vec<usize>,
    by_commit: BTreeMap<String, Vec<usize>>,
}

/// What a universe says of one package.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UniverseRow<'a> {
    /// The package.
    pub package: &'a str,
    /// The address of its git repository, as `packages.json` has it.
    pub repository: &'a str,
    /// The commit that its repository's `packages.json` asks for.
    pub commit: &'a str,
    /// The version at that commit; none where nothing in the world tells.
    pub version: Option<&'a str>,
    /// When its source was packed; none where nobody recorded that.
    pub created: Option<Timestamp>,
    /// When the universe published it; none where it never did, or has not yet.
    pub published: Option<Timestamp>,
    /// Checks that ended with a warning or an error.
    pub checks: &'a [RecordedCheck],
    /// Development dependencies.
    pub remotes: &'a [String],
    /// The licence, where it is not a free one.
    pub license: Option<&'a str>,
    /// Addresses of advisories against this version.
    pub advisories: &'a [String],
    /// The build that is under way, if one is.
    pub building: Option<Building<'a>>,
    /// True where the universe has lost the package; the rest of the row is then empty.
    pub gone: bool,
    /// The index in [`World::evidence`] of the row that says all this.
    pub evidence: Option<usize>,
}

/// A build that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Building<'a> {
    /// It runs: the workflow run's address.
    Run(&'a str),
    /// It ended minutes ago.
    Recent,
    /// The universe has nothing of this commit yet.
    NotBuiltYet,
}

impl Playback {
    /// Indexes a world.
    pub fn new(world: Arc<World>) -> Self {
        let mut histories: BTreeMap<String, BTreeMap<PackageName, History>> = BTreeMap::new();
        for (index, row) in world.evidence.iter().enumerate() {
            let history =
                histories.entry(row.universe.clone()).or_default().entry(row.package.clone()).or_default();
            history.all.push(index);
            if let Some(seen) = &row.seen {
                history.by_commit.entry(seen.commit.clone()).or_default().push(index);
            }
        }
        let mut releases: BTreeMap<String, BTreeMap<PackageName, Vec<usize>>> = BTreeMap::new();
        for (index, release) in world.releases.iter().enumerate() {
            let packages = releases.entry(repository_key(&release.repository)).or_default();
            for package in release.packages.keys() {
                packages.entry(package.clone()).or_default().push(index);
            }
        }
        Self { world, histories, releases }
    }

    /// The world that is played back.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// What the universe of `channel` says at `at`, when its repository lists `listings`. A package
    /// whose commit cannot be told (it has no release yet, or follows a branch that the world does not
    /// know) is not in the universe and has no row.
    pub fn rows<'a>(&'a self, channel: &str, listings: &'a [Listing], at: Timestamp) -> Vec<UniverseRow<'a>> {
        listings.iter().filter_map(|listing| self.row(channel, listing, at)).collect()
    }

    /// The newest release of a repository at `at`, whatever packages it carries.
    pub fn release_of(&self, repository: &str, at: Timestamp) -> Option<&Release> {
        let packages = self.releases.get(&repository_key(repository))?;
        let newest = packages.values().filter_map(|releases| self.last_release(releases, at)).max()?;
        self.world.releases.get(newest)
    }

    /// The newest release of a listed package at `at`.
    pub fn release_of_package(&self, listing: &Listing, at: Timestamp) -> Option<&Release> {
        let releases = self.releases_of(listing)?;
        self.world.releases.get(self.last_release(releases, at)?)
    }

    fn releases_of(&self, listing: &Listing) -> Option<&Vec<usize>> {
        self.releases.get(&repository_key(&listing.url))?.get(&listing.package)
    }

    fn row<'a>(&'a self, channel: &str, listing: &'a Listing, at: Timestamp) -> Option<UniverseRow<'a>> {
        let package = listing.package.as_str();
        let commit = self.commit(listing, at)?;
        let blank = UniverseRow {
            package,
            repository: &listing.url,
            commit,
            version: None,
            created: None,
            published: None,
            checks: &[],
            remotes: &[],
            license: None,
            advisories: &[],
            building: None,
            gone: false,
            evidence: None,
        };
        let own = self.history(channel, package);
        if self.newest(own, at).is_some_and(|newest| newest.is_none()) {
            return Some(UniverseRow { gone: true, ..blank });
        }
        let others = self.world.universes.iter().filter(|other| other.channel != channel);
        let histories = std::iter::once(own).chain(others.map(|other| self.history(&other.channel, package)));
        for history in histories.flatten() {
            if let Some((index, seen)) = self.evidence_of(history, commit, at) {
                return Some(UniverseRow {
                    version: Some(seen.version.as_str()),
                    created: seen.created,
                    published: seen.published,
                    checks: &seen.checks,
                    remotes: &seen.remotes,
                    license: seen.license.as_deref(),
                    advisories: &seen.advisories,
                    building: self.building(history, seen, at),
                    evidence: Some(index),
                    ..blank
                });
            }
        }
        let version = self.released_version(listing, commit);
        Some(UniverseRow { version, building: Some(Building::NotBuiltYet), ..blank })
    }

    /// The commit that a row of `packages.json` asks for.
    fn commit<'a>(&'a self, listing: &'a Listing, at: Timestamp) -> Option<&'a str> {
        if let Some(pin) = listing.pin() {
            return Some(pin);
        }
        let released = match listing.branch.as_deref()? {
            "*release" => self.release_of_package(listing, at),
            tag => self
                .releases_of(listing)?
                .iter()
                .filter_map(|index| self.world.releases.get(*index))
                .rfind(|release| release.tag == tag && release.at <= at),
        };
        released.map(|release| release.commit.as_str())
    }

    /// The version that a release gave to a commit. Asked for without a time: what a commit
    /// contains does not change, only when it is seen.
    fn released_version(&self, listing: &Listing, commit: &str) -> Option<&str> {
        let releases = self.releases_of(listing)?.iter().filter_map(|index| self.world.releases.get(*index));
        let mut newest_first = releases.rev();
        let released = newest_first.find(|release| release.commit == commit)?;
        released.packages.get(&listing.package).map(|version| version.as_str())
    }

    fn history(&self, channel: &str, package: &str) -> Option<&History> {
        self.histories.get(channel)?.get(package)
    }

    /// The last row for a commit at or before `at`.
    fn evidence_of(&self, history: &History, commit: &str, at: Timestamp) -> Option<(usize, &Seen)> {
        let index = self.last_row(history.by_commit.get(commit)?, at)?;
        self.world.evidence.get(index)?.seen.as_ref().map(|seen| (index, seen))
    }

    /// The newest row of a package, whichever commit it is about; `Some(None)` where it says that
    /// the package is gone.
    fn newest(&self, history: Option<&History>, at: Timestamp) -> Option<Option<&Seen>> {
        let index = self.last_row(&history?.all, at)?;
        self.world.evidence.get(index).map(|row| row.seen.as_ref())
    }

    /// The build of a commit, while the universe that speaks of it (`history`) has not turned to
    /// another commit: afterwards nobody recorded how the build ended.
    fn building<'a>(&'a self, history: &History, seen: &'a Seen, at: Timestamp) -> Option<Building<'a>> {
        let building = seen.building.as_deref()?;
        let newest = self.newest(Some(history), at).flatten()?;
        (newest.commit == seen.commit).then_some(match building {
            "recent" => Building::Recent,
            run => Building::Run(run),
        })
    }

    /// Since when a universe has recorded the build `run` of a package without a break.
    pub(super) fn recorded_since(&self, evidence: usize, run: &str) -> Option<Timestamp> {
        let row = self.world.evidence.get(evidence)?;
        let history = self.history(&row.universe, &row.package)?;
        let end = history.all.partition_point(|index| *index <= evidence);
        history.all[..end]
            .iter()
            .rev()
            .map_while(|index| self.world.evidence.get(*index))
            .take_while(|row| row.seen.as_ref().is_some_and(|seen| seen.building.as_deref() == Some(run)))
            .last()
            .map(|row| row.at)
    }

    fn last_row(&self, indices: &[usize], at: Timestamp) -> Option<usize> {
        last(indices, |index| self.world.evidence[index].at <= at)
    }

    fn last_release(&self, indices: &[usize], at: Timestamp) -> Option<usize> {
        last(indices, |index| self.world.releases[index].at <= at)
    }
}

/// The last of `indices`, which are in the order of time, that is not too late.
fn last(indices: &[usize], in_time: impl Fn(usize) -> bool) -> Option<usize> {
    let end = indices.partition_point(|index| in_time(*index));
    indices[..end].last().copied()
}

/// One key for the spellings of a repository's address: hosts ignore case, and git a `.git`.
pub(super) fn repository_key(url: &str) -> String {
    let url = url.trim_end_matches('/').to_ascii_lowercase();
    url.strip_suffix(".git").map(str::to_owned).unwrap_or(url)
}
