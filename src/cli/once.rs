//! `once`: one pass of one job in the foreground.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::logging::{self, Voice};
use super::planned::Planned;
use super::shown::{plain, word};
use super::time::{self, GivenTime};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::Configuration;
use crate::daemon::{Job, JobWork, Jobs, RunContext, RunError, RunLimits, RunOutcome, Runner, new_boot_id};
use crate::jobs::channel_wishes::ChannelWishes;
use crate::jobs::{self, Pass, Services};
use crate::store::{Run, RunState};

/// How long the run has to end after an interrupt.
const GRACE: Duration = Duration::from_secs(10);

/// Run a job once, now, in the foreground
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 when it is done, 1 when it failed, 2 when the configuration is wrong, 3 when a guard holds it.
A daemon on the same state has to be stopped first.

Examples:
  tidegate once r-multiverse-staging
  tidegate once r-multiverse-staging --dry-run
      Look and decide, but change nothing outside; prints the plan
  tidegate once r-multiverse-snapshot --at 2026-09-15T02:00:00Z
      The pass that was missed at that time"
)]
pub(super) struct Once {
    /// The job; one that is switched off runs too
    job: String,
    /// The time it is run for, in RFC 3339 or as a date [default: now]
    #[arg(long, value_name = "T", value_parser = time::parse)]
    at: Option<GivenTime>,
    /// Stop after deciding, and print the plan
    #[arg(long)]
    dry_run: bool,
}

/// How the pass went.
struct Passed {
    run: Run,
    plan: Option<Vec<u8>>,
    /// Whether it failed because of something that the operator wrote.
    misconfigured: bool,
}

impl Once {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let mut configuration = context.configuration_in_force()?;
        let nominal = self.nominal(&configuration, context)?;
        if let Some(job) = configuration.jobs.get_mut(&self.job) {
            job.enabled = true;
        }
        logging::begin(Voice::Command);
        let passed = state::block_on(self.pass(&configuration, nominal, context))?;
        self.report(passed, context)
    }

    fn nominal(
        &self,
        configuration: &Configuration,
        context: &Context<'_>,
    ) -> Result<Timestamp, CommandError> {
        let job = chosen::job(configuration, &self.job)?;
        let now = context.clock.now();
        let Some(given) = self.at else { return Ok(now) };
        let nominal = given.instant(chosen::midnight_zone(configuration, job))?;
        match nominal <= now {
            true => Ok(nominal),
            false => Err(CommandError::invalid(format!(
                "{nominal} lies in the future: a job runs for a time that has come"
            ))),
        }
    }

    async fn pass(
        &self,
        configuration: &Configuration,
        nominal: Timestamp,
        context: &Context<'_>,
    ) -> Result<Passed, CommandError> {
        let store = context.write_state().await?;
        let clock = context.clock.clone();
        let services = Arc::new(Services::connect(configuration, store.clone(), clock.clone()).await?);
        if !self.dry_run {
            ChannelWishes::new(services.clone(), configuration).finish().await?;
        }
        let pass = if self.dry_run { Pass::PlanOnly } else { Pass::Full };
        let misconfigured = Arc::new(AtomicBool::new(false));
        let jobs = jobs::runnable(configuration, &services, pass).into_iter();
        let job = jobs.filter(|job| job.definition.name == self.job).map(|job| Job {
            work: Arc::new(Noting { work: job.work, misconfigured: misconfigured.clone() }),
            ..job
        });
        let jobs = Jobs::new(job.collect())?;
        let boot = new_boot_id();
        store.recover(&boot, clock.now()).await?;
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: GRACE };
        let runner = Runner::new(store.clone(), clock, jobs, boot, limits);
        let reason = if self.dry_run { "a dry run by hand" } else { "run by hand" };
        let run = runner.run_once(&self.job, nominal, reason, stop_on_signal()?).await?;
        let plan = match &run.plan_digest {
            Some(digest) => store.blob(digest).await?,
            None => None,
        };
        store.close().await;
        Ok(Passed { run, plan, misconfigured: misconfigured.load(Ordering::Relaxed) })
    }

    fn report(&self, passed: Passed, context: &mut Context<'_>) -> Result<(), CommandError> {
        let Passed { run, plan, misconfigured } = passed;
        let plan = plan.filter(|_| self.dry_run).map(|plan| Planned::read(&plan).map(|read| (plan, read)));
        let plan = plan.transpose()?;
        let said = run.error.as_deref().or(run.summary.as_deref()).unwrap_or_default();
        match context.output {
            Output::Json => {
                let raw = plan.as_ref().map(|(bytes, _)| serde_json::from_slice::<serde_json::Value>(bytes));
                let raw = raw.transpose().map_err(|error| CommandError::failed(error.to_string()))?;
                context.print_json(&json!({ "run": run, "dry_run": self.dry_run, "plan": raw }))?;
            }
            Output::Text => {
                let (id, job, state) = (run.id, &run.job, word(run.state));
                writeln!(context.out, "run {id} of {job}: {state}: {}", plain(said))?;
                if let Some((_, plan)) = &plan {
                    write!(context.out, "\n{}", plan.text())?;
                }
            }
        }
        if let Some(why) = plan.as_ref().and_then(|(_, plan)| plan.held()) {
            return Err(CommandError::held(format!("a guard would hold this: {why}")));
        }
        verdict_on(&run, misconfigured)
    }
}

/// The exit of the process: what became of the run.
fn verdict_on(run: &Run, misconfigured: bool) -> Result<(), CommandError> {
    let said = run.error.as_deref().or(run.summary.as_deref()).unwrap_or("no reason was kept");
    match run.state {
        RunState::Done | RunState::Unchanged | RunState::Skipped => Ok(()),
        RunState::Held => Err(CommandError::held(format!("a guard holds {}: {said}", run.job))),
        _ if misconfigured => Err(CommandError::invalid(format!("{} cannot run: {said}", run.job))),
        state => {
            let message = format!("{} {}: {said}", run.job, word(state));
            Err(CommandError::failed(message).hint(format!("`tidegate show {}` shows the run", run.id)))
        }
    }
}

/// Cancelled on SIGINT and SIGTERM.
fn stop_on_signal() -> Result<CancellationToken, CommandError> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}

/// Work that notes whether the operator's own files are at fault: the store keeps only words, and this
/// decides the exit code.
struct Noting {
    work: Arc<dyn JobWork>,
    misconfigured: Arc<AtomicBool>,
}

impl JobWork for Noting {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(async move {
            let result = self.work.run(context).await;
            if matches!(result, Err(RunError::Configuration(_))) {
                self.misconfigured.store(true, Ordering::Relaxed);
            }
            result
        })
    }
}
