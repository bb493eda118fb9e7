//! `distributions/<name>.toml` with `ecosystem = "conda"`: a metapackage, its members, the platforms it
//! has to work on and the channels it passes through, as written and as resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::Ecosystem;
use crate::domain::BuildTarget;

/// A conda distribution as written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CondaDistributionFile {
    /// The distribution's name for people.
    title: String,
    /// Which rules and file formats its packages follow.
    #[schemars(with = "String", extend("const" = "conda"))]
    ecosystem: Ecosystem,
    /// The epoch, such as `2024.10`. Text in quotes: as a number, 2024.10 would be 2024.1.
    #[schemars(extend("format" = "epoch"))]
    epoch: String,
    /// What builds are taken in for, of those that notices tell of: `dev` for an epoch in development, `release`
    /// for a released one. Notices with another `build_target`, or none, are refused. Default: all are taken.
    build_target: Option<BuildTarget>,
    /// The name of the metapackage that holds the members.
    #[schemars(extend("format" = "conda-name"))]
    metapackage: String,
    /// The platforms on which everything has to work, such as `linux-64`.
    #[schemars(length(min = 1))]
    platforms: Vec<PlatformText>,
    /// The packages of the distribution, by name.
    #[schemars(length(min = 1))]
    members: Vec<NameText>,
    /// Members that are left out of the metapackage for the time being. Default: none.
    #[serde(default)]
    ignore: Vec<NameText>,
    /// Members that may pass although they carry no tests. Default: none.
    #[serde(default)]
    without_tests: Vec<NameText>,
    /// The channels that everything else comes from, the first one before the others: folders or
    /// addresses. Default: none.
    #[serde(default)]
    external: Vec<ExternalText>,
    /// The channels, in the order in which builds pass through them.
    #[schemars(length(min = 1))]
    channel: Vec<CondaChannelFile>,
    /// The packages whose own repositories tell of new builds, or are told of failures. Default: none.
    #[serde(default)]
    package: Vec<CondaPackageFile>,
    /// Who is told, by GitHub issues, of what the recheck finds. Default: nobody.
    reports: Option<ReportsFile>,
}

/// Where the distribution's own people are told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportsFile {
    /// The repository with one issue that always shows how every member stands: `owner/name`.
    #[schemars(extend("format" = "repository"))]
    repository: String,
    /// Labels of new issues; GitHub leaves them out where the token may not push. Default: none.
    #[serde(default)]
    #[schemars(length(max = 20))]
    labels: Vec<String>,
    /// The address under which everybody reads the folder that `[publish]` names, for commands that reproduce
    /// a failure. Default: none; then the texts name the folders of this machine.
    #[schemars(extend("format" = "uri"))]
    address: Option<String>,
}

/// A package whose own repository tells of builds, or is told of failures.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CondaPackageFile {
    /// The package's name, which is one of `members`.
    #[schemars(extend("format" = "conda-name"))]
    name: String,
    /// The GitHub repository whose workflow builds it: `owner/name`.
    #[schemars(extend("format" = "repository"))]
    repository: String,
    /// SHA-256 of the package's token, as `tidegate token new` prints it. Default: none; then the repository
    /// may send no notices.
    #[schemars(extend("format" = "sha256"))]
    token_sha256: Option<String>,
    /// Whether an issue in its repository tells its maintainers of failures. Default: true where there is a
    /// `[reports]` table.
    reports: Option<bool>,
}

/// The name of a conda package.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("format" = "conda-name"))]
struct NameText(String);

/// A platform, such as `linux-64`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("format" = "conda-platform"))]
struct PlatformText(String);

/// A channel that somebody else runs: a folder or an address.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("format" = "conda-channel"))]
struct ExternalText(String);

/// A channel below the folder that `[publish]` in `tidegate.toml` names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CondaChannelFile {
    /// The channel's name, such as `staged`: lower-case letters, digits and hyphens.
    #[schemars(extend("format" = "name"))]
    name: String,
    /// Its folder below the published one, such as `2024.10/amplicon/staged`.
    #[schemars(extend("format" = "channel-path"))]
    path: String,
    /// A folder with a `patch_instructions.json` in each sub-directory whose index is to be changed: in `noarch`,
    /// `linux-64`, … It is read at each pass that publishes into the channel. Default: none.
    #[schemars(extend("format" = "absolute-path"))]
    patches: Option<PathBuf>,
}

