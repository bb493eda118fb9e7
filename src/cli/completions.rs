//! `completions`: what a shell needs to complete this program's commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, CommandError, Context};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate completions bash > /usr/share/bash-completion/completions/tidegate")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        // clap's generator cannot say that a write failed, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tidegate", &mut script);
        Ok(context.out.write_all(&script)?)
    }
}
