//! R-universe: what it says of the packages it builds. A universe answers with one record per
//! package, which comes as a stream of lines or as an array; see <https://docs.r-universe.dev>.
//!
//! The shapes were seen in recorded answers of the public API (June 2025 and April 2026).

mod answer;
mod bundle;
mod client;
mod condensed;
mod field;
mod record;

pub use answer::{MalformedRecord, UniverseAnswer};
pub use bundle::{BundleFormat, BundleRequest, each_member};
pub use client::UniverseClient;

use jiff::Timestamp;

use super::layout::{BinaryPlatform, ContribFolder, RepositoryPath, UnsafePart};
use crate::domain::{Check, PackageName, RVersion};

/// What a universe says of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniversePackage {
    /// The package.
    pub package: PackageName,
    /// The version that was built; for a package that was never built the one that was tried.
    pub version: String,
    /// The commit that was built or tried.
    pub commit: String,
    /// When the source was packed, before anything was checked; none where the universe does not say so.
    pub created: Option<Timestamp>,
    /// When it was published, as upstream prints it: `2025-06-02 15:36:27.246 UTC`.
    pub published: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The `URL` field as written: several addresses between commas.
    pub url: Option<String>,
    /// The `License` field as written.
    pub license: Option<String>,
    /// Whether the licence is a free one; none where there is no licence.
    pub foss: Option<bool>,
    /// The development dependencies under `Remotes`, without empty ones.
    pub remotes: Vec<String>,
    /// Every job with a result, with the address of its log. A job that has no result yet is left out.
    pub checks: Vec<Check>,
    /// Only in condensed form: the checks that count as an issue.
    pub issues_r_cmd_check: Option<Vec<Check>>,
    /// Only in condensed form: the version that CRAN has.
    pub cran: Option<String>,
    /// Its dependencies of every role, as the DESCRIPTION has them.
    pub dependencies: Vec<UniverseDependency>,
    /// The newest build, where it failed. The rest of the record is then of an older, good build,
    /// unless the package was never built.
    pub failure: Option<BuildFailure>,
    /// True for a record that knows nothing but a failed build.
    pub never_built: bool,
    /// The repository under `github.com/r-universe` whose workflows build the package.
    pub monorepo: Option<String>,
    /// The source package.
    pub file: Option<ArtifactRef>,
    /// The binaries of every platform and R version.
    pub binaries: Vec<BinaryRef>,
}

/// One dependency of a package, as R-universe lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniverseDependency {
    /// The other package, or `R` itself.
    pub package: PackageName,
    /// The DESCRIPTION field it stands in: `Depends`, `Imports`, `LinkingTo`, `Suggests`, `Enhances`.
    pub role: String,
    /// The condition on its version, such as `>= 3.0.0`.
    pub version: Option<String>,
}

/// A build that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFailure {
    /// The version that was tried.
    pub version: Option<String>,
    /// The commit that was tried.
    pub commit: Option<String>,
    /// The build's log.
    pub build_url: Option<String>,
    /// When, as the universe prints it (RFC 3339).
    pub date: Option<String>,
}

/// A source package in the universe's repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRef {
    /// Where it lies, relative to the universe.
    pub path: RepositoryPath,
    /// Its size in bytes, where the universe says so.
    pub size: Option<u64>,
    /// Its sha256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// A binary package, as R-universe lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryRef {
    /// `win`, `mac`, `linux` or `wasm`.
    pub os: String,
    /// The architecture (`x86_64`, `aarch64`); none for a package without compiled code.
    pub arch: Option<String>,
    /// The Linux it was built on, such as `noble`; none for other systems.
    pub distro: Option<String>,
    /// The full version of R that built it, such as `4.6.1`.
    pub r: String,
    /// The package's version.
    pub version: String,
    /// The commit that was built.
    pub commit: Option<String>,
    /// Its sha256, under which R-universe stores it.
    pub sha256: String,
    /// `success`, or `failure` where its check failed.
    pub status: Option<String>,
}

impl UniversePackage {
    /// The other packages it cannot do without (`Depends`, `Imports`, `LinkingTo`), each once, in
    /// the record's order, without R itself. Packages that come with R are among them.
    pub fn strong_dependencies(&self) -> Vec<&PackageName> {
        let mut strong = Vec::new();
        for dependency in &self.dependencies {
            let counts = matches!(dependency.role.as_str(), "Depends" | "Imports" | "LinkingTo");
            if counts && dependency.package != "R" && !strong.contains(&&dependency.package) {
                strong.push(&dependency.package);
            }
        }
        strong
    }
}

impl BinaryRef {
    /// Where this binary of `package` lies in a CRAN-like repository: one path for each platform it
    /// serves, none for a platform that snapshots do not carry.
    pub fn paths(&self, package: &str) -> Result<Vec<(BinaryPlatform, RepositoryPath)>, UnsafePart> {
        let series = RVersion::parse(&self.r).map(|r| r.minor_series()).unwrap_or_default();
        BinaryPlatform::of_universe(&self.os, self.arch.as_deref())
            .iter()
            .map(|platform| {
                let folder = ContribFolder::binary(*platform, &series)?;
                Ok((*platform, folder.archive(package, &self.version)?))
            })
            .collect()
    }
}
