//! `man`: manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::{Cli, CommandError, Context};

/// Print the manual page, or write one for every command into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate man | man -l -
  tidegate man /usr/share/man/man1")]
pub(super) struct Man {
    /// The folder for tidegate.1, tidegate-run.1 and so on; it is made where it is missing
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let Some(folder) = self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            return Ok(context.out.write_all(&page)?);
        };
        let failed = |error: std::io::Error| {
            CommandError::failed(format!("cannot write manual pages to {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &folder).map_err(failed)
    }
}
