//! `index`: the index of a folder of packages, one file per ecosystem.

mod conda;
mod cran;

use clap::{Args, Subcommand};

use super::{CommandError, Context};

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
