//! `restore`: a backup in the place of the database.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{CommandError, Context, Output, state};
use crate::store::{DATABASE, Store};

/// Put a backup in the place of the database; no daemon may run
#[derive(Debug, Args)]
#[command(
    after_help = "The database that was there stays beside the new one, with the ending .before-restore.

Examples:
  systemctl stop tidegate
  tidegate restore /backup/tidegate-2026-09-15.db"
)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
}

impl Restore {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let folder = context.state_folder()?;
        let now = context.clock.now();
        state::block_on(async { Ok(Store::restore(&self.file, &folder, now).await?) })?;
        let before = folder.join(format!("{DATABASE}.before-restore"));
        let before = before.exists().then_some(before);
        match context.output {
            Output::Json => context.print_json(&json!({ "state": folder, "before": before })),
            Output::Text => {
                writeln!(context.out, "{} is in place in {}", self.file.display(), folder.display())?;
                if let Some(before) = before {
                    writeln!(context.out, "what was there before is {}", before.display())?;
                }
                Ok(())
            }
        }
    }
}
