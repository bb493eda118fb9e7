//! `backup`: a copy of the database, also while a daemon writes.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{CommandError, Context, Output, state};

/// Write a complete copy of the database, also while a daemon runs
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate backup /backup/tidegate-2026-09-15.db")]
pub(super) struct Backup {
    /// The file to write; one that is there is replaced once the copy is whole
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        state::block_on(async { Ok(context.read_state().await?.backup(&self.file).await?) })?;
        let bytes = std::fs::metadata(&self.file)?.len();
        match context.output {
            Output::Json => context.print_json(&json!({ "file": self.file, "bytes": bytes })),
            Output::Text => Ok(writeln!(context.out, "{}: {bytes} bytes", self.file.display())?),
        }
    }
}
