//! `data.yaml` of all distributions: the epochs, the packages with their repositories, and which package is
//! in which distribution. People write it by hand, so every contradiction in it is named.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::yaml::{Node, YamlError};
use crate::domain::is_epoch;
use crate::github::RepositoryName;

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// The epoch that was released last, such as `2024.5`.
    pub released_epoch: String,
    /// The epoch that is being worked on.
    pub active_epoch: String,
    /// The epoch after that.
    pub next_epoch: String,
    /// The distributions, in the order of the file.
    pub distributions: Vec<String>,
    /// The packages by name.
    pub packages: BTreeMap<String, CataloguePackage>,
}

/// A package of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguePackage {
    /// The repository it is built from.
    pub repository: RepositoryName,
    /// The distributions that it is in.
    pub distributions: BTreeSet<String>,
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// It is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A key is missing, or has another shape.
    #[error("{place}: `{key}` has to be {wanted}")]
    Shape {
        /// Where: `the file`, or a package.
        place: String,
        /// The key.
        key: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
}

/// A contradiction in a file that can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CatalogueFault {
    /// An epoch is not a year and a month.
    #[error("`{key}` is `{value}`, which is not an epoch such as '2024.10'")]
    Epoch {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// An epoch stands without quotes, so that other programs read a number: 2024.10 as 2024.1.
    #[error("`{key}` stands without quotes: other programs read {value} as a number; write '{value}'")]
    EpochIsANumber {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// A package is in a distribution that there is not.
    #[error("`{package}` is listed for `{distribution}`, which is not among `distros`")]
    UnknownDistribution {
        /// The package.
        package: String,
        /// The distribution.
        distribution: String,
    },
    /// Something is listed twice.
    #[error("`{0}` is listed twice")]
    Twice(String),
}

impl Catalogue {
    /// Reads the file, with everything in it that contradicts itself, in the order of its kind.
    pub fn read(text: &str) -> Result<(Self, Vec<CatalogueFault>), CatalogueError> {
        let node = Node::read(text)?;
        let mut faults = Vec::new();
        let whole = Place { name: "the file".to_owned(), node: &node };
        let catalogue = Self {
            released_epoch: epoch(&whole, "released_epoch", &mut faults)?,
            active_epoch: epoch(&whole, "active_epoch", &mut faults)?,
            next_epoch: epoch(&whole, "next_epoch", &mut faults)?,
            distributions: whole.texts("distros")?,
            packages: packages(&whole, &mut faults)?,
        };
        let mut known = BTreeSet::new();
        for name in &catalogue.distributions {
            if !known.insert(name.clone()) {
                faults.push(CatalogueFault::Twice(name.clone()));
            }
        }
        for (package, entry) in &catalogue.packages {
            for distribution in entry.distributions.difference(&known) {
                let (package, distribution) = (package.clone(), distribution.clone());
                faults.push(CatalogueFault::UnknownDistribution { package, distribution });
            }
        }
        faults.sort();
        Ok((catalogue, faults))
    }

    /// The packages of a distribution, in order.
    pub fn members<'c>(&'c self, distribution: &'c str) -> impl Iterator<Item = &'c str> {
        let inside =
            self.packages.iter().filter(move |(_, entry)| entry.distributions.contains(distribution));
        inside.map(|(name, _)| name.as_str())
    }
}

/// A map of the file, and what to call it in a message.
struct Place<'n> {
    name: String,
    node: &'n Node,
}

impl<'n> Place<'n> {
    fn get(&self, key: &'static str, wanted: &'static str) -> Result<&'n Node, CatalogueError> {
        let found = self.node.as_map().and_then(|map| map.get(key));
        found.ok_or_else(|| self.shape(key, wanted))
    }

    fn shape(&self, key: &'static str, wanted: &'static str) -> CatalogueError {
        CatalogueError::Shape { place: self.name.clone(), key, wanted }
    }

    fn texts(&self, key: &'static str) -> Result<Vec<String>, CatalogueError> {
        let wanted = "a list of names";
        let texts = self.get(key, wanted)?.as_texts().ok_or_else(|| self.shape(key, wanted))?;
        Ok(texts.into_iter().map(str::to_owned).collect())
    }
}

fn epoch(
    whole: &Place<'_>,
    key: &'static str,
    faults: &mut Vec<CatalogueFault>,
) -> Result<String, CatalogueError> {
    let wanted = "an epoch such as '2024.10'";
    let node = whole.get(key, wanted)?;
    let value = node.as_text().ok_or_else(|| whole.shape(key, wanted))?.to_owned();
    if !is_epoch(&value) {
        faults.push(CatalogueFault::Epoch { key, value: value.clone() });
    } else if matches!(node, Node::Scalar(scalar) if scalar.quoting == super::yaml::Quoting::Plain) {
        faults.push(CatalogueFault::EpochIsANumber { key, value: value.clone() });
    }
    Ok(value)
}

fn packages(
    whole: &Place<'_>,
    faults: &mut Vec<CatalogueFault>,
) -> Result<BTreeMap<String, CataloguePackage>, CatalogueError> {
    let wanted = "a list of packages with `name`, `repo` and `distros`";
    let Node::List(list) = whole.get("packages", wanted)? else {
        return Err(whole.shape("packages", wanted));
    };
    let mut packages = BTreeMap::new();
    for (number, node) in list.iter().enumerate() {
        let mut place = Place { name: format!("package {}", number + 1), node };
        let name = place.get("name", "a name")?.as_text().ok_or_else(|| place.shape("name", "a name"))?;
        place.name = format!("package `{name}`");
        let wanted = "a GitHub repository such as qiime2/q2-types";
        let repository = place.get("repo", wanted)?.as_text().and_then(|text| text.parse().ok());
        let repository = repository.ok_or_else(|| place.shape("repo", wanted))?;
        let distributions = place.texts("distros")?.into_iter().collect();
        let entry = CataloguePackage { repository, distributions };
        match packages.entry(name.to_owned()) {
            Entry::Vacant(free) => drop(free.insert(entry)),
            // What is wrong with either is told at once.
            Entry::Occupied(mut known) => {
                known.get_mut().distributions.extend(entry.distributions);
                faults.push(CatalogueFault::Twice(name.to_owned()));
            }
        }
    }
    Ok(packages)
}
