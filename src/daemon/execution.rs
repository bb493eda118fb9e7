//! One run from its claim to its end: time limit, panics, stop, and what a failure means.

use std::any::Any;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::job::{Job, JobDefinition, RunContext, RunError, RunOutcome, stable_share};
use crate::clock::SharedClock;
use crate::store::{Claim, RunEnd, Store};

/// The longest wait between two attempts, unless a service asked for more.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// How often the end of a run is written again when the database refuses it, and after what wait.
const REWRITES: u32 = 150;
const REWRITE_WAIT: Duration = Duration::from_secs(2);

/// The parts of a runner that one run needs.
#[derive(Clone)]
pub(super) struct Execution {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    /// How long a run that is told to stop has before it is cut off.
    pub(super) grace: Duration,
    /// Cancelled when runs have to stop because the daemon does.
    pub(super) stop: CancellationToken,
}

/// Why a run was told to stop.
enum Interruption {
    TimeOut,
    Stop,
}

type WorkResult = Result<Result<RunOutcome, RunError>, JoinError>;

impl Execution {
    /// Runs what was claimed, and writes how it ended.
    pub(super) async fn carry_out(self, claim: Claim, job: Job) {
        let cancel = CancellationToken::new();
        let context = RunContext {
            run_id: claim.run,
            job: job.definition.name.clone(),
            nominal: claim.occurrence.scheduled_for,
            clock: self.clock.clone(),
            store: self.store.clone(),
            cancel: cancel.clone(),
        };
        tracing::info!(job = %context.job, run = %claim.run, nominal = %context.nominal, "run begins");
        let work = job.work.clone();
        // A task of its own, so that a panic in it is an outcome and not the end of the daemon.
        let mut task = tokio::spawn(async move { work.run(context).await });
        let interruption = tokio::select! {
            result = &mut task => return self.end(&claim, &job.definition, Some(result), None).await,
            () = tokio::time::sleep(job.definition.timeout) => Interruption::TimeOut,
            () = self.stop.cancelled() => Interruption::Stop,
        };
        cancel.cancel();
        let result = self.wait_or_cut_off(&mut task).await;
        self.end(&claim, &job.definition, result, Some(interruption)).await;
    }

    async fn wait_or_cut_off(
        &self,
        task: &mut JoinHandle<Result<RunOutcome, RunError>>,
    ) -> Option<WorkResult> {
        let result = tokio::time::timeout(self.grace, &mut *task).await.ok();
        if result.is_none() {
            task.abort();
        }
        result
    }

    async fn end(
        &self,
        claim: &Claim,
        job: &JobDefinition,
        result: Option<WorkResult>,
        interruption: Option<Interruption>,
    ) {
        let now = self.clock.now();
        let end = match (result, interruption) {
            // Work that was told to stop and finished all the same is done.
            (Some(Ok(Ok(outcome))), _) => ended_well(outcome),
            (Some(Err(error)), _) if error.is_panic() => {
                RunEnd::Failed { error: panic_message(error.into_panic().as_ref()), retry_at: None }
            }
            (_, Some(Interruption::TimeOut)) => RunEnd::TimedOut {
                error: format!("took longer than its timeout of {:#}", short(job.timeout)),
                retry_at: next_attempt(claim, job, now, None),
            },
            (_, Some(Interruption::Stop)) => RunEnd::Stopped { reason: "the daemon was stopped".into() },
            (Some(Ok(Err(error))), None) => {
                let retry_at = match &error {
                    RunError::Transient(_, asked) => next_attempt(claim, job, now, *asked),
                    RunError::Permanent(_) | RunError::Configuration(_) => None,
                };
                RunEnd::Failed { error: error.to_string(), retry_at }
            }
            (Some(Err(_)) | None, None) => {
                RunEnd::Failed { error: "the run was cut off from inside".into(), retry_at: None }
            }
        };
        tracing::info!(job = %job.name, run = %claim.run, end = ?end, "run ends");
        self.write_end(claim, &end).await;
    }

    /// An end that is not written would block its job until the next start, so a database that is
    /// full or locked is given minutes. After that the next start finds the run lost.
    async fn write_end(&self, claim: &Claim, end: &RunEnd) {
        for _ in 0..REWRITES {
            let Err(error) = self.store.finish_run(claim.run, end, self.clock.now()).await else { return };
            tracing::error!(run = %claim.run, "cannot record how the run ended: {error:#}");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(REWRITE_WAIT) => {}
            }
        }
        tracing::error!(run = %claim.run, "the end of the run is not recorded: its job is blocked until a restart");
    }
}

fn ended_well(outcome: RunOutcome) -> RunEnd {
    match outcome {
        RunOutcome::Done { summary, input_digest, plan_digest } => {
            RunEnd::Done { summary, input_digest, plan_digest }
        }
        RunOutcome::Unchanged { summary } => RunEnd::Unchanged { summary },
        RunOutcome::Held { reason } => RunEnd::Held { reason },
        RunOutcome::Skipped { reason } => RunEnd::Skipped { reason },
    }
}

/// When to try again: twice as late each time, never before a service asked for it, and spread a
/// little, the same for the same attempt. `None` where the attempts are used up.
fn next_attempt(
    claim: &Claim,
    job: &JobDefinition,
    now: Timestamp,
    asked: Option<Timestamp>,
) -> Option<Timestamp> {
    let failures = u32::try_from(claim.failures).unwrap_or(u32::MAX);
    if failures.saturating_add(1) >= job.retry.attempts {
        return None;
    }
    let factor = 2_i32.saturating_pow(failures);
    let wait = job.retry.wait.saturating_mul(factor).min(LONGEST_WAIT);
    let seed = format!("{} {} {failures}", job.name, claim.occurrence.scheduled_for);
    let at = now.saturating_add(wait + stable_share(&seed, wait / 10)).unwrap_or(Timestamp::MAX);
    Some(asked.map_or(at, |asked| asked.max(at)))
}

fn short(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    format!("a fault in tidegate, please report it: {text}")
}
