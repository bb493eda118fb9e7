//! The kinds of jobs: the settings of each, and the table in which a kind is registered.
//!
//! A job file is read in two steps, `kind` first and then the table of that name, so that every value
//! keeps its place in the file. A new kind is a settings struct and one line in [`KINDS`].

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::distribution::Ecosystem;
use super::document::Document;
use super::forecast::Forecast;
use super::r_files::{Binaries, FetchBy, KeptFor};
use super::recheck::Recheck;
use super::recheck_r::RecheckR;
use super::report::Report;
use super::text_duration::TextDuration;
use crate::domain::Via;
use crate::engine::Network;
use crate::github::RepositoryName;

/// What a job does, with the settings of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Looks for new upstream releases.
    PollReleases(PollReleases),
    /// Reads what is known of a channel's packages.
    CheckStatus(CheckStatus),
    /// Moves revisions into a channel.
    Promote(Promote),
    /// Writes what a channel's status says into its repository.
    WriteStatus(WriteStatus),
    /// Publishes a snapshot.
    Snapshot(Snapshot),
    /// Sends published snapshots to targets beyond the folder.
    Publish(Publish),
    /// Tells what the next dependency freeze would change.
    Forecast(Forecast),
    /// Tells moderators and maintainers how a channel stands.
    Report(Report),
    /// Makes the next metapackage.
    Integrate(Integrate),
    /// Tests the members of a metapackage again.
    Recheck(Recheck),
    /// Checks R packages again.
    #[serde(rename = "recheck")]
    RecheckR(RecheckR),
    /// Takes in new conda builds.
    Intake(Intake),
}

/// Looks for new upstream releases of a channel's packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PollReleases {
    /// The channel whose packages are looked up.
    #[schemars(extend("format" = "name"))]
    pub channel: String,
    /// How many repositories one request asks for. Default: 100.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 100))]
    pub batch: u32,
}

/// Reads checks, builds, licences and CRAN's versions of a channel's packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckStatus {
    /// The channel that is looked at.
    #[schemars(extend("format" = "name"))]
    pub channel: String,
    /// Which files of packages that the channel pins to a commit are kept for the next snapshot, whatever becomes of
    /// their upstream. Default: `sources`.
    #[serde(default)]
    pub keep: KeptFor,
}

/// Moves revisions from a channel into a later one, as the calendar and the evidence allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// The channel that revisions come from.
    #[schemars(extend("format" = "name"))]
    pub from: String,
    /// The channel that they move to.
    #[schemars(extend("format" = "name"))]
    pub to: String,
}

/// Writes `status.json`, `versions.json` and `nonstandard_licenses.json` into a channel's repository, as its status says, and
/// deletes `config.json` some days after a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteStatus {
    /// The channel whose files are written.
    #[schemars(extend("format" = "name"))]
    pub channel: String,
}

/// Publishes an immutable snapshot of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The channel whose revisions are taken.
    #[schemars(extend("format" = "name"))]
    pub from: String,
    /// The channel that publishes them.
    #[schemars(extend("format" = "name"))]
    pub to: String,
    /// The binaries that are taken beside the sources. Default: `["windows", "macos"]`.
    #[serde(default = "default_binaries")]
    pub binaries: Vec<Binaries>,
    /// Whether packages that are left out and that others need are published too, in the folder `failing` with an
    /// index of its own. Only where the policy has `dependencies = "own-checks"` does anything in a snapshot need
    /// one. Default: no.
    #[serde(default)]
    pub failing: bool,
    /// How the universe is asked for its files. Default: `files`.
    #[serde(default)]
    pub fetch: FetchBy,
    /// The targets of `tidegate.toml` that get the snapshot beside the published folder, sent by a job of the kind
    /// `publish`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

/// Sends published snapshots to the targets that are to have them, and tries again what failed. What is to be sent
/// is said by `targets` of the job that takes the snapshot, and by people with `tidegate snapshot publish`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The channel whose snapshots are sent.
    #[schemars(extend("format" = "name"))]
    pub channel: String,
}

/// Takes the newest builds of the members that every platform has, and, where they can be installed
/// together, publishes them with a metapackage that holds exactly them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Integrate {
    /// The channel that builds come from.
    #[schemars(extend("format" = "name"))]
    pub from: String,
    /// The channel that gets them with their metapackage.
    #[schemars(extend("format" = "name"))]
    pub to: String,
    /// How long the newest builds have to stay the same before a metapackage is made of them. Default: `30m`.
    #[serde(default = "default_settle")]
    #[schemars(extend("format" = "duration"))]
    pub settle: TextDuration,
    /// The repository whose files say what each metapackage holds. Default: none is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<IntegrationRepository>,
}

