//! What a distribution says of the members of its metapackage, and the files in which it says so.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::files::catalogue::{Catalogue, CatalogueError};
use super::super::spec::{Spec, compare_versions};

/// What a distribution says of the members of its metapackage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The names of the members. Where absent, every dependency that lies in the metapackage's own
    /// channel is one.
    pub members: Option<BTreeSet<String>>,
    /// What the list of members is.
    pub lists: Listing,
    /// Names that are no members although they look like it.
    pub ignore: BTreeSet<String>,
    /// Names of members that are metapackages themselves. One of which every line pins an exact build
    /// of the channel is found without being named here.
    pub nested: BTreeSet<String>,
    /// The version that each member has to have: a version, which is compared as text, or the version
    /// part of a match spec such as `>=2.1` or `3.10.*`.
    pub versions: BTreeMap<String, String>,
}

/// What a list of members is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// The members and nothing else.
    #[default]
    Members,
    /// A whole environment: what comes from other channels is no member, and only has to be of the version
    /// that is listed.
    Environment,
}

/// Why a file does not say who the members are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedDeclaration {
    /// It is no YAML of the right shape.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It has none of the lists.
    #[error(
        "it has neither `run` (a data.yaml), `dependencies` (an environment) nor `packages` (a catalogue)"
    )]
    NoList,
    /// Its list is empty.
    #[error("it names no members")]
    Empty,
    /// A catalogue contradicts itself.
    #[error("it contradicts itself:{}", faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Catalogue {
        /// How.
        faults: Vec<String>,
    },
    /// The metapackage is that of no distribution of the catalogue.
    #[error("`{metapackage}` is the metapackage of none of its distributions: {}", distributions.join(", "))]
    NoDistribution {
        /// The metapackage's name.
        metapackage: String,
        /// The distributions.
        distributions: Vec<String>,
    },
    /// An entry is no package.
    #[error("`{entry}` is no package: {why}")]
    NoPackage {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The two files of QIIME 2 that name members: `data.yaml`, and the seed environment that took its place.
#[derive(Deserialize)]
struct Written {
    run: Option<Vec<String>>,
    ignore: Option<Vec<String>>,
    dependencies: Option<Vec<String>>,
    packages: Option<serde::de::IgnoredAny>,
}

impl Declared {
    /// Reads `data.yaml` (`run`, `ignore`) or an environment (`dependencies`, each `name=version` or a
    /// name alone); or the catalogue of all distributions (`distros`, `packages`), where the one counts that
    /// the metapackage's name ends with, such as `tiny` of `qiime2-tiny`.
    pub fn from_yaml(text: &str, metapackage: &str) -> Result<Self, MalformedDeclaration> {
        let written: Written = serde_yaml::from_str(text)
            .map_err(|error| MalformedDeclaration::Unreadable(error.to_string()))?;
        let ignore = written.ignore.unwrap_or_default();
        let mut declared = Self { ignore: names(&ignore)?, ..Self::default() };
        match (written.run, written.dependencies, written.packages) {
            (Some(run), ..) => declared.members = Some(names(&run)?),
            (None, None, Some(_)) => declared.members = Some(catalogued(text, metapackage)?),
            (None, Some(dependencies), _) => {
                declared.lists = Listing::Environment;
                let mut members = BTreeSet::new();
                for entry in dependencies {
                    let spec = spec(&entry)?;
                    if let Some(version) = spec.version() {
                        declared.versions.insert(spec.name().to_owned(), version);
                    }
                    members.insert(spec.name().to_owned());
                }
                declared.members = Some(members);
            }
            (None, None, None) => return Err(MalformedDeclaration::NoList),
        }
        match declared.members.as_ref().is_some_and(BTreeSet::is_empty) {
            true => Err(MalformedDeclaration::Empty),
            false => Ok(declared),
        }
    }

    /// The version that the member has to have, where `found` is another one.
    pub(super) fn expected_instead_of(&self, member: &str, found: &str) -> Option<&str> {
        let expected = self.versions.get(member)?;
        let plain = compare_versions(expected, expected).is_some();
        let fits = match plain {
            true => expected == found,
            false => {
                Spec::lenient(&format!("{member} {expected}")).is_ok_and(|spec| spec.accepts_version(found))
            }
        };
        (!fits).then_some(expected)
    }
}

/// The members that a catalogue lists for the distribution of a metapackage.
fn catalogued(text: &str, metapackage: &str) -> Result<BTreeSet<String>, MalformedDeclaration> {
    let unreadable = |error: CatalogueError| MalformedDeclaration::Unreadable(error.to_string());
    let (catalogue, faults) = Catalogue::read(text).map_err(unreadable)?;
    if !faults.is_empty() {
        let faults = faults.iter().map(ToString::to_string).collect();
        return Err(MalformedDeclaration::Catalogue { faults });
    }
    let is_of = |distribution: &&String| {
        metapackage == *distribution || metapackage.ends_with(&format!("-{distribution}"))
    };
    let Some(distribution) = catalogue.distributions.iter().find(is_of) else {
        let (metapackage, distributions) = (metapackage.to_owned(), catalogue.distributions);
        return Err(MalformedDeclaration::NoDistribution { metapackage, distributions });
    };
    Ok(catalogue.members(distribution).map(str::to_owned).collect())
}

/// The entries as names alone.
fn names(entries: &[String]) -> Result<BTreeSet<String>, MalformedDeclaration> {
    let name = |entry: &String| {
        let spec = spec(entry)?;
        if spec.version().is_some() || spec.build().is_some() {
            let why = "a name alone belongs here".to_owned();
            return Err(MalformedDeclaration::NoPackage { entry: entry.clone(), why });
        }
        Ok(spec.name().to_owned())
    };
    entries.iter().map(name).collect()
}

fn spec(entry: &str) -> Result<Spec, MalformedDeclaration> {
    Spec::lenient(entry)
        .map_err(|error| MalformedDeclaration::NoPackage { entry: entry.to_owned(), why: error.why })
}

#[cfg(test)]
mod tests {
    use super::{Declared, MalformedDeclaration};

    #[test]
    fn data_yaml_names_members_and_what_is_ignored() {
        let declared = Declared::from_yaml(
            "ignore: [q2-moshpit]\nmeta: {phone_home: true}\nrun: [provenance-lib, q2-types]\nversion: 2023.08.14\n",
            "qiime2-tiny",
        )
        .unwrap();
        assert!(declared.members.unwrap().contains("q2-types"));
        assert!(declared.ignore.contains("q2-moshpit"));
        assert!(Declared::from_yaml("ignore:\nrun: [q2-types]\n", "qiime2-tiny").unwrap().ignore.is_empty());
    }

    #[test]
    fn a_seed_environment_names_versions_as_well() {
        let declared = Declared::from_yaml(
            "dependencies:\n- python=3.10\n- q2-types=2024.10.0\n- scipy\n",
            "qiime2-tiny",
        )
        .unwrap();
        assert_eq!(declared.expected_instead_of("python", "3.10.14"), None);
        assert_eq!(declared.expected_instead_of("python", "3.1"), Some("3.10.*"));
        assert_eq!(declared.expected_instead_of("scipy", "1.13.0"), None);
        assert_eq!(declared.members.unwrap().len(), 3);
    }

    #[test]
    fn a_plain_version_is_compared_as_text() {
        let versions = [("qiime2".to_owned(), "2023.7.0".to_owned())].into();
        let declared = Declared { versions, ..Declared::default() };
        assert_eq!(declared.expected_instead_of("qiime2", "2023.7.0"), None);
        assert_eq!(declared.expected_instead_of("qiime2", "2023.7"), Some("2023.7.0"));
    }

    #[test]
    fn what_names_no_members_is_refused() {
        assert_eq!(Declared::from_yaml("version: 1\n", "qiime2-tiny"), Err(MalformedDeclaration::NoList));
        for text in ["run: q2-types\n", "run: [\"q2-types >=1\"]\n", "run: [\"q2-*\"]\n", "- a\n"] {
            assert!(Declared::from_yaml(text, "qiime2-tiny").is_err(), "{text}");
        }
    }
}
