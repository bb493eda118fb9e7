//! `distributions/<name>.toml` and `distributions/<name>.exceptions.toml`: channels, calendar, targets
//! and policy of one distribution, as written and as resolved.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::format;
use super::nearest::nearest;
use super::policy::Policy;
use super::reports_r::{ReportsR, ReportsRFile};
use crate::calendar::{
    Calendar, CalendarFault, CyclePoint, MilestoneRule, PhaseRule, RRelease, RTargets, Targets, TargetsError,
};
use crate::domain::{CheckedR, FreezeException, RVersion};
use crate::github::RepositoryName;

/// Which rules and file formats a distribution's packages follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ecosystem {
    /// R packages that R-universe builds and checks.
    RUniverse,
    /// conda packages and the metapackage that holds them together.
    Conda,
}

impl Ecosystem {
    /// How a file may name them.
    pub(crate) const WORDS: [&'static str; 2] = ["r-universe", "conda"];

    /// The ecosystem that a distribution's file names. One that is missing or misspelt is guessed, so
    /// that the rest of the file can be checked; the schema complains of it.
    pub(crate) fn of(document: &Document<'_>) -> Self {
        match document.text_at("ecosystem").and_then(|word| nearest(word, Self::WORDS)) {
            Some("conda") => Self::Conda,
            _ => Self::RUniverse,
        }
    }
}

/// Where a published channel's snapshots go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PublishTarget {
    /// The folder that `[publish]` in `tidegate.toml` names.
    Directory,
}

/// A distribution as written: `distributions/<name>.toml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DistributionFile {
    /// The distribution's name for people.
    title: String,
    /// Which rules and file formats its packages follow.
    #[schemars(with = "String", extend("const" = "r-universe"))]
    ecosystem: Ecosystem,
    /// The channels, in the order in which packages pass through them.
    #[schemars(length(min = 1))]
    channel: Vec<ChannelFile>,
    /// The calendar of its release cycle.
    calendar: CalendarFile,
    /// The versions of R and CRAN that a cycle targets.
    r: RFile,
    /// Which rules decide, how careful they are, and how changes are made.
    #[serde(default)]
    policy: Policy,
    /// Who is told of what by GitHub issues. Default: nobody.
    reports: Option<ReportsRFile>,
}

/// A named stage that holds revisions: either a GitHub repository, or something that is published.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChannelFile {
    /// The channel's name, such as `staging`: lower-case letters, digits and hyphens.
    #[schemars(extend("format" = "name"))]
    name: String,
    /// The GitHub repository (`owner/name`) whose `packages.json` lists the channel's packages.
    #[schemars(with = "Option<String>", extend("format" = "repository"))]
    repository: Option<RepositoryName>,
    /// The address of the universe that builds the channel, without a `/` at the end.
    #[schemars(extend("format" = "uri"))]
    universe: Option<String>,
    /// The GitHub repository (`owner/name`) whose workflow runs are the universe's builds.
    #[schemars(with = "Option<String>", extend("format" = "repository"))]
    builds: Option<RepositoryName>,
    /// Where the channel's snapshots are published, instead of a repository: `directory`.
    publish: Option<PublishTarget>,
}

/// When cycles, phases and milestones are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarFile {
    /// The IANA zone in which days begin. Default: `UTC`.
    #[serde(default = "utc")]
    #[schemars(extend("format" = "time-zone"))]
    timezone: String,
    /// The months (1 to 12, ascending) in which a cycle begins, such as `[1, 4, 7, 10]`.
    #[schemars(length(min = 1))]
    months: Vec<i8>,
    /// The day of the month on which a cycle begins, 1 to 28, so that every month has it.
    #[schemars(range(min = 1, max = 28))]
    day: i8,
    /// The phases of a cycle, in order; each one ends where the next one begins.
    #[schemars(length(min = 1))]
    phase: Vec<PhaseRule>,
    /// The milestones of a cycle.
    #[serde(default)]
    milestone: Vec<MilestoneRule>,
}

