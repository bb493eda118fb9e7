//! Worlds: recorded or made-up outside reality that a rehearsal plays back.
//!
//! A world is a folder of seven files: `world.toml`, which explains the others, and `cran.json`,
//! `dependencies.json`, `evidence.jsonl`, `initial.json`, `registry.jsonl`, `releases.jsonl`. It holds
//! what the world said, not what anyone decided. [`World::load`] reads one strictly; [`Playback`]
//! answers what the world says at a time.

mod builds;
mod bundled;
mod chosen;
mod conda;
mod description;
mod playback;
mod problem;
mod reading;
mod registry;
mod scalars;
mod semantics;
mod settings;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::domain::{Listing, PackageName, RVersion};

pub use builds::UnfinishedBuild;
pub(crate) use builds::made_up_number;
pub use chosen::ChosenWorld;
pub use conda::{CondaWorld, Deed, DeedKind, ExternalChannel, NoticeApi, WorkflowBuild};
pub use description::{Contents, ReleaseFiles};
pub(crate) use description::{FREE_LICENSE, title};
pub use playback::{Building, Playback, UniverseRow};
pub use problem::WorldProblem;
pub use registry::ListingCommit;
pub(crate) use scalars::split_job;

/// A world, read and checked. Lists of things that happen are in the order of their times.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// What people call it.
    pub name: String,
    /// Its ecosystem: `r-universe`.
    pub ecosystem: String,
    /// When the playback begins.
    pub start: Timestamp,
    /// When the playback ends.
    pub end: Timestamp,
    /// Its universes, the one that the registry feeds first.
    pub universes: Vec<Universe>,
    /// How people behave.
    pub people: People,
    /// Releases of R, oldest first.
    pub r_releases: Vec<RRelease>,
    /// When what could not be read.
    pub outages: Vec<Outage>,
    /// What each channel's repository holds at the start.
    pub initial: BTreeMap<String, Initial>,
    /// How the first universe's `packages.json` changes.
    pub registry: Vec<RegistryChange>,
    /// Releases on GitHub.
    pub releases: Vec<Release>,
    /// What the universes say of commits.
    pub evidence: Vec<EvidenceRow>,
    /// The CRAN index of each frozen date: package and version.
    pub cran: BTreeMap<Date, BTreeMap<PackageName, RVersion>>,
    /// Strong dependencies inside the distribution.
    pub dependencies: BTreeMap<PackageName, Vec<PackageName>>,
    digest: String,
}

/// A universe: a channel, and the repository that says what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Universe {
    /// The channel's name.
    pub channel: String,
    /// Its GitHub repository as `owner/name`.
    pub repository: String,
}

/// How people behave in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// A moderator merges a pull request once its head is this old.
    pub merge_after: SignedDuration,
    /// Packages whose maintainer closes the pull request unmerged.
    pub close: BTreeSet<PackageName>,
    /// Packages whose maintainer pushes a commit to the pull request's branch.
    pub edit: BTreeSet<PackageName>,
}

/// A release of R.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RRelease {
    /// Its full version, such as `4.6.0`.
    pub version: RVersion,
    /// The day it came out.
    pub date: Date,
}

/// What an outage makes unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutageSource {
    /// The CRAN index.
    Cran,
    /// The universe itself.
    Universe,
    /// GitHub.
    Github,
    /// The advisory database. It is one for all channels, so any universe may be named.
    Advisories,
}

/// A time in which one source cannot be read by jobs that work on one universe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The source.
    pub source: OutageSource,
    /// The universe's channel.
    pub universe: String,
    /// The first instant of it.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// What a channel's repository holds at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initial {
    /// Its `packages.json`.
    pub packages: Vec<Listing>,
    /// Its `versions.json`.
    pub versions: Vec<LedgerEntry>,
}

