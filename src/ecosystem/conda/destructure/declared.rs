//! What a distribution says of the members of its metapackage, and the files in which it says so.

use std::collections::{BTreeMap, BTreeSet};

use super::super::files::build_config::{BuildConfig, BuildConfigError};
use super::super::files::catalogue::{Catalogue, CatalogueError};
use super::super::files::distribution_data::{DistributionData, DistributionDataError};
use super::super::files::kind::FileKind;
use super::super::files::yaml::{Node, YamlError};
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
    /// Names of members that are metapackages themselves. Most are found without being named here, by what they
    /// install and by their lines.
    pub nested: BTreeSet<String>,
    /// The version that each member has to have: a version, which is compared as text, or the version
    /// part of a match spec such as `>=2.1` or `3.10.*`.
    pub versions: BTreeMap<String, String>,
    /// The same as a `conda_build_config.yaml` has it: by names that have `_` for `-`, some of which are no
    /// packages, such as `qiime2_epoch`. A version there accepts what begins with it, as `3.8` does `3.8.16`.
    pub configured: BTreeMap<String, String>,
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
    /// It is a `data.yaml` that is refused.
    #[error(transparent)]
    Data(#[from] DistributionDataError),
    /// It is nothing that is known.
    #[error(
        "it is no data.yaml (`run`), no environment (`dependencies`), no catalogue (`packages`) and no \
         conda_build_config.yaml: {0}"
    )]
    NoList(BuildConfigError),
    /// A package is listed twice.
    #[error("`{0}` is listed twice")]
    Twice(String),
    /// Two files contradict each other.
    #[error("it says that {name} is {other}, and another one says {one}")]
    OtherVersion {
        /// The package.
        name: String,
        /// What the file before says.
        one: String,
        /// What this one says.
        other: String,
    },
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

impl Declared {
    /// Reads what one file says of the members of that metapackage, whichever of QIIME 2's files it is:
    ///
    /// - `data.yaml` of a distribution: the members, and what is left out;
    /// - `data.yaml` of all distributions: the members of the one that the metapackage's name ends with, such
    ///   as `tiny` of `qiime2-tiny`;
    /// - an environment, as a seed or as it was solved: packages with their versions;
    /// - `conda_build_config.yaml`: versions alone.
    pub fn from_yaml(text: &str, metapackage: &str) -> Result<Self, MalformedDeclaration> {
        let node = Node::read(text).map_err(unreadable)?;
        let declared = match FileKind::of(&node) {
            FileKind::Data => {
                let data = DistributionData::read(text)?;
                Self { members: Some(names(&data.run)?), ignore: names(&data.ignore)?, ..Self::default() }
            }
            FileKind::Environment => Self::of_environment(&node)?,
            FileKind::Catalogue => Self { members: Some(catalogued(text, metapackage)?), ..Self::default() },
            FileKind::BuildConfig => {
                let config = BuildConfig::read(text).map_err(MalformedDeclaration::NoList)?;
                let configured = config.values().map(|(key, value)| (key.to_owned(), value.to_owned()));
                Self { configured: configured.collect(), ..Self::default() }
            }
        };
        match declared.members.as_ref().map_or(declared.configured.is_empty(), BTreeSet::is_empty) {
            true => Err(MalformedDeclaration::Empty),
            false => Ok(declared),
        }
    }

    /// An environment: each line is `name=version`, perhaps with a build, or a name alone. What pip is to install
    /// is no package of a channel.
    fn of_environment(node: &Node) -> Result<Self, MalformedDeclaration> {
        let list = match node.as_map().and_then(|map| map.get("dependencies")) {
            Some(Node::List(list)) => list,
            _ => return Err(MalformedDeclaration::Unreadable("`dependencies` has to be a list".to_owned())),
        };
        let mut declared = Self { lists: Listing::Environment, ..Self::default() };
        let mut members = BTreeSet::new();
        for entry in list {
            if entry.as_map().is_some_and(|map| map.keys().eq(["pip"])) {
                continue;
            }
            let entry = entry.as_text().ok_or_else(|| {
                MalformedDeclaration::Unreadable("`dependencies` has to be a list of texts".to_owned())
            })?;
            let spec = spec(entry)?;
            if let Some(version) = spec.version() {
                declared.versions.insert(spec.name().to_owned(), version);
            }
            if !members.insert(spec.name().to_owned()) {
                return Err(MalformedDeclaration::Twice(spec.name().to_owned()));
            }
        }
        declared.members = Some(members);
        Ok(declared)
    }