/// The versions of R and CRAN that a cycle targets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RFile {
    /// The address of the frozen CRAN; `{date}` stands for the first day of the dependency freeze.
    #[schemars(extend("format" = "dated-uri"))]
    cran: String,
    /// The address of the published snapshot; `{date}` stands for the day of the snapshot.
    #[schemars(extend("format" = "dated-uri"))]
    production: String,
    /// Where security advisories are read: the address of a zip file or tarball of the advisory database, or the
    /// absolute path of a folder that holds it. Default: none, and then no version has an advisory against it.
    #[schemars(extend("format" = "advisories"))]
    advisories: Option<String>,
    /// The releases of R. A cycle targets the newest one on or before its first day.
    #[schemars(length(min = 1))]
    release: Vec<RReleaseFile>,
}

/// A release of R.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RReleaseFile {
    /// The version with all three numbers, such as `4.6.0`.
    #[schemars(with = "String", extend("format" = "r-version"))]
    version: RVersion,
    /// The day it came out, such as `2026-04-24`.
    #[schemars(with = "String", extend("format" = "date"))]
    date: Date,
}

/// The exceptions of a distribution as written: `distributions/<name>.exceptions.toml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExceptionsFile {
    /// The exceptions.
    #[serde(default)]
    pub exception: Vec<Exception>,
}

/// A named person's leave for one package, at one version, to pass a freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The package.
    #[schemars(extend("format" = "word"))]
    pub package: String,
    /// The version that may pass; the leave dies with the next version.
    #[schemars(extend("format" = "word"))]
    pub version: String,
    /// Who gives the leave.
    #[schemars(length(min = 1, max = 200))]
    pub by: String,
    /// Why.
    #[schemars(length(min = 1, max = 2000))]
    pub reason: String,
    /// The last day on which it counts, such as `2026-09-14`.
    #[schemars(with = "String", extend("format" = "date"))]
    pub until: Date,
}

impl From<&Exception> for FreezeException {
    fn from(exception: &Exception) -> Self {
        Self {
            package: exception.package.clone(),
            version: exception.version.clone(),
            by: exception.by.clone(),
            reason: exception.reason.clone(),
        }
    }
}

/// A distribution whose rules are sound.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Its name: the stem of its file.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Which rules and file formats its packages follow.
    pub ecosystem: Ecosystem,
    /// Its channels, in the order in which packages pass through them.
    pub channels: Vec<Channel>,
    /// The calendar of its release cycle.
    pub calendar: Arc<Calendar>,
    /// The versions of R and CRAN that its cycles target.
    pub r: RTargets,
    /// Where security advisories are read, where they are.
    pub advisories: Option<AdvisorySource>,
    /// Which rules decide.
    pub policy: Policy,
    /// Leaves to pass a freeze, in the order of their file; those that have run out too.
    pub exceptions: Vec<Exception>,
    /// Who is told of what by GitHub issues; absent where nobody is.
    pub reports: Option<ReportsR>,
}

/// Where security advisories are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AdvisorySource {
    /// An archive of the database.
    Archive(String),
    /// A folder on this machine that holds it.
    Folder(PathBuf),
}

impl AdvisorySource {
    /// What a file says: an absolute path, or an address.
    pub fn of(text: &str) -> Self {
        match text.starts_with('/') {
            true => Self::Folder(PathBuf::from(text)),
            false => Self::Archive(text.to_owned()),
        }
    }
}

/// A named stage that holds revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Where its packages are.
    pub home: ChannelHome,
}

/// Where a channel's packages are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ChannelHome {
    /// Listed in a GitHub repository.
    Listed {
        /// The repository that holds `packages.json`.
        repository: RepositoryName,
        /// The universe that builds it, where there is one.
        universe: Option<Universe>,
    },
    /// Published as snapshots.
    Published(PublishTarget),
}

/// The universe that builds and checks a channel's packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Universe {
    /// Its address, without a `/` at the end.
    pub url: String,
    /// The frozen CRAN that its checks are made against, with `{date}`; the distribution's own where
    /// it is absent.
    pub cran: Option<String>,
    /// The repository whose workflow runs are its builds.
    pub builds: RepositoryName,
}

impl Distribution {
    /// The channel of that name.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// Where the instant `at` lies in the calendar.
    pub fn point(&self, at: Timestamp) -> CyclePoint {
        self.calendar.point(at)
    }

