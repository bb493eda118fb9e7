//! The world of conda packages that the binary carries.

use super::super::WorldProblem;
use super::CondaWorld;
use super::reading::Texts;

macro_rules! world_files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../../worlds/qiime2-tiny/", $path)))),+]
    };
}

const FILES: [(&str, &str); 8] = world_files![
    "builds.toml",
    "config/distributions/qiime2-tiny.toml",
    "config/tidegate.toml",
    "jobs/qiime2-tiny-intake.toml",
    "jobs/qiime2-tiny-integrate.toml",
    "jobs/qiime2-tiny-recheck.toml",
    "timeline.toml",
    "world.toml",
];

impl CondaWorld {
    /// The world that comes with tidegate: a week of a small distribution, with members that are built,
    /// drift, break and are mended.
    ///
    /// # Errors
    /// As [`CondaWorld::load`]; none for a binary that was built from a checked tree.
    pub fn bundled() -> Result<Self, WorldProblem> {
        let texts: Texts =
            FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Self::from_texts("bundled world qiime2", &texts)
    }
}