    /// What two files say together. A list of members decides who is one; beside it, an environment only says
    /// which versions they have.
    pub fn and(self, other: Self) -> Result<Self, MalformedDeclaration> {
        let union = |mut one: BTreeSet<String>, other: BTreeSet<String>| {
            one.extend(other);
            one
        };
        let (members, lists) = match (self.members, other.members) {
            (Some(one), Some(two)) if self.lists == other.lists => (Some(union(one, two)), self.lists),
            (Some(one), Some(_)) if self.lists == Listing::Members => (Some(one), Listing::Members),
            (Some(one), None) => (Some(one), self.lists),
            (_, two) => (two, other.lists),
        };
        Ok(Self {
            members,
            lists,
            ignore: union(self.ignore, other.ignore),
            nested: union(self.nested, other.nested),
            versions: agreed(self.versions, other.versions)?,
            configured: agreed(self.configured, other.configured)?,
        })
    }

    /// Whether a `conda_build_config.yaml` names that package.
    pub(super) fn configures(&self, name: &str) -> bool {
        self.configured.contains_key(&name.replace('-', "_"))
    }

    /// The version that the member has to have, where `found` is another one.
    pub(super) fn expected_instead_of(&self, member: &str, found: &str) -> Option<&str> {
        let listed = self
            .versions
            .get(member)
            .filter(|expected| *expected != found && !accepts_range(member, expected, found));
        let configured = || {
            let expected = self.configured.get(&member.replace('-', "_"))?;
            let begins = found.strip_prefix(&**expected).is_some_and(|rest| rest.starts_with('.'));
            (expected != found && !begins && !accepts_range(member, expected, found)).then_some(expected)
        };
        listed.or_else(configured).map(String::as_str)
    }
}

/// Whether what is expected is more than one version, such as `>=2.1` or `3.10.*`, and accepts this one.
fn accepts_range(member: &str, expected: &str, found: &str) -> bool {
    compare_versions(expected, expected).is_none()
        && Spec::lenient(&format!("{member} {expected}")).is_ok_and(|spec| spec.accepts_version(found))
}

