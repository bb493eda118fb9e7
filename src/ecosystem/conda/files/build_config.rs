//! `conda_build_config.yaml`: one version or spec for each package, as package-integration keeps it in
//! `tested` and in each distribution's `staged`.
//!
//! Keys are package names with `_` for `-`, values lists of exactly one text. Keys that are no packages,
//! such as `qiime2_epoch`, are kept.

use std::collections::BTreeMap;

use super::yaml::{Node, YamlError};

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildConfig {
    values: BTreeMap<String, String>,
    /// The file as it was read, for as long as nothing has changed.
    unchanged: Option<String>,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildConfigError {
    /// It cannot be read or written.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Its top is no map.
    #[error("a map of package names is wanted, such as `q2_types: [2023.7.0]`")]
    NotAMap,
    /// A value is not a list of one text.
    #[error("`{0}` has to be a list of exactly one version or spec")]
    NotOne(String),
    /// Two spellings of one package.
    #[error("`{0}` is there twice, once with `-` and once with `_`")]
    Twice(String),
}

impl BuildConfig {
    /// Reads the file. A value without quotes that looks like a number keeps its characters: `2024.10`
    /// stays `2024.10`, and gets the quotes that it needs when the file is written next.
    pub fn read(text: &str) -> Result<Self, BuildConfigError> {
        let node = Node::read(text)?;
        let mut values = BTreeMap::new();
        for (key, value) in node.as_map().ok_or(BuildConfigError::NotAMap)? {
            let Some([one]) = value.as_texts().and_then(|texts| <[&str; 1]>::try_from(texts).ok()) else {
                return Err(BuildConfigError::NotOne(key.clone()));
            };
            if values.insert(key_of(key), one.to_owned()).is_some() {
                return Err(BuildConfigError::Twice(key.clone()));
            }
        }
        Ok(Self { values, unchanged: Some(text.to_owned()) })
    }

    /// The version or spec of a package, under its own name with `-`.
    pub fn value(&self, package: &str) -> Option<&str> {
        self.values.get(&key_of(package)).map(String::as_str)
    }

    /// Every key with its value, in the order of the keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets the version or spec of a package.
    pub fn set(&mut self, package: &str, value: &str) {
        let key = key_of(package);
        if self.values.get(&key).is_none_or(|known| known != value) {
            self.values.insert(key, value.to_owned());
            self.unchanged = None;
        }
    }

    /// The file: byte for byte what was read where nothing was changed, and what upstream's tools would
    /// write otherwise.
    pub fn to_text(&self) -> Result<String, BuildConfigError> {
        match &self.unchanged {
            Some(text) => Ok(text.clone()),
            None => self.written(),
        }
    }

    /// The file as upstream's tools write it, also where nothing was changed.
    pub fn written(&self) -> Result<String, BuildConfigError> {
        let one = |value: &String| Node::List(vec![Node::text(value)]);
        let map = self.values.iter().map(|(key, value)| (key.clone(), one(value))).collect();
        Ok(Node::Map(map).dump()?)
    }
}

/// The key of a package: upstream writes `_` for `-`, since keys are variables of Jinja.
fn key_of(package: &str) -> String {
    package.replace('-', "_")
}
