//! The example configuration that is shipped, inside the program: a rehearsal and the `decide` commands
//! need a distribution even where nobody has written one.

use std::path::PathBuf;

use super::Configuration;

macro_rules! shipped_files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../", $path)))),+]
    };
}

const FILES: [(&str, &str); 16] = shipped_files![
    "config/tidegate.toml",
    "config/distributions/qiime2-tiny.toml",
    "config/distributions/r-multiverse.toml",
    "jobs/qiime2-tiny-intake.toml",
    "jobs/qiime2-tiny-integrate.toml",
    "jobs/qiime2-tiny-recheck.toml",
    "jobs/r-multiverse-community-status.toml",
    "jobs/r-multiverse-forecast.toml",
    "jobs/r-multiverse-publish.toml",
    "jobs/r-multiverse-recheck.toml",
    "jobs/r-multiverse-releases.toml",
    "jobs/r-multiverse-report.toml",
    "jobs/r-multiverse-snapshot.toml",
    "jobs/r-multiverse-staging-status.toml",
    "jobs/r-multiverse-staging.toml",
    "jobs/r-multiverse-write-status.toml",
];

/// The shipped files with their paths, for [`Configuration::from_texts`].
pub fn shipped_texts() -> Vec<(PathBuf, String)> {
    FILES.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
}

/// The shipped example configuration.
pub fn shipped() -> Configuration {
    Configuration::from_texts(shipped_texts()).expect("a test loads the shipped files")
}
