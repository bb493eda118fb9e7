//! What people may do to a running daemon: pause, resume, skip, run now, reload. Each is a row in the
//! store first, so that it outlives the process, and then a wake.

use std::sync::Arc;

use anyhow::{bail, ensure};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sd_notify::NotifyState;
use tokio::sync::Notify;

use super::heartbeat::{Beat, notify};
use super::job::{Job, JobDefinition, Jobs};
use super::report::{StatusReport, report};
use super::wishes::{self, Wish};
use crate::clock::SharedClock;
use crate::domain::{
    ChannelChange, ChannelWish, CulpritWish, OverrideWish, PublishWish, ReleaseWish, RemovalWish,
    SnapshotChange, SnapshotWish,
};
use crate::store::{NewGuardConfirmation, Store};

/// Reads the job files again: all of them, or the reason why not.
pub type Reload = Box<dyn Fn() -> Result<Vec<Job>, String> + Send + Sync>;

/// Whoever changes channels for people.
pub trait ChannelSteering: Send + Sync {
    /// Carries out a wish, and says what it came to.
    fn carry_out<'a>(&'a self, wish: &'a ChannelWish) -> BoxFuture<'a, anyhow::Result<ChannelChange>>;
}

/// Whoever changes published snapshots for people.
pub trait SnapshotSteering: Send + Sync {
    /// Carries out a wish, and says what it came to.
    fn carry_out<'a>(&'a self, wish: &'a SnapshotWish) -> BoxFuture<'a, anyhow::Result<SnapshotChange>>;
}

/// The daemon's parts that people steer.
pub(super) struct Steering {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) jobs: Jobs,
    pub(super) beat: Arc<Beat>,
    pub(super) wake: Arc<Notify>,
    pub(super) reload: Reload,
    pub(super) channels: Arc<dyn ChannelSteering>,
    pub(super) snapshots: Arc<dyn SnapshotSteering>,
}

impl Steering {
    pub(super) async fn pause(&self, job: &str, by: &str, reason: &str) -> anyhow::Result<String> {
        self.check(job, reason)?;
        wishes::pause(&self.store, Wish { job, by, reason }, self.clock.now()).await
    }

    pub(super) async fn resume(&self, job: &str, by: &str, reason: &str) -> anyhow::Result<String> {
        self.check(job, reason)?;
        let meaning = wishes::resume(&self.store, Wish { job, by, reason }, self.clock.now()).await?;
        self.beat.beat().await;
        Ok(meaning)
    }

    pub(super) async fn skip_next(&self, job: &str, by: &str, reason: &str) -> anyhow::Result<String> {
        self.check(job, reason)?;
        wishes::skip_next(&self.store, Wish { job, by, reason }, self.clock.now()).await
    }

    pub(super) async fn confirm_guard(&self, new: NewGuardConfirmation<'_>) -> anyhow::Result<String> {
        wishes::confirm_guard(&self.store, new, self.clock.now()).await
    }

    pub(super) async fn remove(&self, wish: &RemovalWish) -> anyhow::Result<String> {
        wishes::remove(&self.store, wish, self.clock.now()).await
    }

    pub(super) async fn override_evidence(&self, wish: &OverrideWish) -> anyhow::Result<String> {
        wishes::override_evidence(&self.store, wish, self.clock.now()).await
    }

    pub(super) async fn find_culprit(&self, wish: &CulpritWish) -> anyhow::Result<String> {
        self.check(&wish.job, &wish.reason)?;
        wishes::find_culprit(&self.store, wish, self.clock.now()).await
    }

    pub(super) async fn release_snapshot(&self, wish: &ReleaseWish) -> anyhow::Result<String> {
        wishes::release_snapshot(&self.store, wish, self.clock.now()).await
    }

    pub(super) async fn publish(&self, wish: &PublishWish) -> anyhow::Result<String> {
        wishes::publish(&self.store, wish, self.clock.now()).await
    }

    pub(super) async fn run_now(
        &self,
        job: &str,
        at: Option<Timestamp>,
        by: &str,
        reason: &str,
    ) -> anyhow::Result<String> {
        self.check(job, reason)?;
        let now = self.clock.now();
        let nominal = at.unwrap_or(now);
        ensure!(nominal <= now, "{nominal} lies in the future: a job runs for a time that has come");
        self.store.request_run(job, nominal, &format!("asked for by {by}: {reason}"), now).await?;
        self.wake.notify_one();
        Ok(format!("{job} runs for {nominal} as soon as no other run of it is under way"))
    }

    pub(super) async fn status(&self) -> anyhow::Result<StatusReport> {
        let jobs = self.jobs.current();
        let definitions: Vec<&JobDefinition> = jobs.values().map(|job| &job.definition).collect();
        let report = report(&self.store, definitions, self.clock.now()).await?;
        Ok(StatusReport { last_planned_at: self.beat.last(), ..report })
    }

    /// All or nothing: on any mistake the running set stays, and the status says that it is stale.
    pub(super) async fn reload(&self) -> anyhow::Result<String> {
        // systemd takes the two only in one message.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
        let replaced =
            (self.reload)().and_then(|jobs| self.jobs.replace(jobs).map_err(|error| error.to_string()));
        let recorded = match &replaced {
            Ok(_) => self.store.config_loaded(self.clock.now()).await,
            Err(error) => self.store.config_refused(error, self.clock.now()).await,
        };
        notify(&[NotifyState::Ready]);
        recorded?;
        match replaced {
            Ok(difference) => {
                tracing::info!("reloaded: {difference}");
                self.beat.beat().await;
                Ok(difference)
            }
            Err(error) => {
                tracing::error!("the files are refused, the jobs stay as they were:\n{error}");
                bail!("the files are refused, the jobs stay as they were:\n{error}")
            }
        }
    }

    fn check(&self, job: &str, reason: &str) -> anyhow::Result<()> {
        ensure!(!reason.trim().is_empty(), "a reason is needed: it is kept and shown");
        let jobs = self.jobs.current();
        if jobs.contains_key(job) {
            return Ok(());
        }
        let names: Vec<&str> = jobs.keys().map(String::as_str).collect();
        bail!("there is no job {job}; the jobs are: {}", names.join(", "))
    }
}
