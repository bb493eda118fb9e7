//! `runs`: what ran, newest first.

use clap::Args;
use jiff::SignedDuration;

use super::shown::{plain, word};
use super::{CommandError, Context, Output, chosen, state};
use crate::store::Run;

/// List runs, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate runs
      The last 20 runs of all jobs
  tidegate runs r-multiverse-staging -n 100 --json
      The last 100 runs of one job, for a program")]
pub(super) struct Runs {
    /// Only this job
    job: Option<String>,
    /// How many
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
}

impl Runs {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let runs = state::block_on(async {
            let store = context.read_state().await?;
            let runs = store.runs(self.job.as_deref(), self.count).await?;
            if let (Some(job), true) = (&self.job, runs.is_empty()) {
                let known: Vec<String> = store.job_cursors().await?.into_iter().map(|job| job.name).collect();
                if !known.contains(job) {
                    return Err(chosen::unknown("job", job, known.iter().map(String::as_str)));
                }
            }
            Ok(runs)
        })?;
        match context.output {
            Output::Json => context.print_json(&runs),
            Output::Text => print(context, &runs),
        }
    }
}

fn print(context: &mut Context<'_>, runs: &[Run]) -> Result<(), CommandError> {
    if runs.is_empty() {
        writeln!(context.out, "no run yet")?;
    }
    let width = runs.iter().map(|run| run.job.len()).max().unwrap_or(0);
    for run in runs {
        let state = word(run.state);
        let said = run.error.as_deref().or(run.summary.as_deref()).unwrap_or_default();
        let line = format!(
            "{:>6}  {}  {:<width$}  {state:<9}  {:>6}  {}",
            run.id.0,
            run.scheduled_for,
            run.job,
            took(run),
            plain(said),
        );
        writeln!(context.out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// How long a run took, in its two largest units; nothing while it is under way.
pub(super) fn took(run: &Run) -> String {
    let Some(end) = run.finished_at else { return String::new() };
    let took = end.duration_since(run.started_at);
    match took.as_secs() {
        0 => format!("{}ms", took.as_millis()),
        seconds => format!("{:#}", SignedDuration::from_secs(seconds)),
    }
}
