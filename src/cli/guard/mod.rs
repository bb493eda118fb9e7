//! `guard`: what guards hold, and an operator's word that it is real, or not what counts.

mod overriding;
mod release;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::json;

use super::shown::plain;
use super::steer::{ask_daemon, beside_the_point, user};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::Configuration;
use crate::daemon::{Answer, Request, wishes};
use crate::decide::guard::GuardMemory;
use crate::domain::{ChannelStatus, HeldChange};
use crate::jobs::sources::names;
use crate::store::{NewGuardConfirmation, SnapshotState, Store};
pub(super) use overriding::{ShownOverride, all as overrides};

/// Look at what guards hold, confirm or release it, and override evidence
#[derive(Debug, Args)]
pub(super) struct Guards {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Confirm(Confirm),
    Override(overriding::Override),
    Release(release::Release),
}

/// List what is held of channels, held snapshots, and the overrides that are in force
#[derive(Debug, Args)]
struct List {}

/// Believe what is held of a channel, from the next look on
#[derive(Debug, Args)]
#[command(
    after_help = "It counts for what is held now and not for what comes later, and it is kept with its reason.
Where a source is at fault, do nothing: once it is well again, nothing is held.

Examples:
  tidegate guard confirm r-multiverse staging --reason 'the list of free licences was corrected'"
)]
struct Confirm {
    /// The distribution
    distribution: String,
    /// The channel
    channel: String,
    /// Why; kept and shown
    #[arg(long, value_name = "R")]
    reason: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// What is held of one channel.
#[derive(Serialize)]
struct Held {
    distribution: String,
    channel: String,
    changes: BTreeSet<HeldChange>,
    /// What is held and what releases it: whole sentences.
    sentences: Vec<String>,
}

impl Guards {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.what {
            What::List(List {}) => list(context),
            What::Confirm(confirm) => confirm.run(context),
            What::Override(word) => word.run(context),
            What::Release(release) => release.run(context),
        }
    }
}

/// A snapshot that is not published until somebody releases it.
#[derive(Serialize)]
struct HeldSnapshot {
    distribution: String,
    date: Date,
    reason: String,
}

/// Everything that `guard list` shows.
#[derive(Serialize)]
struct Listed {
    held: Vec<Held>,
    snapshots: Vec<HeldSnapshot>,
    overrides: Vec<ShownOverride>,
}

fn list(context: &mut Context<'_>) -> Result<(), CommandError> {
    let configuration = context.configuration_of_state()?;
    let Listed { held, snapshots, overrides } = state::block_on(async {
        let store = context.read_state().await?;
        let (mut all, mut snapshots) = (Vec::new(), Vec::new());
        for distribution in configuration.distributions.values() {
            let rows = store.snapshots(&distribution.name).await?.into_iter();
            snapshots.extend(rows.filter(|row| row.state == SnapshotState::Held).map(|row| HeldSnapshot {
                distribution: row.distribution,
                date: row.date,
                reason: row.reason.unwrap_or_default(),
            }));
            for channel in &distribution.channels {
                let held = held(&store, &distribution.name, &channel.name).await?;
                all.extend(Some(held).filter(|held| !held.changes.is_empty()));
            }
        }
        let overrides = overriding::all(&store, &configuration, context.clock.now()).await?;
        Ok(Listed { held: all, snapshots, overrides })
    })?;
    if context.output == Output::Json {
        return context.print_json(&Listed { held, snapshots, overrides });
    }
    if held.is_empty() && snapshots.is_empty() {
        writeln!(context.out, "nothing is held")?;
    }
    for Held { distribution, channel, sentences, .. } in held {
        for sentence in sentences {
            writeln!(context.out, "{distribution}, {channel}: {sentence}")?;
        }
    }
    for HeldSnapshot { distribution, date, reason } in snapshots {
        writeln!(context.out, "{distribution}, snapshot {date}: {}", plain(&reason))?;
    }
    for shown in overrides {
        writeln!(context.out, "{}", shown.line())?;
    }
    Ok(())
}

/// What the guard holds of a channel, as the last look left it.
async fn held(store: &Store, distribution: &str, channel: &str) -> anyhow::Result<Held> {
    let memory: GuardMemory = match store.latest_seen(&names::guard(distribution, channel)).await? {
        Some(seen) => serde_json::from_slice(&seen.bytes)?,
        None => GuardMemory::default(),
    };
    let sentences = match store.latest_seen(&names::status(distribution, channel)).await? {
        Some(seen) => serde_json::from_slice::<ChannelStatus>(&seen.bytes)?.held,
        None => Vec::new(),
    };
    let (distribution, channel) = (distribution.to_owned(), channel.to_owned());
    Ok(Held { distribution, channel, changes: memory.held(), sentences })
}

impl Confirm {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_in_force()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let names = distribution.channels.iter().map(|channel| channel.name.as_str());
        let channel = distribution
            .channel(&self.channel)
            .ok_or_else(|| chosen::unknown("channel", &self.channel, names))?;
        let by = self.by.clone().unwrap_or_else(user);
        let told = state::block_on(async {
            let store = context.read_state().await?;
            let changes = held(&store, &distribution.name, &channel.name).await?.changes;
            store.close().await;
            let new = NewGuardConfirmation {
                distribution: &distribution.name,
                channel: &channel.name,
                changes: &changes,
                by: &by,
                reason: &self.reason,
            };
            confirm(&configuration, new, context).await
        })?;
        say(&told, context)
    }
}

async fn confirm(
    configuration: &Configuration,
    new: NewGuardConfirmation<'_>,
    context: &Context<'_>,
) -> Result<String, CommandError> {
    let request = Request::ConfirmGuard {
        distribution: new.distribution.to_owned(),
        channel: new.channel.to_owned(),
        changes: new.changes.clone(),
        by: new.by.to_owned(),
        reason: new.reason.to_owned(),
    };
    if let Some(told) = told_by_daemon(configuration, &request).await? {
        return Ok(told);
    }
    let store = context.write_state().await?;
    let told = wishes::confirm_guard(&store, new, context.clock.now()).await;
    store.close().await;
    Ok(told?)
}

/// What the daemon says to a wish; none where no daemon runs, and the command writes the same row itself.
async fn told_by_daemon(
    configuration: &Configuration,
    request: &Request,
) -> Result<Option<String>, CommandError> {
    match ask_daemon(configuration, request).await? {
        Some(Answer::Done(told)) => Ok(Some(told)),
        Some(_) => Err(beside_the_point()),
        None => Ok(None),
    }
}

/// Says what became of a wish.
fn say(told: &str, context: &mut Context<'_>) -> Result<(), CommandError> {
    match context.output {
        Output::Json => context.print_json(&json!({ "done": told })),
        Output::Text => Ok(writeln!(context.out, "{told}")?),
    }
}