/// One row of an initial `versions.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The package.
    pub package: PackageName,
    /// The version that the universe had last.
    pub version_current: RVersion,
    /// Its commit.
    pub hash_current: String,
    /// The highest version ever seen and its commit; none where the ledger is one look old.
    pub highest: Option<(RVersion, String)>,
}

/// One commit to the registry's `packages.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryChange {
    /// When it could first be seen.
    pub at: Timestamp,
    /// Rows that are new or changed.
    pub set: BTreeMap<PackageName, Listing>,
    /// Packages whose rows go away.
    pub remove: BTreeSet<PackageName>,
}

/// A release on GitHub; one may carry several packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// When it could first be seen; before the world's start for what was there already.
    pub at: Timestamp,
    /// The repository's address.
    pub repository: String,
    /// Its tag. A later release may have the same one: tags can move.
    pub tag: String,
    /// The tag's commit.
    pub commit: String,
    /// The packages it carries and their versions.
    pub packages: BTreeMap<PackageName, RVersion>,
}

/// What a universe says of a package from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRow {
    /// From when.
    pub at: Timestamp,
    /// The universe's channel.
    pub universe: String,
    /// The package.
    pub package: PackageName,
    /// What is said of one of its commits; none where the universe has lost the package.
    pub seen: Option<Seen>,
}

/// What a universe says of one commit of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The commit.
    pub commit: String,
    /// The version it has.
    pub version: RVersion,
    /// When its source was packed, before it was checked; none where nobody recorded that.
    pub created: Option<Timestamp>,
    /// When the universe published it; none where it never could.
    pub published: Option<Timestamp>,
    /// Checks that ended with a warning or an error.
    pub checks: Vec<RecordedCheck>,
    /// Development dependencies.
    pub remotes: Vec<String>,
    /// The licence, where it is not a free one.
    pub license: Option<String>,
    /// Addresses of advisories against this version.
    pub advisories: Vec<String>,
    /// The address of a running build, or `recent` where one ended minutes ago.
    pub building: Option<String>,
}

/// A check that ended with a warning or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCheck {
    /// Where it ran, such as `linux-release-x86_64`.
    pub config: String,
    /// The full version of R it ran with.
    pub r: RVersion,
    /// How it ended.
    pub check: CheckResult,
    /// Its log: the address of a job of a workflow run.
    pub url: String,
}

/// How a recorded check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckResult {
    /// With warnings.
    Warning,
    /// With errors.
    Error,
}

impl CheckResult {
    /// The result in R-universe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

impl World {
    /// The SHA-256 of the bytes of the world's files, one after the other in the order of their
    /// names, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// True while `source` cannot be read for the channel `universe`.
    pub fn outage(&self, source: OutageSource, universe: &str, at: Timestamp) -> bool {
        self.outages.iter().any(|outage| {
            outage.source == source && outage.universe == universe && outage.from <= at && at < outage.to
        })
    }

    /// The CRAN index of the newest frozen date at or before `date`, as the package manager
    /// resolves a date without an index of its own.
    pub fn cran_index(&self, date: Date) -> Option<&BTreeMap<PackageName, RVersion>> {
        self.cran.range(..=date).next_back().map(|(_, index)| index)
    }

    /// The repository whose workflow runs are the builds of a channel's universe, as `owner/name`:
    /// the one that its recorded addresses name, else one named like the universe.
    pub fn builds_repository(&self, channel: &str) -> Option<String> {
        let universe = self.universes.iter().find(|universe| universe.channel == channel)?;
        let recorded = self
            .evidence
            .iter()
            .filter(|row| row.universe == channel)
            .filter_map(|row| row.seen.as_ref())
            .flat_map(|seen| seen.checks.iter().map(|check| &check.url).chain(&seen.building))
            .find_map(|url| {
                let path = url.strip_prefix("https://github.com/")?;
                path.find("/actions/").map(|end| path[..end].to_owned())
            });
        Some(recorded.unwrap_or_else(|| format!("r-universe/{}", universe.repository.replace('/', "-"))))
    }
}
