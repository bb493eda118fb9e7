//! `prune`: deletes history that is older than it is to be kept, as the daemon does once a day.

use clap::Args;
use serde_json::json;

use super::{CommandError, Context, Output, state};
use crate::config::TextDuration;
use crate::daemon::{Retention, keep_house};

/// Delete history that is older than it is to be kept, as the daemon does once a day
#[derive(Debug, Args)]
#[command(
    after_help = "Deletes verdicts that ended, runs with their inputs and plans, observations, logs of tests, and kept \
answers of GitHub. What is in force, what a snapshot or the journal needs and what each source said last stays, and what \
stays can be explained and replayed.

Examples:
  tidegate prune
      By [retention] of tidegate.toml
  tidegate prune --older-than 90d"
)]
pub(super) struct Prune {
    /// The age at which history goes [default: `runs` of [retention]]; nothing of the last day ever does
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<TextDuration>,
}

fn age(text: &str) -> Result<TextDuration, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
}

impl Prune {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let age = match self.older_than {
            Some(age) => Some(age),
            None => context.configuration_in_force()?.settings.retention.runs,
        };
        let runs = age.map(TextDuration::get);
        let now = context.clock.now();
        let kept = state::block_on(async {
            let store = context.write_state().await?;
            let kept = keep_house(&store, Retention { runs }, now).await?;
            store.close().await;
            Ok(kept)
        })?;
        match (context.output, &kept.history) {
            (Output::Json, _) => context.print_json(&json!(kept)),
            (Output::Text, Some(gone)) => Ok(writeln!(
                context.out,
                "gone: {} verdicts, {} runs, {} observations, {} logs, {} kept answers; {} blobs",
                gone.verdicts, gone.runs, gone.observations, gone.logs, kept.answers, gone.blobs
            )?),
            (Output::Text, None) => Ok(writeln!(
                context.out,
                "gone: {} kept answers; history is kept for good, since neither [retention] nor --older-than says how long",
                kept.answers
            )?),
        }
    }
}
