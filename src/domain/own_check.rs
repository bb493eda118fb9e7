//! tidegate's own `R CMD check` of a package: evidence of its own kind, beside the checks of the universe.
//!
//! It is a retry under known conditions. It never speaks against a package that passes; whether it can
//! speak for one that fails is the operator's choice, [`Counts`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PackageName;

/// How much an own check that passed counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// It is shown to people, and decides nothing.
    #[default]
    Shown,
    /// It clears the bad checks of the universe on the same operating system, for exactly this version and commit.
    Clears,
}

/// How an own check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnResult {
    /// Neither a warning nor an error.
    Passed,
    /// A warning or an error, as often as it was tried.
    Failed,
    /// It is still wanted.
    Waiting,
    /// Nobody could tell: the machine failed, or it took too long.
    Unknown,
}

/// An operating system: a check on one says nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

/// The source archive that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedSource {
    /// Where the universe offers it.
    pub url: String,
    /// The name of the file, such as `polars_1.0.0.tar.gz`.
    pub file: String,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// The programs that are run, word by word and with every field filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// What installs dependencies into the folder `library`; empty where nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<String>,
    /// The check itself.
    pub command: Vec<String>,
    /// True where both may reach the network.
    pub network: bool,
}

/// What the log of `R CMD check` says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLog {
    /// The full version of R that ran it, such as `4.5.3`.
    pub r: Option<String>,
    /// The last `Status:` line without that word, such as `1 ERROR, 2 NOTEs`; absent where it came to no end.
    pub status: Option<String>,
    /// Why it says nothing of the package: a package that it needs was not there.
    pub unready: Option<String>,
}

/// One package's own check, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCheck {
    /// The version that was checked.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// The archive that was checked; absent where the universe offered none.
    pub source: Option<CheckedSource>,
    /// The commits of all packages of the universe that it depends on, directly or not.
    pub dependencies: BTreeMap<PackageName, String>,
    /// Where it ran, as conda names platforms: `linux-64`.
    pub platform: String,
    /// How it came out.
    pub result: OwnResult,
    /// What was said, in one clause: the status of the check, or why nobody could tell.
    pub said: String,
    /// The full version of R that ran it; absent where its log does not say.
    pub r: Option<String>,
    /// When the test that decided ended; absent where none did.
    pub at: Option<Timestamp>,
    /// How many tests there were in this environment.
    pub tries: u32,
    /// How much it counts.
    pub counts: Counts,
    /// What was run.
    pub recipe: Recipe,
}

impl OwnCheck {
    /// A shell command that does the same on any machine: it fetches the archive, compares its checksum, and
    /// checks it. Nothing where there was no archive.
    pub fn reproduce(&self) -> Option<String> {
        let CheckedSource { url, file, sha256 } = self.source.as_ref()?;
        let fetch = shell_words(&["curl", "-fsSL", "-o", file, url].map(str::to_owned));
        let compare = format!("echo {} | sha256sum -c", quoted(&format!("{sha256}  {file}")));
        let check = shell_words(&self.recipe.command);
        let steps = match self.recipe.prepare.as_slice() {
            [] => vec![fetch, compare, check],
            prepare => {
                let library = "mkdir -p library && export R_LIBS=\"$PWD/library\"".to_owned();
                vec![fetch, compare, library, shell_words(prepare), check]
            }
        };
        Some(steps.join(" && "))
    }

    /// The operating system that it ran on.
    pub fn system(&self) -> System {
        System::of_platform(&self.platform)
    }
}

impl System {
    /// That of a platform as conda names it, such as `linux-64`.
    pub fn of_platform(platform: &str) -> Self {
        match platform.split('-').next() {
            Some("osx") => Self::Macos,
            Some("win") => Self::Windows,
            _ => Self::Linux,
        }
    }

    /// That of one of R-universe's checks, whose configurations are `source` (a build on Linux),
    /// `linux-release-x86_64`, `macos-release-arm64` and so on; none for what no own check can speak of.
    pub fn of_check(config: &str) -> Option<Self> {
        match config.split('-').next()? {
            "linux" | "source" => Some(Self::Linux),
            "macos" | "mac" => Some(Self::Macos),
            "windows" | "win" => Some(Self::Windows),
            _ => None,
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Linux => "Linux",
            Self::Macos => "macOS",
            Self::Windows => "Windows",
        })
    }
}

impl fmt::Display for OwnResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Waiting => "is still to run",
            Self::Unknown => "came to no result",
        })
    }
}

/// Words as a command of a POSIX shell, each in quotes where it needs them.
pub(crate) fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A text as one word of a POSIX shell; in quotes only where it needs them.
fn quoted(text: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&byte);
    match !text.is_empty() && text.bytes().all(harmless) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
