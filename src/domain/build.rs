//! Exact conda builds, and the environments that are made of them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// The sub-directory that every channel has: packages for all platforms.
pub const NOARCH: &str = "noarch";

/// What a build was made for, as the workflow that made it says: QIIME 2 builds against the epoch in development,
/// or against the released one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BuildTarget {
    /// The epoch in development.
    Dev,
    /// A released epoch.
    Release,
}

impl BuildTarget {
    /// The target of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "dev" => Some(Self::Dev),
            "release" => Some(Self::Release),
            _ => None,
        }
    }
}

impl fmt::Display for BuildTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dev => "dev",
            Self::Release => "release",
        })
    }
}

/// One exact conda build: one file of one channel, never "some build of that version".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Build {
    /// The package's name, such as `q2-types`.
    pub name: String,
    /// Its version, as its index has it.
    pub version: String,
    /// Its build string, such as `py310_0`.
    pub build: String,
    /// Its build number.
    pub build_number: u64,
    /// The folder of the channel in which it lies: `noarch`, `linux-64`, …
    pub subdir: String,
    /// The name of its file.
    pub file_name: String,
    /// SHA-256 of its file, lower-case hexadecimal.
    pub sha256: String,
    /// The channel it comes from: its address without a `/` at the end.
    pub channel: String,
}

/// The exact builds that are installed together, one for each name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment(BTreeMap<String, Build>);

/// One package that two environments hold differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EnvironmentChange {
    /// The package.
    pub name: String,
    /// What the older environment has; absent where it was added.
    pub from: Option<Build>,
    /// What the newer environment has; absent where it was removed.
    pub to: Option<Build>,
}

impl Environment {
    /// The environment of `builds`. A second build of one name takes the place of the first: a solver
    /// never answers with two.
    pub fn new(builds: impl IntoIterator<Item = Build>) -> Self {
        Self(builds.into_iter().map(|build| (build.name.clone(), build)).collect())
    }

    /// Its builds in the order of their names.
    pub fn builds(&self) -> impl ExactSizeIterator<Item = &Build> {
        self.0.values()
    }

    /// The build of that name.
    pub fn build(&self, name: &str) -> Option<&Build> {
        self.0.get(name)
    }

    /// SHA-256 over the exact builds. Two environments with the same files have the same fingerprint,
    /// from whichever channel the files come: a build that moves from `staged` to `passed` stays itself.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for build in self.0.values() {
            digest.update(format!("{}/{} {}\n", build.subdir, build.file_name, build.sha256));
        }
        hex(&digest.finalize())
    }

    /// What `newer` holds otherwise than this environment, in the order of the names.
    pub fn changes_to(&self, newer: &Self) -> Vec<EnvironmentChange> {
        let names = self.0.keys().chain(newer.0.keys().filter(|name| !self.0.contains_key(*name)));
        let mut changes: Vec<EnvironmentChange> = names
            .filter_map(|name| {
                let (from, to) = (self.build(name), newer.build(name));
                let same = from.zip(to).is_some_and(|(from, to)| {
                    (&from.sha256, &from.subdir, &from.file_name) == (&to.sha256, &to.subdir, &to.file_name)
                });
                (!same).then(|| EnvironmentChange {
                    name: name.clone(),
                    from: from.cloned(),
                    to: to.cloned(),
                })
            })
            .collect();
        changes.sort();
        changes
    }
}

impl fmt::Display for Build {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.name, self.version, self.build)
    }
}

impl fmt::Display for EnvironmentChange {
    /// `numpy 1.26.4 → 2.0.0`; with the builds where the version is the same.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from.version != to.version => {
                write!(formatter, "{name} {} → {}", from.version, to.version)
            }
            (Some(from), Some(to)) if from.build != to.build => {
                write!(formatter, "{name} {} {} → {}", from.version, from.build, to.build)
            }
            (Some(from), Some(_)) => {
                write!(formatter, "{name} {} {} (other file)", from.version, from.build)
            }
            (None, Some(to)) => write!(formatter, "{name} {} (new)", to.version),
            (Some(from), None) => write!(formatter, "{name} {} (gone)", from.version),
            (None, None) => write!(formatter, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Build, Environment};

    fn build(name: &str, version: &str, sha256: &str) -> Build {
        Build {
            name: name.into(),
            version: version.into(),
            build: "0".into(),
            build_number: 0,
            subdir: "noarch".into(),
            file_name: format!("{name}-{version}-0.conda"),
            sha256: sha256.into(),
            channel: "file:///staged".into(),
        }
    }

    #[test]
    fn a_fingerprint_knows_files_and_not_where_they_came_from_or_in_which_order() {
        let (a, b) = (build("numpy", "2.0", "aa"), build("q2-types", "1", "bb"));
        let one = Environment::new([a.clone(), b.clone()]);
        let moved = Build { channel: "file:///passed".into(), ..a.clone() };
        assert_eq!(one.fingerprint(), Environment::new([b.clone(), moved]).fingerprint());
        let rebuilt = Build { sha256: "cc".into(), ..a };
        assert_ne!(one.fingerprint(), Environment::new([rebuilt, b]).fingerprint());
    }

    #[test]
    fn changes_are_told_as_people_would() {
        let old = Environment::new([
            build("numpy", "1.26.4", "aa"),
            build("gone", "1", "bb"),
            build("same", "1", "cc"),
            build("replaced", "1", "dd"),
        ]);
        let new = Environment::new([
            build("numpy", "2.0.0", "ee"),
            build("new", "3", "ff"),
            build("same", "1", "cc"),
            build("replaced", "1", "d2"),
        ]);
        let told: Vec<String> = old.changes_to(&new).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["gone 1 (gone)", "new 3 (new)", "numpy 1.26.4 → 2.0.0", "replaced 1 0 (other file)"]
        );
    }
}
