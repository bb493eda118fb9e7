//! `data.yaml` of one distribution: which packages run in it, which of them the metapackage leaves out for
//! now, and the metapackage's version.

use std::collections::BTreeSet;

use super::yaml::{Node, YamlError};

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionData {
    /// The packages, with `-` in their names.
    pub run: BTreeSet<String>,
    /// Those that the metapackage leaves out.
    pub ignore: BTreeSet<String>,
    /// The metapackage's version, such as `2023.08.14.20.23.00`; absent before the first one.
    pub version: Option<String>,
    /// The file as it was read, with the keys that are not known here.
    read: Node,
    text: String,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistributionDataError {
    /// It cannot be read or written.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Its top is no map.
    #[error("a map with the key `run` is wanted")]
    NotAMap,
    /// A key is missing.
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    /// A value has another shape.
    #[error("`{key}` has to be {wanted}")]
    Shape {
        /// The key.
        key: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A package is listed twice.
    #[error("`{name}` is listed twice under `{key}`")]
    Twice {
        /// The key.
        key: &'static str,
        /// The package.
        name: String,
    },
    /// A package is ignored that is not there.
    #[error("`{0}` is under `ignore`, but not under `run`")]
    NotRunning(String),
}

impl DistributionData {
    /// Reads the file. `ignore` may be missing or empty; unknown keys are kept.
    pub fn read(text: &str) -> Result<Self, DistributionDataError> {
        let node = Node::read(text)?;
        let map = node.as_map().ok_or(DistributionDataError::NotAMap)?;
        let run = names(map.get("run").ok_or(DistributionDataError::Missing("run"))?, "run")?;
        let ignore = match map.get("ignore") {
            Some(list) if !list.is_nothing() => names(list, "ignore")?,
            _ => BTreeSet::new(),
        };
        if let Some(name) = ignore.difference(&run).next() {
            return Err(DistributionDataError::NotRunning(name.clone()));
        }
        let version = match map.get("version") {
            Some(version) if !version.is_nothing() => {
                let wanted = "a version such as 2023.08.14.20.23.00";
                let shape = DistributionDataError::Shape { key: "version", wanted };
                Some(version.as_text().ok_or(shape)?.to_owned())
            }
            _ => None,
        };
        Ok(Self { run, ignore, version, text: text.to_owned(), read: node })
    }

    /// The packages that the metapackage has to hold.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.run.difference(&self.ignore).map(String::as_str)
    }

    /// The file: byte for byte what was read where nothing was changed, and what upstream's tools would
    /// write otherwise.
    pub fn to_text(&self) -> Result<String, DistributionDataError> {
        let before = Self::read(&self.text)?;
        if (&before.run, &before.ignore, &before.version) == (&self.run, &self.ignore, &self.version) {
            return Ok(self.text.clone());
        }
        self.written()
    }

    /// The file as upstream's tools write it, also where nothing was changed.
    pub fn written(&self) -> Result<String, DistributionDataError> {
        let before = Self::read(&self.text)?;
        let list = |names: &BTreeSet<String>| Node::List(names.iter().map(Node::text).collect());
        let mut map = self.read.as_map().ok_or(DistributionDataError::NotAMap)?.clone();
        map.insert("run".to_owned(), list(&self.run));
        if before.ignore != self.ignore {
            map.insert("ignore".to_owned(), list(&self.ignore));
        }
        match &self.version {
            Some(version) => map.insert("version".to_owned(), Node::text(version)),
            None => map.remove("version"),
        };
        Ok(Node::Map(map).dump()?)
    }
}

fn names(node: &Node, key: &'static str) -> Result<BTreeSet<String>, DistributionDataError> {
    let wanted = "a list of package names";
    let list = node.as_texts().ok_or(DistributionDataError::Shape { key, wanted })?;
    let mut names = BTreeSet::new();
    for name in list {
        if !names.insert(name.to_owned()) {
            return Err(DistributionDataError::Twice { key, name: name.to_owned() });
        }
    }
    Ok(names)
}
