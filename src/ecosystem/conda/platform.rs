//! What a platform itself provides, as far as packages ask for it. It is fixed, and never looked up on
//! this machine: the same input has to give the same solution wherever it is solved.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use rattler_conda_types::package::BuildString;
use rattler_conda_types::{GenericVirtualPackage, PackageName, Version};
use serde::{Deserialize, Serialize};

/// The virtual packages of a platform: each name with its version and build string.
///
/// | platform | packages |
/// | --- | --- |
/// | `linux-*` | `__unix`, `__linux` 4.18, `__glibc` 2.28 |
/// | `osx-*` | `__unix`, `__osx` 13.0 |
/// | `win-*` | `__win` 10 |
///
/// and `__archspec` 1 with the oldest processor of the platform. Linux is that of RHEL 8 and AlmaLinux 8,
/// the oldest that conda-forge builds for; `__cuda` is never there unless it is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VirtualPackages(BTreeMap<String, (String, String)>);

/// Why something is no virtual package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {version} is no virtual package: {why}")]
pub struct MalformedVirtualPackage {
    /// Its name as written.
    pub name: String,
    /// Its version as written.
    pub version: String,
    /// What is wrong.
    pub why: String,
}

impl VirtualPackages {
    /// Those of a platform by default; none for a platform that is not listed above.
    pub fn of(platform: &str) -> Self {
        let (system, processor) = platform.split_once('-').unwrap_or((platform, ""));
        let mut packages: Vec<(&str, &str, &str)> = match system {
            "linux" => vec![("__unix", "0", "0"), ("__linux", "4.18", "0"), ("__glibc", "2.28", "0")],
            "osx" => vec![("__unix", "0", "0"), ("__osx", "13.0", "0")],
            "win" => vec![("__win", "10", "0")],
            _ => Vec::new(),
        };
        let oldest = match (system, processor) {
            ("osx", "arm64") => "m1",
            (_, "64") => "x86_64",
            (_, "32") => "x86",
            (_, other) => other,
        };
        if !packages.is_empty() {
            packages.push(("__archspec", "1", oldest));
        }
        let entries = packages.into_iter();
        Self(entries.map(|(name, version, build)| (name.into(), (version.into(), build.into()))).collect())
    }

    /// The same with this one added, or in the place of the one of that name.
    pub fn with(mut self, name: &str, version: &str, build: &str) -> Result<Self, MalformedVirtualPackage> {
        generic(name, version, build)?;
        self.0.insert(name.to_owned(), (version.to_owned(), build.to_owned()));
        Ok(self)
    }

    /// As the solver takes them.
    pub(super) fn generic(&self) -> Result<Vec<GenericVirtualPackage>, MalformedVirtualPackage> {
        self.0.iter().map(|(name, (version, build))| generic(name, version, build)).collect()
    }
}

fn generic(name: &str, version: &str, build: &str) -> Result<GenericVirtualPackage, MalformedVirtualPackage> {
    let malformed =
        |why: String| MalformedVirtualPackage { name: name.to_owned(), version: version.to_owned(), why };
    if !name.starts_with("__") {
        return Err(malformed("its name has to begin with `__`".to_owned()));
    }
    Ok(GenericVirtualPackage {
        name: PackageName::from_str(name).map_err(|error| malformed(error.to_string()))?,
        version: Version::from_str(version).map_err(|error| malformed(error.to_string()))?,
        build_string: BuildString::from_str(build).map_err(|error| malformed(error.to_string()))?,
    })
}
