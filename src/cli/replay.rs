//! `replay`: a past decision once more, from the input that was kept.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::{CommandError, Context, Output, show, state};
use crate::decide::channel_files;
use crate::decide::channel_report::report;
use crate::decide::forecast::forecast;
use crate::decide::integrate::candidate;
use crate::decide::look::draw;
use crate::decide::own_check::own_checks;
use crate::decide::promote::promote;
use crate::decide::recheck::recheck;
use crate::decide::snapshot::snapshot;
use crate::digest::sha256_hex;

/// Decide a past run again from the input it kept, and compare
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 where the same plan comes out, byte for byte, else with 1 after the difference.

Examples:
  tidegate replay 42"
)]
pub(super) struct Replay {
    /// The number of a run that decided something: of a promotion, a snapshot, a status and the files that follow from it, a forecast, a report, an integration or a recheck
    run: i64,
}

impl Replay {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let (run, input, plan) = state::block_on(async {
            let store = context.read_state().await?;
            let run = show::find(&store, self.run).await?;
            let input = show::input(&store, &run).await?;
            let plan = show::plan(&store, &run).await?;
            Ok((run, input, plan))
        })?;
        let again = decide_again(&input).with_context(|| format!("run {} of {}", run.id, run.job))?;
        let difference = (again != plan).then(|| difference(&plan, &again)).transpose()?;
        match (context.output, &difference) {
            (Output::Json, _) => {
                context.print_json(&json!({
                    "run": run.id, "identical": difference.is_none(), "stored_plan": run.plan_digest,
                    "plan": sha256_hex(&again), "difference": difference,
                }))?;
            }
            (Output::Text, Some(difference)) => context.out.write_all(difference.as_bytes())?,
            (Output::Text, None) => {
                let digest = sha256_hex(&again);
                writeln!(context.out, "run {} of {}: the same plan again, sha256 {digest}", run.id, run.job)?;
            }
        }
        match difference {
            None => Ok(()),
            Some(_) => {
                let message = format!("run {} of {} would decide differently now", run.id, run.job);
                Err(CommandError::failed(message)
                    .hint("the rules changed since, in another version of tidegate"))
            }
        }
    }
}

/// The plan that follows from an input, as a job would store it. The input tells what it is for.
fn decide_again(input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let facts: Value = serde_json::from_slice(input).context("its input is not JSON")?;
    let unreadable = "its input was written by another version, whose facts this one cannot read";
    // Each kind of job has a fact that no other has.
    let has = |fact: &str| facts.get(fact).is_some();
    if has("head") {
        Ok(serde_json::to_vec(&promote(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("shrink") {
        Ok(serde_json::to_vec(&snapshot(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("confirm_red") {
        Ok(serde_json::to_vec(&recheck(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("looked_at") {
        Ok(serde_json::to_vec(&draw(&serde_json::from_slice(input).context(unreadable)?).status)?)
    } else if has("written") {
        Ok(serde_json::to_vec(&channel_files::decide(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("memory") {
        Ok(serde_json::to_vec(&report(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("settle") {
        Ok(serde_json::to_vec(&candidate(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("freeze") {
        Ok(serde_json::to_vec(&forecast(&serde_json::from_slice(input).context(unreadable)?))?)
    } else if has("cran_date") {
        Ok(serde_json::to_vec(&own_checks(&serde_json::from_slice(input).context(unreadable)?))?)
    } else {
        anyhow::bail!("its input is that of no kind of job")
    }
}

/// What differs, line by line of the plans as indented JSON.
fn difference(before: &[u8], after: &[u8]) -> anyhow::Result<String> {
    let pretty = |plan: &[u8]| -> anyhow::Result<String> {
        let value: Value = serde_json::from_slice(plan).context("the stored plan is not JSON")?;
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    };
    let (before, after) = (pretty(before)?, pretty(after)?);
    let mut options = diffy::DiffOptions::new();
    options.set_original_filename("stored").set_modified_filename("decided again");
    Ok(options.create_patch(&before, &after).to_string())
}