/// A conda distribution whose file is sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CondaDistribution {
    /// Its name: the stem of its file.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Its epoch, such as `2024.10`.
    pub epoch: String,
    /// What its builds are made for; absent where that does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_target: Option<BuildTarget>,
    /// The name of its metapackage.
    pub metapackage: String,
    /// The platforms on which everything has to work, sorted.
    pub platforms: BTreeSet<String>,
    /// Its packages, by name.
    pub members: BTreeSet<String>,
    /// Members that are left out of the metapackage for the time being.
    pub ignore: BTreeSet<String>,
    /// Members that may pass although they carry no tests.
    pub without_tests: BTreeSet<String>,
    /// The channels that everything else comes from, in the order of their priority.
    pub external: Vec<String>,
    /// Its channels, in the order in which builds pass through them.
    pub channels: Vec<CondaChannel>,
    /// The packages whose repositories may send notices or are told of failures, by name.
    pub packages: BTreeMap<String, CondaPackage>,
    /// Who is told of what the recheck finds; absent where nobody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports: Option<Reports>,
}

/// Where the distribution's own people are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reports {
    /// The repository with the rolling issue: `owner/name`.
    pub repository: String,
    /// Labels of new issues.
    pub labels: Vec<String>,
    /// The address under which everybody reads the published folder, without a `/` at its end.
    pub address: Option<String>,
}

/// A package whose repository may send notices of its builds, or is told of failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CondaPackage {
    /// The GitHub repository whose workflow builds it: `owner/name`.
    pub repository: String,
    /// SHA-256 of its token, lower-case hexadecimal; absent where it may send no notices.
    pub token_sha256: Option<String>,
    /// Whether an issue in its repository tells of failures.
    pub reports: bool,
}

/// A channel below the published folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CondaChannel {
    /// Its name.
    pub name: String,
    /// Its folder below the published one, with `/` between its parts.
    pub path: String,
    /// The folder with its patch instructions; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patches: Option<PathBuf>,
}

impl CondaDistribution {
    /// The channel of that name.
    pub fn channel(&self, name: &str) -> Option<&CondaChannel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// The members that the metapackage has to hold.
    pub fn required_members(&self) -> impl Iterator<Item = &str> {
        self.members.difference(&self.ignore).map(String::as_str)
    }
}

impl CondaDistributionFile {
    /// The resolved distribution.
    pub(crate) fn resolve(self, name: &str) -> CondaDistribution {
        debug_assert_eq!(self.ecosystem, Ecosystem::Conda, "the schema allows nothing else");
        let channels = self.channel.into_iter().map(|channel| {
            let CondaChannelFile { name, path, patches } = channel;
            CondaChannel { name, path, patches }
        });
        let is_reported = self.reports.is_some();
        CondaDistribution {
            name: name.to_owned(),
            title: self.title,
            epoch: self.epoch,
            build_target: self.build_target,
            metapackage: self.metapackage,
            platforms: self.platforms.into_iter().map(|platform| platform.0).collect(),
            members: names(self.members),
            ignore: names(self.ignore),
            without_tests: names(self.without_tests),
            external: self.external.into_iter().map(|channel| channel.0).collect(),
            channels: channels.collect(),
            packages: self.package.into_iter().map(|package| package.resolve(is_reported)).collect(),
            reports: self.reports.map(ReportsFile::resolve),
        }
    }
}

impl CondaPackageFile {
    /// `is_reported` says whether the distribution has anybody told at all.
    fn resolve(self, is_reported: bool) -> (String, CondaPackage) {
        let package = CondaPackage {
            repository: self.repository,
            token_sha256: self.token_sha256,
            reports: is_reported && self.reports.unwrap_or(true),
        };
        (self.name, package)
    }
}

impl ReportsFile {
    fn resolve(self) -> Reports {
        Reports { repository: self.repository, labels: self.labels, address: self.address }
    }
}

fn names(texts: Vec<NameText>) -> BTreeSet<String> {
    texts.into_iter().map(|name| name.0).collect()
}
