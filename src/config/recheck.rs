//! The settings of a recheck of conda packages: which members are tested, in what, and within which limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::{EngineKind, default_network, default_parallel, default_test_memory, default_test_time};
use super::text_duration::TextDuration;
use crate::domain::RecheckMode;
use crate::engine::Network;

/// Takes the newest metapackage of a channel apart, tests every member against today's dependencies, and
/// publishes what is green to a later channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// The channel that holds the metapackage and its members.
    #[schemars(extend("format" = "name"))]
    pub from: String,
    /// The channel that gets them once every member is green.
    #[schemars(extend("format" = "name"))]
    pub to: String,
    /// The environments that members are tested in. Default: `["latest"]`.
    #[serde(default = "default_modes")]
    #[schemars(length(min = 1))]
    pub modes: Vec<RecheckMode>,
    /// How often a test that fails is run in one environment before it counts. Default: 2.
    #[serde(default = "default_confirm_red")]
    #[schemars(range(min = 1, max = 10))]
    pub confirm_red: u32,
    /// How many mixtures of the last green environment and a red one are tested at most to find the change
    /// at fault. Default: 20; 0 switches the search off.
    #[serde(default = "default_culprit_tests")]
    #[schemars(range(min = 0, max = 1000))]
    pub culprit_tests: u32,
    /// How many tests go on at the same time. Default: 2.
    #[serde(default = "default_parallel")]
    #[schemars(range(min = 1, max = 1000))]
    pub parallel: u32,
    /// The engine that runs the tests. Default: `local`.
    #[serde(default)]
    pub engine: EngineKind,
    /// How long the tests of one member may take. Default: `30m`.
    #[serde(default = "default_test_time")]
    #[schemars(extend("format" = "positive-duration"))]
    pub test_time: TextDuration,
    /// How much memory the tests of one member may take, in MiB. Default: 8192.
    #[serde(default = "default_test_memory")]
    #[schemars(range(min = 64, max = 4_194_304))]
    pub test_memory: u32,
    /// How much of what the tests of one member print is taken, in MiB; the rest is dropped. Default: 8.
    #[serde(default = "default_test_output")]
    #[schemars(range(min = 1, max = 1024))]
    pub test_output: u32,
    /// How much disk the environment and the tests of one member may take, in MiB. Default: 32768.
    #[serde(default = "default_test_disk")]
    #[schemars(range(min = 64, max = 4_194_304))]
    pub test_disk: u32,
    /// Whether tests may reach the network. Default: `denied`.
    #[serde(default = "default_network")]
    pub network: Network,
}

fn default_modes() -> Vec<RecheckMode> {
    vec![RecheckMode::Latest]
}

fn default_confirm_red() -> u32 {
    2
}

fn default_culprit_tests() -> u32 {
    20
}

fn default_test_output() -> u32 {
    8
}

fn default_test_disk() -> u32 {
    32_768
}
