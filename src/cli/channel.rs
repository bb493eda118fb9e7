//! `channel`: the conda channels of a distribution: what they hold, what was taken out of them, and how to
//! take out or put back more.

mod look;

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::shown::plain;
use super::steer::{Asked, ask_daemon, beside_the_point, user};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::Configuration;
use crate::daemon::{Answer, Request};
use crate::domain::{ChannelChange, ChannelFile, ChannelWish, ChannelWishKind};
use crate::jobs::Services;
use crate::jobs::channel_wishes::ChannelWishes;

/// Look at conda channels, withdraw builds from them, go back, and put back
#[derive(Debug, Args)]
pub(super) struct Channels {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(look::List),
    Show(look::Show),
    Withdraw(Withdraw),
    Rollback(Rollback),
    Reinstate(Reinstate),
}

/// Take builds out of channels, with the metapackages that pin them
#[derive(Debug, Args)]
#[command(
    after_help = "No reader finds them any more, in one step for each channel, and no job publishes them
again. Their bytes stay in the generations before, until two newer ones were published.

Examples:
  tidegate channel withdraw qiime2-tiny q2-types=2024.10.0 --reason 'wrong licence' --dry-run
  tidegate channel withdraw qiime2-tiny q2-types=2024.10.0 --from passed --reason 'loses samples'"
)]
struct Withdraw {
    /// The distribution
    distribution: String,
    /// Which builds: a match spec with a version
    spec: String,
    /// Only this channel; may be given several times [default: all channels of the distribution]
    #[arg(long, value_name = "CHANNEL")]
    from: Vec<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Take out of a channel whatever came after a kept generation
#[derive(Debug, Args)]
#[command(
    after_help = "It is a withdrawal: no job publishes the same builds again until they are reinstated.

Examples:
  tidegate channel rollback qiime2-tiny passed --reason 'the last metapackage loses samples'
  tidegate channel rollback qiime2-tiny passed --to 7 --reason 'back to Monday'"
)]
struct Rollback {
    /// The distribution
    distribution: String,
    /// The channel
    channel: String,
    /// The generation, as `channel show` lists it [default: the one before the current one]
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    #[command(flatten)]
    asked: Asked,
}

/// Put back what was withdrawn, with all that was withdrawn in the same step
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate channel reinstate qiime2-tiny q2-types=2024.10.0 --reason 'the licence was fine'")]
struct Reinstate {
    /// The distribution
    distribution: String,
    /// Which builds: a match spec
    spec: String,
    #[command(flatten)]
    asked: Asked,
}

impl Channels {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let (distribution, change, asked) = match self.what {
            What::List(list) => return list.run(context),
            What::Show(show) => return show.run(context),
            What::Withdraw(Withdraw { distribution, spec, from, asked }) => {
                (distribution, ChannelWishKind::Withdraw { spec, from }, asked)
            }
            What::Rollback(Rollback { distribution, channel, to, asked }) => {
                (distribution, ChannelWishKind::Rollback { channel, to }, asked)
            }
            What::Reinstate(Reinstate { distribution, spec, asked }) => {
                (distribution, ChannelWishKind::Reinstate { spec }, asked)
            }
        };
        asked.has_a_reason()?;
        let configuration = context.configuration_in_force()?;
        let distribution = chosen::conda(&configuration, &distribution)?.name.clone();
        let by = asked.by.unwrap_or_else(user);
        let wish = ChannelWish { distribution, change, by, reason: asked.reason };
        match asked.dry_run {
            true => {
                let change = state::block_on(preview(&configuration, &wish, context))?;
                print(context, &change, "Nothing was changed; this would be:")
            }
            false => carry_out(&configuration, &wish, context),
        }
    }
}

/// What the wish would come to, from the state as it is.
async fn preview(
    configuration: &Configuration,
    wish: &ChannelWish,
    context: &Context<'_>,
) -> Result<ChannelChange, CommandError> {
    let store = context.read_state().await?;
    let services = Services::connect(configuration, store, context.clock.clone()).await?;
    Ok(ChannelWishes::new(Arc::new(services), configuration).preview(wish).await?)
}

/// The daemon carries it out where one runs, so that nobody else publishes meanwhile; else this process.
fn carry_out(
    configuration: &Configuration,
    wish: &ChannelWish,
    context: &mut Context<'_>,
) -> Result<(), CommandError> {
    match state::block_on(ask_daemon(configuration, &Request::Channels(wish.clone())))? {
        Some(Answer::Channels(change)) => return print(context, &change, ""),
        Some(_) => return Err(beside_the_point()),
        None => {}
    }
    let change = state::block_on(async {
        let store = context.write_state().await?;
        let services = Services::connect(configuration, store.clone(), context.clock.clone()).await?;
        let change = ChannelWishes::new(Arc::new(services), configuration).carry_out(wish).await;
        store.close().await;
        Ok(change?)
    })?;
    print(context, &change, "")
}

fn print(context: &mut Context<'_>, change: &ChannelChange, heading: &str) -> Result<(), CommandError> {
    if context.output == Output::Json {
        return context.print_json(change);
    }
    if !heading.is_empty() {
        writeln!(context.out, "{heading}")?;
    }
    let lists = [
        ("withdrawn", &change.withdrawn),
        ("put back", &change.reinstated),
        ("to be published again, since its bytes are no longer kept", &change.not_kept),
    ];
    for (what, files) in lists {
        for ChannelFile { channel, subdir, file_name, .. } in files {
            writeln!(context.out, "{channel}  {subdir}/{}  {what}", plain(file_name))?;
        }
    }
    Ok(())
}
