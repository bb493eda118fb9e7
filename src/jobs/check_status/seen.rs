//! What is stored of a universe: what the rules look at, and the files it offers.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::{Checks, PackageFacts, PackageName};
use crate::ecosystem::cran::universe::{UniverseAnswer, UniversePackage};
use crate::failure::Failure;

/// Published less than this before a look: dependents may still be rebuilding (upstream's rule).
const JUST_PUBLISHED: SignedDuration = SignedDuration::from_mins(5);

/// What a universe says of its packages, as it is stored.
pub type SeenUniverse = BTreeMap<PackageName, SeenPackage>;

/// What a universe says of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenPackage {
    /// What the rules look at.
    pub facts: PackageFacts,
    /// The source package, where there is one.
    pub source: Option<SeenFile>,
    /// The binary packages.
    pub binaries: Vec<SeenBinary>,
}

/// A source package, as its universe promises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFile {
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes, where the universe says so.
    pub size: Option<u64>,
}

/// A binary package, as its universe promises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBinary {
    /// `win`, `mac`, `linux` or `wasm`.
    pub os: String,
    /// The architecture; none for a package without compiled code.
    pub arch: Option<String>,
    /// The Linux it was built on; none for other systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<String>,
    /// The full version of R that built it.
    pub r: String,
    /// The package's version.
    pub version: String,
    /// The commit that was built.
    pub commit: Option<String>,
    /// Its SHA-256.
    pub sha256: String,
    /// `success`, or another word where its build or check did not come to a good end. None is said in what
    /// was stored before this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl SeenBinary {
    /// Whether people should get it.
    pub fn is_good(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "success")
    }
}

/// Reads a universe's answer. A universe always lists something: an empty answer, or one with records
/// that cannot be read, is a fault of the source.
pub fn read_universe(bytes: &[u8]) -> Result<SeenUniverse, Failure> {
    let packages = UniverseAnswer::read("the universe", bytes)?.require_whole("the universe")?;
    if packages.is_empty() {
        return Err(Failure::transient("the universe's answer lists no package at all"));
    }
    Ok(packages.into_iter().map(seen_package).collect())
}

/// Turns a record of a universe into what is stored of it.
fn seen_package(package: UniversePackage) -> (PackageName, SeenPackage) {
    let facts = facts_of(&package);
    let source = package.file.map(|file| SeenFile { sha256: file.sha256, size: file.size });
    let binaries = package.binaries.into_iter().map(|binary| SeenBinary {
        os: binary.os,
        arch: binary.arch,
        distro: binary.distro,
        r: binary.r,
        version: binary.version,
        commit: binary.commit,
        sha256: binary.sha256,
        status: binary.status,
    });
    (package.package, SeenPackage { facts, source, binaries: binaries.collect() })
}

/// What the rules look at in a record of a universe.
pub fn facts_of(package: &UniversePackage) -> PackageFacts {
    PackageFacts {
        version: Some(package.version.clone()),
        commit: Some(package.commit.clone()),
        published: package.published.clone(),
        just_published: false,
        license: package.license.clone(),
        foss: package.foss,
        remotes: package.remotes.clone(),
        checks: match &package.issues_r_cmd_check {
            Some(bad) => Checks::Bad(bad.clone()),
            None => Checks::All(package.checks.clone()),
        },
        dependencies: package.strong_dependencies().into_iter().cloned().collect(),
        newer_failure: package.failure.as_ref().map(|failure| failure.commit.clone().unwrap_or_default()),
        failure_url: package.failure.as_ref().and_then(|failure| failure.build_url.clone()),
        packed: package.created,
        updated: None,
    }
}

/// True where `published` (as status files print it) lies less than five minutes before `now`, or after it: the
/// clocks of two machines differ, and upstream's rule is the same.
pub fn was_just_published(published: Option<&str>, now: Timestamp) -> bool {
    let at = published.and_then(published_at);
    at.is_some_and(|at| now.duration_since(at) < JUST_PUBLISHED)
}

/// The time in `published` as status files print it.
pub fn published_at(published: &str) -> Option<Timestamp> {
    let text = published.trim_end_matches(" UTC").replacen(' ', "T", 1) + "Z";
    text.parse().ok()
}