fn agreed(
    mut one: BTreeMap<String, String>,
    two: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, MalformedDeclaration> {
    for (name, other) in two {
        match one.get(&name) {
            Some(known) if *known != other => {
                return Err(MalformedDeclaration::OtherVersion { name, one: known.clone(), other });
            }
            _ => drop(one.insert(name, other)),
        }
    }
    Ok(one)
}

fn unreadable(error: YamlError) -> MalformedDeclaration {
    MalformedDeclaration::Unreadable(error.to_string())
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
fn names(entries: &BTreeSet<String>) -> Result<BTreeSet<String>, MalformedDeclaration> {
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
    use super::Declared;

    #[test]
    fn data_yaml_names_members_and_what_is_ignored() {
        let declared = Declared::from_yaml(
            "ignore: [q2-moshpit]\nmeta: {phone_home: true}\nrun: [provenance-lib, q2-moshpit, q2-types]\nversion: 2023.08.14\n",
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
    fn a_build_config_names_versions_of_packages_that_it_spells_in_its_own_way() {
        let text = "python: ['3.8']\nq2_types: [2023.7.0.dev0+3.gb8]\nqiime2_epoch: ['2023.7']\nscipy: ['>=1.7,<1.9']\n";
        let declared = Declared::from_yaml(text, "qiime2-core").unwrap();
        assert_eq!(declared.members, None);
        assert_eq!(declared.expected_instead_of("q2-types", "2023.7.0.dev0+3.gb8"), None);
        assert_eq!(
            declared.expected_instead_of("q2-types", "2023.7.0.dev0"),
            Some("2023.7.0.dev0+3.gb8"),
            "local parts count"
        );
        assert_eq!(declared.expected_instead_of("python", "3.8.16"), None);
        assert_eq!(declared.expected_instead_of("python", "3.80"), Some("3.8"));
        assert_eq!(declared.expected_instead_of("scipy", "1.8.1"), None);
        assert_eq!(declared.expected_instead_of("scipy", "1.9"), Some(">=1.7,<1.9"));
    }

    #[test]
    fn two_files_together_say_who_the_members_are_and_of_which_version() {
        let read = |text: &str| Declared::from_yaml(text, "qiime2-core").unwrap();
        let data = read("ignore: [rescript]\nrun: [q2-types, rescript]\n");
        let both = data.clone().and(read("q2_types: [2023.7.0]\nrescript: [2023.2.0]\n")).unwrap();
        assert_eq!(both.members, data.members);
        assert_eq!(both.expected_instead_of("q2-types", "2023.7.1"), Some("2023.7.0"));
        let environment = read("dependencies: [q2-types=2023.7.0, numpy=1.26.4]\n");
        for both in [data.clone().and(environment.clone()), environment.and(data.clone())] {
            let both = both.unwrap();
            assert_eq!((&both.members, both.lists), (&data.members, super::Listing::Members));
            assert_eq!(both.expected_instead_of("q2-types", "2023.7.1"), Some("2023.7.0.*"));
        }
        let contradicts = read("q2_types: [2023.7.0]\n").and(read("q2_types: [2023.7.1]\n"));
        assert_eq!(
            contradicts.unwrap_err().to_string(),
            "it says that q2_types is 2023.7.1, and another one says 2023.7.0"
        );
    }

    #[test]
    fn an_environment_may_name_builds_and_what_pip_installs() {
        let declared = Declared::from_yaml(
            "dependencies:\n- q2-types=2024.10.0=py310_0\n- pip:\n  - q2-extra==1.0\n",
            "m",
        )
        .unwrap();
        assert_eq!(declared.members.unwrap().into_iter().collect::<Vec<_>>(), ["q2-types"]);
    }

    #[test]
    fn what_names_no_members_is_refused() {
        let refused = |text: &str| Declared::from_yaml(text, "qiime2-tiny").unwrap_err().to_string();
        let said: Vec<String> = [
            "version: 1\n",
            "run: q2-types\n",
            "run: [\"q2-types >=1\"]\n",
            "run: [\"q2-*\"]\n",
            "run: []\n",
            "run: [q2-types, q2-types]\n",
            "ignore: [q2-new]\nrun: [q2-types]\n",
            "dependencies: [q2-types=1, q2-types=2]\n",
            "dependencies: []\n",
            "q2_types: [1, 2]\n",
            "- a\n",
        ]
        .into_iter()
        .map(refused)
        .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        it is no data.yaml (`run`), no environment (`dependencies`), no catalogue (`packages`) and no conda_build_config.yaml: `version` has to be a list of exactly one version or spec
        `run` has to be a list of package names
        `q2-types >=1` is no package: a name alone belongs here
        `q2-*` is no package: "q2-*" looks like a glob but only exact package names are allowed, package names can only contain 0-9, a-z, A-Z, -, _, or .
        it names no members
        `q2-types` is listed twice under `run`
        `q2-new` is under `ignore`, but not under `run`
        `q2-types` is listed twice
        it names no members
        it is no data.yaml (`run`), no environment (`dependencies`), no catalogue (`packages`) and no conda_build_config.yaml: `q2_types` has to be a list of exactly one version or spec
        it is no data.yaml (`run`), no environment (`dependencies`), no catalogue (`packages`) and no conda_build_config.yaml: a map of package names is wanted, such as `q2_types: [2023.7.0]`
        "#);
    }
}
