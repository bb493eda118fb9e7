//! A world's files as they are written: one struct per table, object or row. Unknown keys are
//! refused here; what takes more than one value to judge is judged in `settings` and `semantics`.

use serde::Deserialize;
use toml::Spanned;

use super::scalars::{
    AboutPackage, Branch, BuildText, Channel, Commit, Day, Folder, JobUrl, Line, Moment, Name, Published,
    RepositoryUrl, UniqueKeys, UniqueRows, Version,
};
use super::{CheckResult, OutageSource};

/// `world.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorldFile {
    #[serde(rename = "format")]
    pub(super) _format: u32,
    pub(super) name: Line,
    pub(super) ecosystem: Ecosystem,
    pub(super) start: Spanned<Moment>,
    pub(super) end: Spanned<Moment>,
    pub(super) universe: Vec<UniverseTable>,
    pub(super) people: PeopleTable,
    pub(super) r_release: Vec<RReleaseTable>,
    #[serde(default)]
    pub(super) outage: Vec<OutageTable>,
}

/// Ecosystems that can be played back.
#[derive(Debug, Deserialize)]
pub(super) enum Ecosystem {
    #[serde(rename = "r-universe")]
    RUniverse,
}

impl Ecosystem {
    /// The ecosystem's name, as written.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::RUniverse => "r-universe",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UniverseTable {
    pub(super) channel: Spanned<Channel>,
    pub(super) repository: Spanned<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeopleTable {
    pub(super) merge_after: Spanned<Line>,
    #[serde(default)]
    pub(super) close: Vec<Spanned<Name>>,
    #[serde(default)]
    pub(super) edit: Vec<Spanned<Name>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RReleaseTable {
    pub(super) version: Version,
    pub(super) date: Spanned<Day>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutageTable {
    pub(super) source: OutageSource,
    pub(super) universe: Spanned<Line>,
    pub(super) from: Spanned<Moment>,
    pub(super) to: Spanned<Moment>,
}

/// One channel of `initial.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InitialObject {
    pub(super) packages: UniqueRows<ListingObject>,
    pub(super) versions: UniqueRows<VersionsObject>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListingObject {
    pub(super) package: Name,
    pub(super) url: RepositoryUrl,
    pub(super) branch: Option<Branch>,
    pub(super) subdir: Option<Folder>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionsObject {
    pub(super) package: Name,
    pub(super) version_current: Version,
    pub(super) hash_current: Commit,
    pub(super) version_highest: Option<Version>,
    pub(super) hash_highest: Option<Commit>,
}

impl AboutPackage for ListingObject {
    fn package(&self) -> &str {
        &self.package.0
    }
}

impl AboutPackage for VersionsObject {
    fn package(&self) -> &str {
        &self.package.0
    }
}

/// A row of `registry.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryRow {
    pub(super) at: Moment,
    pub(super) set: UniqueKeys<Name, SetObject>,
    pub(super) remove: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetObject {
    pub(super) url: RepositoryUrl,
    pub(super) branch: Option<Branch>,
    pub(super) subdir: Option<Folder>,
}

/// A row of `releases.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseRow {
    pub(super) at: Moment,
    pub(super) repository: RepositoryUrl,
    pub(super) tag: Line,
    pub(super) commit: Commit,
    pub(super) packages: UniqueKeys<Name, Version>,
}

/// A row of `evidence.jsonl`; with `gone` it has nothing but a time, a universe and a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceObject {
    pub(super) at: Moment,
    pub(super) universe: Line,
    pub(super) package: Name,
    pub(super) gone: Option<bool>,
    pub(super) commit: Option<Commit>,
    pub(super) version: Option<Version>,
    pub(super) created: Option<Published>,
    pub(super) published: Option<Published>,
    #[serde(default)]
    pub(super) checks: Vec<CheckObject>,
    #[serde(default)]
    pub(super) remotes: Vec<Line>,
    pub(super) license: Option<Line>,
    #[serde(default)]
    pub(super) advisories: Vec<Line>,
    pub(super) building: Option<BuildText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckObject {
    pub(super) config: Line,
    pub(super) r: Version,
    pub(super) check: CheckResult,
    pub(super) url: JobUrl,
}

/// `dependencies.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DependenciesFile {
    pub(super) dependencies: UniqueKeys<Name, Vec<Name>>,
    /// For people; the program has no use for it.
    #[serde(rename = "note")]
    pub(super) _note: Option<String>,
}

/// `cran.json`.
pub(super) type CranFile = UniqueKeys<Day, UniqueKeys<Name, Version>>;

/// `initial.json`.
pub(super) type InitialFile = UniqueKeys<Channel, InitialObject>;
