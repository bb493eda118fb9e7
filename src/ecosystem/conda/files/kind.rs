//! Which of QIIME 2's files one is.

use std::fmt;

use super::yaml::Node;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `data.yaml` of a distribution.
    Data,
    /// An environment, as a seed or as it was solved.
    Environment,
    /// `data.yaml` of all distributions.
    Catalogue,
    /// `conda_build_config.yaml`, or nothing that is known: it has no key of its own.
    BuildConfig,
}

impl FileKind {
    /// The kind of a file, by its keys.
    pub fn of(node: &Node) -> Self {
        let has = |key: &str| node.as_map().is_some_and(|map| map.contains_key(key));
        if has("run") {
            Self::Data
        } else if has("dependencies") {
            Self::Environment
        } else if has("packages") || has("distros") {
            Self::Catalogue
        } else {
            Self::BuildConfig
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Data => "data.yaml of a distribution",
            Self::Environment => "environment",
            Self::Catalogue => "data.yaml of all distributions",
            Self::BuildConfig => "conda_build_config.yaml",
        })
    }
}
