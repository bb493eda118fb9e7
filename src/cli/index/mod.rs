//! `index`: the index of a folder of packages, one file per ecosystem.

mod conda;
mod cran;

use std::env;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CommandError, Context};
use crate::ecosystem::index_memory::IndexMemory;

/// Index a folder of packages
#[derive(Debug, Args)]
pub(super) struct Index {
    #[command(subcommand)]
    ecosystem: Ecosystem,
}

#[derive(Debug, Subcommand)]
enum Ecosystem {
    Cran(cran::Cran),
    Conda(conda::Conda),
}

impl Index {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.ecosystem {
            Ecosystem::Cran(cran) => cran.run(context),
            Ecosystem::Conda(conda) => conda.run(context),
        }
    }
}

/// Where this user keeps what was read: the folder that systemd gives a unit with `CacheDirectory=`, or the
/// user's own.
fn memory() -> IndexMemory {
    let of_unit = env::var_os("CACHE_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    let absolute = |path: &PathBuf| path.is_absolute();
    let of_user = || {
        let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(absolute);
        let home = || env::home_dir().filter(absolute).map(|home| home.join(".cache"));
        Some(named.or_else(home)?.join("tidegate"))
    };
    match of_unit.filter(absolute).or_else(of_user) {
        Some(folder) => IndexMemory::in_folder(folder.join("index")),
        None => IndexMemory::none(),
    }
}
