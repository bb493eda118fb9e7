//! Runs what is due: claims it in the store, one run per job and a bounded number in all.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::execution::Execution;
use super::job::{JobSet, Jobs};
use crate::clock::SharedClock;
use crate::store::{BootId, Run, Store};

/// The bounds of a runner.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    /// The most runs at the same time. With 1, runs follow each other in a fixed order.
    pub concurrent: NonZeroUsize,
    /// How long a run that is told to stop has before it is cut off.
    pub grace: Duration,
}

/// Runs occurrences.
pub struct Runner {
    store: Store,
    clock: SharedClock,
    jobs: Jobs,
    boot: BootId,
    limits: RunLimits,
}

/// A name for this life of the process that no other one has.
pub fn new_boot_id() -> BootId {
    // The standard library's hash keys are its one source of random bits.
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    BootId(format!("{}-{random:016x}", std::process::id()))
}

impl Runner {
    /// A runner of `jobs` in the life `boot` of this process.
    pub fn new(store: Store, clock: SharedClock, jobs: Jobs, boot: BootId, limits: RunLimits) -> Self {
        Self { store, clock, jobs, boot, limits }
    }

    /// Runs everything that is due now to its end, including what becomes due by that, and returns
    /// the number of runs.
    pub async fn run_due(&self) -> anyhow::Result<usize> {
        let mut active = JoinSet::new();
        let stop = CancellationToken::new();
        let mut count = 0;
        loop {
            count += self.begin_due(&mut active, &stop).await?;
            if active.join_next().await.is_none() {
                return Ok(count);
            }
        }
    }

    /// Runs `job` for the nominal time `nominal` once, now, in the foreground, and returns how that
    /// went: one attempt, whatever the job's own policy on trying again. Cancelling `stop` ends it
    /// early. Fails where there is no such job, or another run of it is under way.
    pub async fn run_once(
        &self,
        job: &str,
        nominal: Timestamp,
        reason: &str,
        stop: CancellationToken,
    ) -> anyhow::Result<Run> {
        let mut job =
            self.jobs.current().get(job).cloned().with_context(|| format!("there is no job {job}"))?;
        job.definition.retry.attempts = 1;
        let name = job.definition.name.clone();
        let occurrence = self.store.request_run(&name, nominal, reason, self.clock.now()).await?;
        let claim = self.store.claim_occurrence(occurrence, &self.boot, self.clock.now()).await?;
        let run = claim.run;
        self.execution(&stop).carry_out(claim, job).await;
        self.store.run(run).await?.with_context(|| format!("run {run} of {name} is gone"))
    }

    /// Runs what is due whenever `wake` is notified, until `stop` is cancelled. Then nothing new
    /// begins, and what is under way may end within `stop_within`: first by itself, then told to
    /// stop, at last cut off.
    pub async fn run_until_stopped(&self, wake: Arc<Notify>, stop: CancellationToken, stop_within: Duration) {
        let mut active = JoinSet::new();
        let interrupt = CancellationToken::new();
        while !stop.is_cancelled() {
            if let Err(error) = self.begin_due(&mut active, &interrupt).await {
                tracing::error!("cannot begin what is due: {error:#}");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = wake.notified() => {}
                Some(_) = active.join_next() => {}
            }
        }
        // The rest of the time is for runs that have to be told, and for writing their ends.
        let patience = stop_within.saturating_sub(self.limits.grace * 2);
        if tokio::time::timeout(patience, drain(&mut active)).await.is_err() {
            tracing::warn!("{} runs are still under way and are told to stop", active.len());
            interrupt.cancel();
            if tokio::time::timeout(self.limits.grace * 2, drain(&mut active)).await.is_err() {
                tracing::error!("{} runs did not stop: the next start finds them lost", active.len());
            }
        }
    }

    /// Begins as many due occurrences as the limit allows, and returns how many those are.
    async fn begin_due(&self, active: &mut JoinSet<()>, stop: &CancellationToken) -> anyhow::Result<usize> {
        let jobs = self.jobs.current();
        self.expire_late(&jobs).await?;
        let names: BTreeSet<String> = jobs.keys().cloned().collect();
        let mut begun = 0;
        while active.len() < self.limits.concurrent.get() {
            let Some(claim) = self.store.claim_next(&names, &self.boot, self.clock.now()).await? else {
                break;
            };
            let job = jobs.get(&claim.occurrence.job).expect("only occurrences of these jobs are claimed");
            active.spawn(self.execution(stop).carry_out(claim, job.clone()));
            begun += 1;
        }
        Ok(begun)
    }

    fn execution(&self, stop: &CancellationToken) -> Execution {
        Execution {
            store: self.store.clone(),
            clock: self.clock.clone(),
            grace: self.limits.grace,
            stop: stop.clone(),
        }
    }

    async fn expire_late(&self, jobs: &JobSet) -> anyhow::Result<()> {
        let now = self.clock.now();
        for job in jobs.values().map(|job| &job.definition) {
            let Some(deadline) = job.deadline else { continue };
            let Ok(before) = now.checked_sub(deadline) else { continue };
            let reason = format!("could not begin within {deadline:#} of its time");
            self.store.expire_waiting(&job.name, before, &reason, now).await?;
        }
        Ok(())
    }
}

async fn drain(active: &mut JoinSet<()>) {
    while active.join_next().await.is_some() {}
}