/// The repository whose files say what a distribution's metapackage holds, as QIIME 2 keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationRepository {
    /// The repository, as `owner/name`.
    #[schemars(with = "String", extend("format" = "repository"))]
    pub name: RepositoryName,
    /// The distribution's `conda_build_config.yaml` in it, such as `2024.10/staged/tiny/conda_build_config.yaml`.
    #[schemars(extend("format" = "channel-path"))]
    pub build_config: String,
    /// The distribution's `data.yaml` in it.
    #[schemars(extend("format" = "channel-path"))]
    pub data: String,
    /// How a change reaches it. Default: `pull-request`.
    #[serde(default)]
    pub via: Via,
}

/// Takes in conda builds that notices tell of, and those in a folder, and publishes each one once all
/// platforms have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// The channel that gets the builds.
    #[schemars(extend("format" = "name"))]
    pub to: String,
    /// A folder into which people put archives of builds. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "absolute-path"))]
    pub drop: Option<PathBuf>,
    /// How long a build waits for its other platforms. Default: `24h`.
    #[serde(default = "default_intake_wait")]
    #[schemars(extend("format" = "positive-duration"))]
    pub wait: TextDuration,
    /// The most mebibytes that an artifact, or an archive in the folder, may have. Default: 100.
    #[serde(default = "default_intake_size")]
    #[schemars(range(min = 1, max = 4095))]
    pub max_size_mib: u32,
}

/// An engine of `tidegate.toml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// This machine.
    #[default]
    Local,
    /// The cluster that `[engine.slurm]` sets up.
    Slurm,
    /// The workflow that `[engine.github-actions]` sets up.
    GithubActions,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local => "local",
            Self::Slurm => "slurm",
            Self::GithubActions => "github-actions",
        })
    }
}

impl JobKind {
    /// The kind's name, as `kind` in a job file gives it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PollReleases(_) => PollReleases::KIND,
            Self::CheckStatus(_) => CheckStatus::KIND,
            Self::Promote(_) => Promote::KIND,
            Self::WriteStatus(_) => WriteStatus::KIND,
            Self::Snapshot(_) => Snapshot::KIND,
            Self::Publish(_) => Publish::KIND,
            Self::Forecast(_) => Forecast::KIND,
            Self::Report(_) => Report::KIND,
            Self::Integrate(_) => Integrate::KIND,
            Self::Recheck(_) => Recheck::KIND,
            Self::RecheckR(_) => RecheckR::KIND,
            Self::Intake(_) => Intake::KIND,
        }
    }
}

/// What a job needs of a channel that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A repository that lists packages.
    Repository,
    /// A repository, and a universe that builds it.
    Universe,
    /// A place to publish to.
    Publish,
    /// A folder of conda packages.
    Path,
}

/// A kind of job as the loader sees it.
pub(crate) struct Kind {
    /// The kind's name; also that of its table. A kind that works for two ecosystems is here twice.
    pub name: &'static str,
    /// The name of its schema.
    pub schema_name: &'static str,
    /// The ecosystem whose distributions it works for.
    pub ecosystem: Ecosystem,
    /// The keys of its table that name channels, with what is needed of them.
    pub channels: &'static [(&'static str, Need)],
    /// The schema of its table.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Makes the typed settings from its table.
    pub typed: fn(&mut Document<'_>) -> Option<JobKind>,
}

/// Every kind there is.
pub(crate) static KINDS: [Kind; 12] = [
    entry::<PollReleases>(),
    entry::<CheckStatus>(),
    entry::<Promote>(),
    entry::<WriteStatus>(),
    entry::<Snapshot>(),
    entry::<Publish>(),
    entry::<Forecast>(),
    entry::<Report>(),
    entry::<Integrate>(),
    entry::<Recheck>(),
    entry::<RecheckR>(),
    entry::<Intake>(),
];

/// The names of all kinds, each once.
pub(crate) fn kind_names() -> impl Iterator<Item = &'static str> + Clone {
    // Both entries of a kind stand together.
    KINDS.iter().enumerate().filter_map(|(at, kind)| {
        let again = at > 0 && KINDS[at - 1].name == kind.name;
        (!again).then_some(kind.name)
    })
}

/// The kind of that name for an ecosystem; where it does not work for that one, for the one that it works for.
pub(crate) fn kind_of(name: &str, ecosystem: Option<Ecosystem>) -> Option<&'static Kind> {
    let mut named = KINDS.iter().filter(|kind| kind.name == name);
    let first = named.clone().next();
    named.find(|kind| Some(kind.ecosystem) == ecosystem).or(first)
}

trait KindSettings: DeserializeOwned + JsonSchema {
    const KIND: &'static str;
    const SCHEMA: &'static str = Self::KIND;
    const ECOSYSTEM: Ecosystem = Ecosystem::RUniverse;
    const CHANNELS: &'static [(&'static str, Need)];
    fn into_kind(self) -> JobKind;
}

