//! `store collect`: removes what nothing refers to.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use serde::Serialize;

use super::super::{CommandError, Context, Output, state};
use crate::config::TextDuration;
use crate::publish::content::collect::{Collected, Collecting};
use crate::publish::content::{Alone, ContentStore};

/// How long it is waited for whoever keeps files just now.
const PATIENCE: Duration = Duration::from_secs(5);

/// Remove the files from the store that nothing refers to
#[derive(Debug, Args)]
#[command(
    after_help = "What a snapshot, a channel, a build that came in, a withdrawal or a test refers to stays, except for binaries of
snapshots that are older than [retention] binaries says. Published folders are left alone: their files are
their own links. It works beside a daemon, but not while a job keeps files.

Examples:
  tidegate store collect --dry-run
  tidegate store collect --older-than 30d"
)]
pub(super) struct Collect {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Only files that came at least so long ago
    #[arg(long, value_name = "AGE", default_value = "7d")]
    older_than: TextDuration,
}

#[derive(Serialize)]
struct Told {
    dry_run: bool,
    bytes: u64,
    #[serde(flatten)]
    collected: Collected,
}

impl Collect {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let content = super::store_of(context)?;
        let before = context.clock.now().checked_sub(self.older_than.get());
        let before = before.map_err(|error| CommandError::invalid(format!("--older-than: {error}")))?;
        let collecting = if self.dry_run { Collecting::OnlyTells } else { Collecting::Removes };
        let collected = state::block_on(async {
            // First alone, then what is held: a row that comes later is of a file that comes later.
            let alone = alone(&content)?;
            let held: BTreeSet<String> = super::held(&configuration, context).await?.into_keys().collect();
            content
                .collect(&alone, &held, before, collecting)
                .map_err(|error| CommandError::failed(error.to_string()))
        })?;
        let told = Told { dry_run: self.dry_run, bytes: collected.bytes(), collected };
        match context.output {
            Output::Json => context.print_json(&told),
            Output::Text => self.print(&told, context),
        }
    }

    fn print(&self, told: &Told, context: &mut Context<'_>) -> Result<(), CommandError> {
        let Told { bytes, collected, .. } = told;
        if self.dry_run {
            for file in &collected.removed {
                writeln!(context.out, "{}  {}", file.sha256, HumanBytes(file.size))?;
            }
        }
        let verb = if self.dry_run { "would be removed" } else { "removed" };
        writeln!(
            context.out,
            "{verb}: {} with {}, and {} that never became whole\nkept: {}, and {} that came less than {} ago",
            files(collected.removed.len()),
            HumanBytes(*bytes),
            collected.leftovers,
            files(collected.held),
            files(collected.too_young),
            self.older_than,
        )?;
        Ok(())
    }
}

fn files(count: usize) -> String {
    format!("{count} {}", if count == 1 { "file" } else { "files" })
}

fn alone(content: &ContentStore) -> Result<Alone, CommandError> {
    let alone = content.alone_within(PATIENCE).map_err(|error| CommandError::failed(error.to_string()))?;
    alone.ok_or_else(|| {
        let message = "a job keeps files in the store just now, and nothing may be removed meanwhile";
        CommandError::failed(message).hint("`tidegate status` shows what runs; try again when it is done")
    })
}