    /// Moves a channel to another repository and universe: how a rehearsal leads the jobs of a real
    /// configuration to a simulated world. A channel that is not there, or not listed, is an error.
    pub fn relocate(&mut self, channel: &str, to: RepositoryName, universe: Universe) -> anyhow::Result<()> {
        let name = &self.name;
        let found = self.channels.iter_mut().find(|known| known.name == channel);
        let found = found.with_context(|| format!("distribution `{name}` has no channel `{channel}`"))?;
        match &mut found.home {
            ChannelHome::Listed { repository, universe: known } => {
                *repository = to;
                *known = Some(universe);
                Ok(())
            }
            ChannelHome::Published(_) => bail!("channel `{channel}` of `{name}` has no repository"),
        }
    }

    /// The exceptions that are in force on the day of `at`.
    pub fn exceptions_at(&self, at: Timestamp) -> Vec<FreezeException> {
        let today = at.to_zoned(self.calendar.timezone().clone()).date();
        let in_force = self.exceptions.iter().filter(|exception| exception.until >= today);
        in_force.map(FreezeException::from).collect()
    }

    /// The R before the targeted one, where the policy asks for its checks too.
    pub fn older_series(&self, targeted: &str) -> anyhow::Result<Option<String>> {
        if !self.policy.checks.contains(&CheckedR::Oldrelease) {
            return Ok(None);
        }
        let older = self.r.series_before(targeted);
        let none = || {
            let name = &self.name;
            format!("`oldrelease` of distribution `{name}` needs an R before {targeted} under [[r.release]]")
        };
        older.map(Some).with_context(none)
    }

    /// What the cycle of `point` targets.
    pub fn targets(&self, point: &CyclePoint) -> Result<Targets, TargetsError> {
        self.r.targets(point)
    }
}

impl Channel {
    /// The repository that lists the channel's packages, where it is such a channel.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match &self.home {
            ChannelHome::Listed { repository, .. } => Some(repository),
            ChannelHome::Published(_) => None,
        }
    }

    /// The universe that builds the channel's packages, where there is one.
    pub fn universe(&self) -> Option<&Universe> {
        match &self.home {
            ChannelHome::Listed { universe, .. } => universe.as_ref(),
            ChannelHome::Published(_) => None,
        }
    }
}

impl CalendarFile {
    /// The calendar, or everything that is wrong with it. Nothing where the zone is not one: that was
    /// reported with the place of the text.
    pub(crate) fn resolve(self) -> Option<Result<Calendar, Vec<CalendarFault>>> {
        let timezone = format::time_zone(&self.timezone).ok()?;
        Some(Calendar::new(timezone, self.months, self.day, self.phase, self.milestone))
    }
}

impl DistributionFile {
    /// The resolved distribution, where the calendar is sound and every channel has a home.
    pub(crate) fn resolve(self, name: &str) -> Option<Distribution> {
        let mut releases: Vec<RRelease> = self
            .r
            .release
            .into_iter()
            .map(|release| RRelease { version: release.version, date: release.date })
            .collect();
        releases.sort_by_key(|release| release.date);
        Some(Distribution {
            name: name.to_owned(),
            title: self.title,
            ecosystem: self.ecosystem,
            channels: self.channel.into_iter().map(ChannelFile::resolve).collect::<Option<_>>()?,
            calendar: Arc::new(self.calendar.resolve()?.ok()?),
            r: RTargets { releases, cran: self.r.cran, production: self.r.production },
            advisories: self.r.advisories.as_deref().map(AdvisorySource::of),
            policy: self.policy,
            exceptions: Vec::new(),
            reports: self.reports.map(ReportsRFile::resolve),
        })
    }
}

impl ChannelFile {
    fn resolve(self) -> Option<Channel> {
        let home = match (self.repository, self.publish) {
            (Some(repository), _) => {
                let universe =
                    self.universe.zip(self.builds).map(|(url, builds)| Universe { url, cran: None, builds });
                ChannelHome::Listed { repository, universe }
            }
            (None, Some(target)) => ChannelHome::Published(target),
            (None, None) => return None,
        };
        Some(Channel { name: self.name, home })
    }
}

fn utc() -> String {
    "UTC".into()
}
