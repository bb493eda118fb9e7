//! `remove`: takes a package of an R distribution out of its channels on request, or undoes that.

use clap::Args;
use serde_json::json;

use super::steer::{ask_daemon, beside_the_point, user};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::{ChannelHome, Configuration};
use crate::daemon::{Answer, Request, wishes};
use crate::domain::{RemovalChange, RemovalWish};
use crate::ecosystem::cran::layout::is_package_name;

/// Take a package out of channels on request, for good
#[derive(Debug, Args)]
#[command(
    after_help = "The wish is kept with who asked and why, and every job honours it: the package leaves the lists of
the channels, by commit or by pull request as the policy says, and from the first channel always by pull
request; no job takes it in again; and the next snapshot leaves it out. Published snapshots stay as they are.

Examples:
  tidegate remove tidypolars --distribution r-multiverse --reason 'asked for by its maintainer'
  tidegate remove tidypolars --distribution r-multiverse --from staging --reason 'not for this cycle'
  tidegate remove tidypolars --distribution r-multiverse --undo --reason 'the maintainer is back'"
)]
pub(super) struct Remove {
    /// The package
    package: String,
    /// The distribution
    #[arg(long, value_name = "NAME")]
    distribution: String,
    /// Only from this channel; may be given several times [default: all channels of the distribution]
    #[arg(long, value_name = "CHANNEL", conflicts_with = "undo")]
    from: Vec<String>,
    /// Take a removal back: the package may enter again by the usual rules
    #[arg(long)]
    undo: bool,
    /// Why; kept and shown
    #[arg(long, value_name = "R")]
    reason: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Remove {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        if self.reason.trim().is_empty() {
            return Err(CommandError::invalid("a reason is needed: it is kept and shown"));
        }
        if !is_package_name(&self.package) {
            return Err(CommandError::invalid(format!("`{}` is not the name of an R package", self.package)));
        }
        let configuration = context.configuration_in_force()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let listed =
            distribution.channels.iter().filter(|one| matches!(one.home, ChannelHome::Listed { .. }));
        let names = listed.map(|channel| channel.name.as_str());
        for channel in &self.from {
            if !names.clone().any(|name| name == channel) {
                return Err(chosen::unknown("channel with a list", channel, names));
            }
        }
        let change = match self.undo {
            true => RemovalChange::Undo,
            false => RemovalChange::Remove { channels: self.from },
        };
        let wish = RemovalWish {
            distribution: distribution.name.clone(),
            package: self.package,
            change,
            by: self.by.unwrap_or_else(user),
            reason: self.reason,
        };
        let told = state::block_on(carry_out(&configuration, wish, context))?;
        match context.output {
            Output::Json => context.print_json(&json!({ "done": told })),
            Output::Text => Ok(writeln!(context.out, "{told}")?),
        }
    }
}

/// The daemon writes it down where one runs; else this process.
async fn carry_out(
    configuration: &Configuration,
    wish: RemovalWish,
    context: &Context<'_>,
) -> Result<String, CommandError> {
    match ask_daemon(configuration, &Request::Remove(wish.clone())).await? {
        Some(Answer::Done(told)) => return Ok(told),
        Some(_) => return Err(beside_the_point()),
        None => {}
    }
    let store = context.write_state().await?;
    let told = wishes::remove(&store, &wish, context.clock.now()).await;
    store.close().await;
    Ok(told?)
}
