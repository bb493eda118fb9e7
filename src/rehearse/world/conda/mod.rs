//! Worlds of conda packages: builds as small recipes, and a timeline of what people and other channels do
//! with them.
//!
//! Such a world is a folder with `world.toml`, `builds.toml`, `timeline.toml`, and a configuration of
//! tidegate like any other in `config/` and `jobs/`: the distribution and the jobs that are played. It holds
//! what happens outside; what comes of it is tidegate's own doing.

mod bundled;
mod deeds;
mod reading;
mod recipes;
mod written;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::{CondaDistribution, Configuration};
use crate::ecosystem::conda::made::MadePackage;

/// A world of conda packages, read and checked.
#[derive(Clone, Debug)]
pub struct CondaWorld {
    /// What people call it.
    pub name: String,
    /// What happens in it, in a sentence.
    pub description: String,
    /// When the playback begins.
    pub start: Timestamp,
    /// When the playback ends.
    pub end: Timestamp,
    /// The channels of others.
    pub channels: Vec<ExternalChannel>,
    /// Every build there ever is, by `<subdir>/<file name>`.
    pub builds: BTreeMap<String, MadePackage>,
    /// What happens, in order.
    pub deeds: Vec<Deed>,
    /// The one distribution and its jobs, as the world has them written.
    pub configuration: Configuration,
    /// The files of that configuration by their paths in the world, such as `jobs/intake.toml`.
    pub configuration_files: BTreeMap<String, String>,
    digest: String,
}

/// A channel that somebody else runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalChannel {
    /// Its name in this world, which becomes the name of a folder.
    pub name: String,
    /// Its address, as the distribution names it.
    pub address: String,
}

/// Something that happens outside of tidegate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: DeedKind,
}

/// What can happen. Builds are named by `<subdir>/<file name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeedKind {
    /// Builds appear in the channel of that name.
    Appear {
        /// The channel.
        channel: String,
        /// The builds.
        builds: Vec<String>,
    },
    /// Builds are no longer listed by the channel of that name.
    Withdraw {
        /// The channel.
        channel: String,
        /// The builds.
        builds: Vec<String>,
    },
    /// A repository's workflow has built a package, and tells of it.
    Build(WorkflowBuild),
    /// Somebody puts archives into the drop folder.
    Drop {
        /// The builds.
        builds: Vec<String>,
    },
}

/// A run of a repository's workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowBuild {
    /// The run's number on GitHub.
    pub run: u64,
    /// `owner/name`, as the distribution lists it for the package.
    pub repository: String,
    /// The package that the notice tells of.
    pub package: String,
    /// The version that the notice tells of: that of the first build.
    pub version: String,
    /// The artifact's name.
    pub artifact: String,
    /// What is in the artifact.
    pub builds: Vec<String>,
    /// The API by which the notice comes.
    pub notice: NoticeApi,
    /// From when on the artifact can be seen.
    pub uploaded: Timestamp,
}

/// The API by which a notice comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeApi {
    /// `/api/v1/packages/integrate/`: for every distribution that lists the package.
    V1,
    /// `/api/v2/packages/integrate/`: names the distribution.
    V2,
}

impl CondaWorld {
    /// The SHA-256 of the texts of the world's files with their names, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The one distribution.
    pub fn distribution(&self) -> &CondaDistribution {
        self.configuration.conda.values().next().expect("a world without a distribution is refused")
    }
}
