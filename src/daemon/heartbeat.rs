//! The heartbeat: every few seconds the planner looks at the store, the runner is woken, and
//! systemd's watchdog is fed. tokio-cron-scheduler gives the beat and nothing else: it knows no
//! job and no time zone, so that its clock faults cannot reach a schedule.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use sd_notify::NotifyState;
use tokio::sync::{Mutex, Notify};
use tokio_cron_scheduler::{Job as CronJob, JobScheduler};

use super::planner::Planner;
use crate::clock::SharedClock;

/// What happens at each beat.
pub struct Beat {
    planner: Planner,
    clock: SharedClock,
    /// Wakes the runner.
    wake: Arc<Notify>,
    /// Held during a beat: one that comes while the last is under way does nothing.
    busy: Mutex<()>,
    last: std::sync::Mutex<Option<Timestamp>>,
}

impl Beat {
    /// A beat that plans with `planner` and then wakes the runner.
    pub fn new(planner: Planner, clock: SharedClock, wake: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { planner, clock, wake, busy: Mutex::new(()), last: std::sync::Mutex::new(None) })
    }

    /// Plans now, wakes the runner, and feeds the watchdog if planning worked. A fault in planning
    /// is logged and starves the watchdog; it does not end the heartbeat.
    pub async fn beat(&self) {
        let Ok(_busy) = self.busy.try_lock() else {
            tracing::warn!("the last look at the schedules is not over yet");
            return;
        };
        let now = self.clock.now();
        let planner = self.planner.clone();
        match tokio::spawn(async move { planner.tick(now).await }).await {
            Ok(Ok(added)) => {
                if added > 0 {
                    tracing::debug!(added, "planned");
                }
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                notify(&[NotifyState::Watchdog]);
            }
            Ok(Err(error)) => tracing::error!("cannot plan: {error:#}"),
            Err(error) => tracing::error!("a fault in the planner, please report it: {error}"),
        }
        self.wake.notify_one();
    }

    /// When planning last worked: how a health check sees that the daemon lives.
    pub fn last(&self) -> Option<Timestamp> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beats every `every` (whole seconds, 1 to 59) until the scheduler is shut down.
pub(super) async fn start(every: Duration, beat: Arc<Beat>) -> anyhow::Result<JobScheduler> {
    let seconds = every.as_secs();
    ensure!(
        (1..60).contains(&seconds) && every.subsec_nanos() == 0,
        "the heartbeat is {every:?}; it has to be whole seconds from 1s to 59s"
    );
    if let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit < every * 2) {
        tracing::warn!(
            "WatchdogSec is {limit:?}, less than two heartbeats of {every:?}: systemd may kill us"
        );
    }
    let scheduler = JobScheduler::new().await.context("cannot make the heartbeat")?;
    // A cron job, because after a suspend it beats once; a repeated one would make up for each beat.
    let job = CronJob::new_async(format!("*/{seconds} * * * * *"), move |_, _| {
        let beat = beat.clone();
        Box::pin(async move { beat.beat().await })
    })
    .context("cannot make the heartbeat")?;
    scheduler.add(job).await.context("cannot add the heartbeat")?;
    scheduler.start().await.context("cannot start the heartbeat")?;
    Ok(scheduler)
}

/// Tells systemd; where there is none, this does nothing.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot tell systemd {states:?}: {error}");
    }
}
