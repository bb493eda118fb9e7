//! Rechecks: an existing build tested again, against dependencies as they are today.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::{Build, Environment};

/// Which environment a member of a metapackage is tested in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecheckMode {
    /// The members' exact builds, and everything else as new as it may be.
    Latest,
    /// Within the lines of the metapackage itself.
    Pinned,
}

/// One test: a member on a platform in a mode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecheckCase {
    /// The exact build that is tested.
    pub member: Build,
    /// The platform, such as `linux-64`.
    pub platform: String,
    /// The mode.
    pub mode: RecheckMode,
}

/// How the test of one build in one environment came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum TestVerdict {
    /// Every test of the package passed.
    Pass,
    /// A test, or a step before it, failed.
    Fail {
        /// What failed.
        step: FailedStep,
        /// What is known of it, for people: the solver's explanation, the last lines of the log.
        detail: String,
    },
    /// The tests did not end in time.
    TimedOut {
        /// The limit, in seconds.
        after: u64,
    },
    /// The package carries no tests. Never a pass.
    NoTests,
    /// Its tests cannot be read, or not be run here: nothing is known of the package.
    UnknownTests {
        /// Why.
        why: String,
    },
    /// No engine that is there takes its test: nothing is known of the package, and nothing failed.
    NoEngine {
        /// Which engines there are, and what would test it.
        why: String,
    },
    /// The machine, the network or the engine failed: nothing is known of the package.
    Infrastructure {
        /// What failed.
        why: String,
    },
}

/// Where a test failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedStep {
    /// No environment satisfies the package.
    Solve,
    /// The environment could not be installed.
    Install,
    /// A module cannot be imported.
    Import(String),
    /// `R CMD check` ended with this status, such as `1 ERROR`.
    Check(String),
    /// The n-th test command, counted from 1, ended otherwise than with 0.
    Command {
        /// Which one.
        number: u32,
        /// The command as written.
        command: String,
        /// Its exit code; absent where a signal ended it.
        exit: Option<i32>,
    },
}

/// An environment for a case, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solved {
    /// The exact builds.
    Environment(Environment),
    /// Nothing satisfies the case: the solver's explanation.
    Impossible(String),
    /// Nobody could tell, and why: the solver took too long, or a record cannot be read.
    Unknown(String),
}

impl fmt::Display for RecheckMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Latest => "latest",
            Self::Pinned => "pinned",
        })
    }
}

impl fmt::Display for RecheckCase {
    /// `q2-types 2023.7.0 py38_0 on linux-64 (latest)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {} ({})", self.member, self.platform, self.mode)
    }
}

impl fmt::Display for FailedStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Solve => formatter.write_str("no environment can be found"),
            Self::Install => formatter.write_str("the environment cannot be installed"),
            Self::Import(module) => write!(formatter, "`{module}` cannot be imported"),
            Self::Check(status) => write!(formatter, "R CMD check ended with {status}"),
            Self::Command { number, exit: Some(exit), .. } => {
                write!(formatter, "test command {number} ended with {exit}")
            }
            Self::Command { number, exit: None, .. } => {
                write!(formatter, "test command {number} was ended by a signal")
            }
        }
    }
}
