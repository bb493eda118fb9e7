//! `seed-environment-conda.yml`: the channels and the exact versions that a distribution is built from, in
//! the repository that followed package-integration.

use std::collections::BTreeMap;

use super::yaml::{Node, YamlError};

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedEnvironment {
    /// The channels, the first one before the others; the first is the distribution's own.
    pub channels: Vec<String>,
    /// A version for each package, by name.
    pub dependencies: BTreeMap<String, String>,
    read: Node,
    text: String,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedEnvironmentError {
    /// It cannot be read or written.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A key is missing, or has another shape.
    #[error("`{0}` has to be there, as a list of texts")]
    Shape(&'static str),
    /// A dependency is not `name=version`.
    #[error("`{0}` is not a dependency in the form `name=version`")]
    NotPinned(String),
    /// A package is listed twice.
    #[error("`{0}` is listed twice")]
    Twice(String),
}

impl SeedEnvironment {
    /// Reads the file; keys that are not known here are kept.
    pub fn read(text: &str) -> Result<Self, SeedEnvironmentError> {
        let node = Node::read(text)?;
        let list = |key: &'static str| {
            let value = node.as_map().and_then(|map| map.get(key));
            value.and_then(Node::as_texts).ok_or(SeedEnvironmentError::Shape(key))
        };
        let mut dependencies = BTreeMap::new();
        for line in list("dependencies")? {
            let pinned = line
                .split_once('=')
                .filter(|(name, version)| !name.is_empty() && !version.is_empty() && !version.contains('='));
            let (name, version) = pinned.ok_or_else(|| SeedEnvironmentError::NotPinned(line.to_owned()))?;
            if dependencies.insert(name.to_owned(), version.to_owned()).is_some() {
                return Err(SeedEnvironmentError::Twice(name.to_owned()));
            }
        }
        let channels = list("channels")?.into_iter().map(str::to_owned).collect();
        Ok(Self { channels, dependencies, text: text.to_owned(), read: node })
    }

    /// The variant variables under `extras`, such as `qiime2_epoch`.
    pub fn variants(&self) -> BTreeMap<&str, &str> {
        let extras = self.read.as_map().and_then(|map| map.get("extras")?.as_map());
        let variants = extras.and_then(|extras| extras.get("variant_override")?.as_map());
        let texts = variants.into_iter().flatten();
        texts.filter_map(|(key, value)| Some((key.as_str(), value.as_text()?))).collect()
    }

    /// The file: byte for byte what was read where nothing was changed, and what upstream's tools would
    /// write otherwise.
    pub fn to_text(&self) -> Result<String, SeedEnvironmentError> {
        let before = Self::read(&self.text)?;
        if (&before.channels, &before.dependencies) == (&self.channels, &self.dependencies) {
            return Ok(self.text.clone());
        }
        self.written()
    }

    /// The file as upstream's tools write it, also where nothing was changed.
    pub fn written(&self) -> Result<String, SeedEnvironmentError> {
        let pins = self.dependencies.iter().map(|(name, version)| format!("{name}={version}"));
        let mut pins: Vec<String> = pins.collect();
        // Upstream sorts the whole lines, so that `unifrac-binaries=…` comes before `unifrac=…`.
        pins.sort();
        let mut map = self.read.as_map().cloned().unwrap_or_default();
        map.insert("channels".to_owned(), Node::List(self.channels.iter().map(Node::text).collect()));
        map.insert("dependencies".to_owned(), Node::List(pins.iter().map(Node::text).collect()));
        Ok(Node::Map(map).dump()?)
    }
}
