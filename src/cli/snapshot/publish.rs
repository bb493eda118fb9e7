//! `snapshot publish`: has a published snapshot sent to a target.

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::super::steer::{ask_daemon, beside_the_point, user};
use super::super::{CommandError, Context, Output, chosen, state};
use super::{find, named};
use crate::config::{Configuration, JobKind};
use crate::daemon::{Answer, Request, wishes};
use crate::domain::PublishWish;
use crate::publish::directory::Directory;
use crate::store::SnapshotState;

/// Have a published snapshot sent to a target, or sent again where the target refused it
#[derive(Debug, Args)]
#[command(
    after_help = "The wish is a row; the job of the kind `publish` sends it with its next run. What a target has already is
not sent again.

Examples:
  tidegate snapshot publish 2026-06-15 --to archive
  tidegate once r-multiverse-publish
      Send it now, where no daemon runs"
)]
pub(super) struct Publish {
    /// Its date
    date: Date,
    /// The target, by its name in tidegate.toml
    #[arg(long, value_name = "TARGET")]
    to: String,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Publish {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_in_force()?;
        let names = named(&configuration, self.distribution.as_deref())?;
        let [distribution] = names[..] else {
            let message = "there are several distributions: name one with --distribution";
            return Err(CommandError::invalid(message));
        };
        let publish = configuration.settings.publish.as_ref();
        let targets: Vec<&str> = publish.into_iter().flat_map(|publish| publish.targets()).collect();
        if !targets.contains(&self.to.as_str()) {
            return Err(chosen::unknown("target", &self.to, targets.into_iter()));
        }
        let mut jobs = configuration.jobs.values().filter(|job| job.enabled);
        let sender =
            jobs.find(|job| job.distribution == distribution && matches!(job.kind, JobKind::Publish(_)));
        let sender = sender.map(|job| job.name.clone()).ok_or_else(|| {
            let hint = format!("add a job with `kind = \"publish\"` and `distribution = \"{distribution}\"`");
            CommandError::invalid("no job sends snapshots of this distribution to targets").hint(hint)
        })?;
        let by = self.by.clone().unwrap_or_else(user);
        let told = state::block_on(self.wish(&configuration, distribution, by, context))?;
        let told = format!("{told} with the next run of {sender}");
        match context.output {
            Output::Json => context.print_json(&json!({ "done": told, "job": sender })),
            Output::Text => Ok(writeln!(context.out, "{told}")?),
        }
    }

    /// The daemon writes it down where one runs; else this process.
    async fn wish(
        &self,
        configuration: &Configuration,
        distribution: &str,
        by: String,
        context: &Context<'_>,
    ) -> Result<String, CommandError> {
        let store = context.read_state().await?;
        let snapshot = find(&store, distribution, self.date).await?;
        store.close().await;
        if snapshot.state != SnapshotState::Published {
            let message = format!("the snapshot {} of {distribution} is not published", self.date);
            return Err(CommandError::invalid(message));
        }
        let publish = configuration.settings.publish.as_ref();
        let root = publish.map(|publish| publish.directory.join(distribution)).unwrap_or_default();
        let there = Directory::new(root).generation(&self.date.to_string());
        let there = there.map_err(|error| CommandError::failed(error.to_string()))?;
        let (generation, _) = there.ok_or_else(|| {
            CommandError::failed(format!("the snapshot {} lies in no published folder", self.date))
        })?;
        let generation =
            u32::try_from(generation).map_err(|error| CommandError::failed(error.to_string()))?;
        let wish = PublishWish {
            distribution: distribution.to_owned(),
            date: self.date,
            generation,
            target: self.to.clone(),
            by,
        };
        match ask_daemon(configuration, &Request::Publish(wish.clone())).await? {
            Some(Answer::Done(told)) => return Ok(told),
            Some(_) => return Err(beside_the_point()),
            None => {}
        }
        let store = context.write_state().await?;
        let told = wishes::publish(&store, &wish, context.clock.now()).await;
        store.close().await;
        Ok(told?)
    }
}