const fn entry<T: KindSettings>() -> Kind {
    Kind {
        name: T::KIND,
        schema_name: T::SCHEMA,
        ecosystem: T::ECOSYSTEM,
        channels: T::CHANNELS,
        schema: |generator| generator.subschema_for::<T>(),
        typed: |document| document.typed_at::<T>(T::KIND).map(T::into_kind),
    }
}

impl KindSettings for PollReleases {
    const KIND: &'static str = "poll-releases";
    const CHANNELS: &'static [(&'static str, Need)] = &[("channel", Need::Repository)];

    fn into_kind(self) -> JobKind {
        JobKind::PollReleases(self)
    }
}

impl KindSettings for CheckStatus {
    const KIND: &'static str = "check-status";
    const CHANNELS: &'static [(&'static str, Need)] = &[("channel", Need::Universe)];

    fn into_kind(self) -> JobKind {
        JobKind::CheckStatus(self)
    }
}

impl KindSettings for Promote {
    const KIND: &'static str = "promote";
    const CHANNELS: &'static [(&'static str, Need)] = &[("from", Need::Repository), ("to", Need::Repository)];

    fn into_kind(self) -> JobKind {
        JobKind::Promote(self)
    }
}

impl KindSettings for WriteStatus {
    const KIND: &'static str = "write-status";
    const CHANNELS: &'static [(&'static str, Need)] = &[("channel", Need::Universe)];

    fn into_kind(self) -> JobKind {
        JobKind::WriteStatus(self)
    }
}

impl KindSettings for Snapshot {
    const KIND: &'static str = "snapshot";
    const CHANNELS: &'static [(&'static str, Need)] = &[("from", Need::Universe), ("to", Need::Publish)];

    fn into_kind(self) -> JobKind {
        JobKind::Snapshot(self)
    }
}

impl KindSettings for Publish {
    const KIND: &'static str = "publish";
    const CHANNELS: &'static [(&'static str, Need)] = &[("channel", Need::Publish)];

    fn into_kind(self) -> JobKind {
        JobKind::Publish(self)
    }
}

impl KindSettings for Forecast {
    const KIND: &'static str = "forecast";
    const CHANNELS: &'static [(&'static str, Need)] = &[("from", Need::Universe), ("to", Need::Universe)];

    fn into_kind(self) -> JobKind {
        JobKind::Forecast(self)
    }
}

impl KindSettings for Report {
    const KIND: &'static str = "report";
    const CHANNELS: &'static [(&'static str, Need)] = &[("channel", Need::Universe)];

    fn into_kind(self) -> JobKind {
        JobKind::Report(self)
    }
}

impl KindSettings for Integrate {
    const KIND: &'static str = "integrate";
    const ECOSYSTEM: Ecosystem = Ecosystem::Conda;
    const CHANNELS: &'static [(&'static str, Need)] = &[("from", Need::Path), ("to", Need::Path)];

    fn into_kind(self) -> JobKind {
        JobKind::Integrate(self)
    }
}

impl KindSettings for Recheck {
    const KIND: &'static str = "recheck";
    const ECOSYSTEM: Ecosystem = Ecosystem::Conda;
    const CHANNELS: &'static [(&'static str, Need)] = &[("from", Need::Path), ("to", Need::Path)];

    fn into_kind(self) -> JobKind {
        JobKind::Recheck(self)
    }
}

impl KindSettings for RecheckR {
    const KIND: &'static str = Recheck::KIND;
    const SCHEMA: &'static str = "r-recheck";
    const CHANNELS: &'static [(&'static str, Need)] = &[("channel", Need::Universe)];

    fn into_kind(self) -> JobKind {
        JobKind::RecheckR(self)
    }
}

impl KindSettings for Intake {
    const KIND: &'static str = "intake";
    const ECOSYSTEM: Ecosystem = Ecosystem::Conda;
    const CHANNELS: &'static [(&'static str, Need)] = &[("to", Need::Path)];

    fn into_kind(self) -> JobKind {
        JobKind::Intake(self)
    }
}

fn default_intake_wait() -> TextDuration {
    TextDuration::from_secs(24 * 60 * 60)
}

fn default_intake_size() -> u32 {
    100
}

fn default_batch() -> u32 {
    100
}

fn default_binaries() -> Vec<Binaries> {
    vec![Binaries::Windows, Binaries::Macos]
}

fn default_settle() -> TextDuration {
    TextDuration::from_secs(30 * 60)
}

pub(super) fn default_network() -> Network {
    Network::Denied
}

pub(super) fn default_parallel() -> u32 {
    2
}

pub(super) fn default_test_memory() -> u32 {
    8192
}

pub(super) fn default_test_time() -> TextDuration {
    TextDuration::from_secs(30 * 60)
}
