//! `store`: the files that were fetched and made, kept once each by their content.

mod collect;
mod scrub;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::{CommandError, Context};
use crate::config::{Configuration, Retention};
use crate::decide::retention;
use crate::domain::{HeldFile, Holder};
use crate::publish::content::{ContentStore, FOLDER};

/// Look after the store of files
#[derive(Debug, Args)]
pub(super) struct Stores {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Scrub(scrub::Scrub),
    Collect(collect::Collect),
}

impl Stores {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.what {
            What::Scrub(scrub) => scrub.run(context),
            What::Collect(collect) => collect.run(context),
        }
    }
}

/// The store of the state that is read.
fn store_of(context: &Context<'_>) -> Result<ContentStore, CommandError> {
    Ok(ContentStore::new(context.state_folder()?.join(FOLDER)))
}

/// What stays, with everybody who holds it.
async fn held(
    configuration: &Configuration,
    context: &Context<'_>,
) -> Result<BTreeMap<String, Vec<HeldFile>>, CommandError> {
    let files = context.read_state().await?.held_files().await?;
    let oldest = oldest_binaries(&configuration.settings.retention, context)?;
    let mut held: BTreeMap<String, Vec<HeldFile>> = BTreeMap::new();
    for file in retention::held(files, oldest) {
        held.entry(file.sha256.clone()).or_default().push(file);
    }
    Ok(held)
}

/// The date of the oldest snapshot whose binaries are kept; nothing where all are.
fn oldest_binaries(retention: &Retention, context: &Context<'_>) -> Result<Option<Date>, CommandError> {
    let Some(age) = retention.binaries else { return Ok(None) };
    let oldest = context.clock.now().checked_sub(age.get());
    let oldest = oldest.map_err(|error| CommandError::invalid(format!("[retention] binaries: {error}")))?;
    Ok(Some(oldest.to_zoned(jiff::tz::TimeZone::UTC).date()))
}

/// Whether somebody needs the file to lie in the store itself. Conda builds lie in their channels.
fn is_needed_here(holder: &Holder) -> bool {
    match holder {
        Holder::Snapshot { .. } | Holder::Channel { .. } | Holder::Arrival { .. } => true,
        Holder::Revision { .. } | Holder::Withdrawal { .. } | Holder::Test { .. } => false,
    }
}
