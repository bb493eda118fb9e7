//! What a worker is given, and what it gives back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Build, TestVerdict};
use crate::ecosystem::conda::install::InstallRequest;

/// One piece of work for an engine: `assignment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Names the work: the same key, the same work. Lower-case letters, digits, `-` and `_`.
    pub key: String,
    /// What is done.
    pub work: Work,
    /// How much it may take.
    pub limits: Limits,
    /// Whether what runs may reach the network. Packages are fetched either way, outside the sandbox.
    pub network: Network,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// The tests of a conda package, in an environment of exact builds.
    CondaTest(CondaTest),
    /// A program, in a working folder with a copy of the folder's `input`.
    Command(CommandWork),
}

/// The test of one conda build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondaTest {
    /// The build whose tests run. It is one of `records`.
    pub member: Build,
    /// The platform, such as `linux-64`; the worker's machine has to be of it.
    pub platform: String,
    /// Every build of the environment.
    pub records: InstallRequest,
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandWork {
    /// The program, looked up in `/usr/local/bin`, `/usr/bin` and `/bin`, and its arguments.
    pub command: Vec<String>,
    /// Further variables of its environment.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// How much an assignment may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time of all steps together, in seconds. The installation may take as long again.
    pub time: u64,
    /// The most memory of all processes together, in bytes.
    pub memory: u64,
    /// The most output that is kept, in bytes; what is more is counted and dropped.
    pub output: u64,
    /// The most that the environment and the working folder may hold, in bytes.
    pub disk: u64,
}

/// Whether what runs may reach the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// It sees a loopback of its own, and nothing else.
    Denied,
    /// It sees the machine's network.
    Allowed,
}

/// How an assignment ended: `result.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The key of the assignment; absent where `assignment.json` could not be read.
    pub key: Option<String>,
    /// How the test came out.
    pub verdict: TestVerdict,
    /// When the worker began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The file in the folder that holds the output. It is missing where the worker could not begin.
    pub log: String,
    /// The exit code of the last step; absent where none ran to its end.
    pub exit: Option<i32>,
    /// The most memory that all processes held together, in bytes, as seen several times a second;
    /// absent where no step was seen.
    pub peak_memory: Option<u64>,
}

impl Default for Limits {
    /// One hour, 8 GiB of memory, 8 MiB of output, 32 GiB of disk.
    fn default() -> Self {
        Self { time: 3_600, memory: 8 << 30, output: 8 << 20, disk: 32 << 30 }
    }
}
