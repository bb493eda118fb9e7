//! Which files of R packages are taken and kept, and how they are fetched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Binary packages for one operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Binaries {
    /// `bin/windows`.
    Windows,
    /// `bin/macosx`.
    Macos,
    /// `bin/linux`, for every distribution that the universe builds for.
    Linux,
}

/// Which files of staged packages are kept for the next snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeptFor {
    /// The sources.
    #[default]
    Sources,
    /// The sources and the binaries for the targeted R, of Windows, macOS and Linux.
    All,
    /// None: what a universe loses before the day is not in the snapshot.
    Nothing,
}

/// How a universe is asked for files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FetchBy {
    /// One by one. What breaks off goes on where it stopped.
    #[default]
    Files,
    /// Many at once, as the zip files of the universe's snapshot API; what these lack, one by one.
    Zip,
    /// Many at once, as the tarballs of the universe's snapshot API; what these lack, one by one.
    Tar,
}
