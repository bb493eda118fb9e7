//! The settings of a recheck of R packages: `R CMD check` on an engine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::{EngineKind, default_network, default_parallel, default_test_memory, default_test_time};
use super::template::CommandWord;
use super::text_duration::TextDuration;
use crate::domain::Counts;
use crate::engine::Network;

/// Runs `R CMD check` on an engine for packages of a channel, beside the checks of its universe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecheckR {
    /// The channel whose packages are checked.
    #[schemars(extend("format" = "name"))]
    pub channel: String,
    /// Which packages are checked: those whose checks in the universe failed on the engine's operating system,
    /// or all. Default: `failing`.
    #[serde(default)]
    pub only: Only,
    /// The check, word by word. `{source}` stands for the source archive in the working folder, `{package}` and
    /// `{version}` for what it holds. Default: `["R", "CMD", "check", "--no-manual", "{source}"]`.
    #[serde(default = "default_command")]
    #[schemars(length(min = 1))]
    pub command: Vec<CommandWord>,
    /// What installs dependencies before the check, word by word; `{library}` stands for the folder they belong
    /// in, `{universe}` and `{cran}` for where they come from. Where it fails, nothing is known of the
    /// package. Default: nothing does, and the check finds what the machine has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<CommandWord>,
    /// Whether preparation and check may reach the network. Default: `denied`.
    #[serde(default = "default_network")]
    pub network: Network,
    /// How much a check that passes counts: it is only shown, or it clears the universe's bad checks on the same
    /// operating system for exactly this version and commit. Default: `shown`.
    #[serde(default)]
    pub counts: Counts,
    /// How often a check that fails is made in one environment before it counts. Default: 2.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// How many checks go on at the same time. Default: 2.
    #[serde(default = "default_parallel")]
    #[schemars(range(min = 1, max = 1000))]
    pub parallel: u32,
    /// The engine that runs the checks. Default: `local`.
    #[serde(default)]
    pub engine: EngineKind,
    /// How long preparation and check of one package may take together. Default: `30m`.
    #[serde(default = "default_test_time")]
    #[schemars(extend("format" = "positive-duration"))]
    pub test_time: TextDuration,
    /// How much memory the check of one package may take, in MiB. Default: 8192.
    #[serde(default = "default_test_memory")]
    #[schemars(range(min = 64, max = 4_194_304))]
    pub test_memory: u32,
}

/// Which packages a recheck of R packages is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// Those whose checks in the universe ended with a warning or an error, in the targeted R and on the engine's
    /// operating system.
    #[default]
    Failing,
    /// Every one that the universe lists.
    All,
}

fn default_command() -> Vec<CommandWord> {
    ["R", "CMD", "check", "--no-manual", "{source}"].map(CommandWord::from).to_vec()
}

fn default_attempts() -> u32 {
    2
}
