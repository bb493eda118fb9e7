//! The manifest of a snapshot: everything that is in it, and why the rest is not.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

use crate::decide::snapshot::{
    GivenLeave, LeftOut, LetInBy, Member, Needed, OutsideDependency, SnapshotPlan,
};
use crate::domain::{
    Check, Evidence, EvidenceOverride, HeldUntil, PackageName, SnapshotRelease, WithdrawnBytes,
};

/// The file that holds it, at the top of the published folder.
pub const FILE: &str = crate::publish::target::MANIFEST;
/// The folder of the repository that holds what is not in the snapshot and is needed by it.
pub const FAILING: &str = "failing";
/// The version of the format that is written. The one before had no checks, nothing from outside, and no times;
/// it is still read.
pub const FORMAT: u32 = 2;

/// What a published snapshot says of itself. Nothing in it depends on when or where it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// The distribution.
    pub distribution: String,
    /// The snapshot's date.
    #[schemars(with = "String", extend("format" = "date"))]
    pub date: Date,
    /// The targeted R as `major.minor`.
    pub r: String,
    /// The address of the frozen CRAN that users pair it with.
    pub cran: String,
    /// The date at which that CRAN is frozen.
    #[schemars(with = "String", extend("format" = "date"))]
    pub cran_date: Date,
    /// The address under which it is published.
    pub production: String,
    /// The operator's word by which it was published though fewer packages are in it than may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<SnapshotRelease>,
    /// What is in it, by name.
    pub packages: Vec<ManifestPackage>,
    /// The repository of packages that are not in it and that its packages need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<ManifestFailing>,
    /// Strong dependencies of its packages that the distribution does not have, by name, as the frozen CRAN had
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<OutsideDependency>,
    /// What is not in it, by name, and why.
    pub left_out: Vec<ManifestLeftOut>,
    /// How often it was made: one more for each withdrawal. Left out for the first time.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub generation: u64,
    /// What was withdrawn from it since it was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<ManifestWithdrawn>,
    /// Every file besides this one and what is signed over it, by path.
    pub files: Vec<ManifestFile>,
}

fn first() -> u64 {
    1
}

fn is_first(generation: &u64) -> bool {
    *generation == first()
}

/// Something that was withdrawn from a snapshot after it was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestWithdrawn {
    /// The package; none where the whole snapshot was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageName>,
    /// The version it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Whether its files still lie where they lay. Those that do are among `files`.
    pub bytes: WithdrawnBytes,
    /// The files that no index lists any more, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<ManifestFile>,
}

/// A package of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// Where its source lives.
    pub url: String,
    /// The evidence on the day.
    pub evidence: String,
    /// The checks of exactly this build with a version of R that counted, each with its outcome and log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What speaks against it all the same; only where staged packages count as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// The own check without which it would have failed on the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_in_by: Option<LetInBy>,
    /// Whose leave let this version pass a freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<GivenLeave>,
    /// The operator's word that stood for its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<EvidenceOverride>,
    /// Packages of the distribution that it depends on and that are not in it: they come from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies_from_elsewhere: Vec<String>,
}

/// A repository of its own, beside that of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestFailing {
    /// Its folder, below that of the snapshot.
    pub folder: String,
    /// What is in it, by name.
    pub packages: Vec<ManifestNeeded>,
}

/// A package that is not in the snapshot and that something in it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestNeeded {
    /// What is published of it.
    #[serde(flatten)]
    pub package: ManifestPackage,
    /// Why it is not in the snapshot itself, in one sentence.
    pub reason: String,
    /// What depends on it directly.
    pub needed_by: Vec<String>,
}

/// A package that is not in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestLeftOut {
    /// Its name.
    pub name: String,
    /// The version the channel had, where it had one.
    pub version: Option<String>,
    /// Why, in one sentence.
    pub reason: String,
    /// Since when it, or what it depends on, was seen not to pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// The packages behind it, where it is not this package itself: those that fail, or the nearest one of which
    /// nobody can tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_causes: Vec<String>,
    /// The evidence on the day. It is `passing` where only something that it depends on is not in the snapshot,
    /// and absent where it was taken out whatever its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Where nobody can tell: what would have released it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held_until: BTreeSet<HeldUntil>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestFile {
    /// Its path below the snapshot's folder.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Manifest {
    /// The manifest of a plan, without its files.
    pub fn of(plan: &SnapshotPlan, distribution: &str, targets: &crate::calendar::Targets) -> Self {
        Self {
            format: FORMAT,
            distribution: distribution.to_owned(),
            date: targets.snapshot,
            r: targets.r.clone(),
            cran: targets.cran.clone(),
            cran_date: targets.dependency_freeze,
            production: targets.production.clone(),
            released: plan.released.clone(),
            packages: plan.members.iter().map(package).collect(),
            failing: failing(&plan.needed),
            outside: plan.outside.clone(),
            left_out: plan.left_out.iter().map(left_out).collect(),
            generation: first(),
            withdrawn: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Every package that is published: what is in it, and what its packages need.
    pub(super) fn published(&self) -> impl Iterator<Item = &ManifestPackage> {
        let apart = self.failing.iter().flat_map(|failing| &failing.packages);
        self.packages.iter().chain(apart.map(|needed| &needed.package))
    }

    /// A package that is published, by its name.
    pub(crate) fn find(&self, name: &str) -> Option<&ManifestPackage> {
        self.published().find(|package| package.name == name)
    }

    /// Reads a manifest of this format or the one before. An error is one clause about the text.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        match serde_json::from_slice::<Format>(bytes) {
            Ok(Format { format }) if format > FORMAT => {
                Err(format!("its format {format} is newer than {FORMAT}, which this tidegate knows"))
            }
            Ok(_) => serde_json::from_slice(bytes).map_err(|error| format!("it is no manifest: {error}")),
            Err(error) => Err(format!("it is no manifest: {error}")),
        }
    }

    /// The JSON Schema (2020-12) of the file.
    pub fn schema() -> serde_json::Value {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut schema = generator.into_root_schema_for::<Self>().to_value();
        schema["title"] = FILE.into();
        schema
    }

    /// The bytes of the file, with a line feed at the end.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn package(member: &Member) -> ManifestPackage {
    let evidence = serde_json::to_value(member.evidence).ok();
    ManifestPackage {
        name: member.package.clone(),
        version: member.version.clone(),
        commit: member.commit.clone(),
        url: member.url.clone(),
        evidence: evidence.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default(),
        checks: member.checks.clone(),
        caveat: member.caveat.clone(),
        let_in_by: member.let_in_by.clone(),
        exception: member.exception.clone(),
        overridden: member.overridden.clone(),
        dependencies_from_elsewhere: member.dependencies_from_elsewhere.clone(),
    }
}

fn failing(needed: &[Needed]) -> Option<ManifestFailing> {
    let packages = needed.iter().map(|needed| ManifestNeeded {
        package: package(&needed.package),
        reason: needed.reason.clone(),
        needed_by: needed.needed_by.clone(),
    });
    let folder = FAILING.to_owned();
    (!needed.is_empty()).then(|| ManifestFailing { folder, packages: packages.collect() })
}

fn left_out(left: &LeftOut) -> ManifestLeftOut {
    ManifestLeftOut {
        name: left.package.clone(),
        version: left.version.clone(),
        reason: left.reason.clone(),
        since: left.since,
        root_causes: left.root_causes.clone(),
        evidence: left.evidence,
        held_until: left.held_until.clone(),
    }
}
