//! The daemon as a service: start, signals, reload and an orderly stop.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::control::{CONTROL_SOCKET, answer_all, listen};
use super::heartbeat::{self, Beat, notify};
use super::housekeeping::{Retention, keep_house_daily};
use super::job::{Job, Jobs};
use super::planner::Planner;
use super::runner::{RunLimits, Runner, new_boot_id};
use super::steering::{ChannelSteering, Reload, SnapshotSteering, Steering};
use crate::clock::SharedClock;
use crate::store::{BootId, Store};

/// The most time that a run gets between being told to stop and being cut off.
const GRACE: Duration = Duration::from_secs(10);

/// How a daemon runs.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// The state folder, whose lock this process holds.
    pub state: PathBuf,
    /// The time between two looks at the schedules: whole seconds, 1 to 59.
    pub heartbeat: Duration,
    /// How long an orderly stop may take.
    pub stop_within: Duration,
    /// The most runs at the same time.
    pub concurrent_runs: NonZeroUsize,
    /// How long history is kept.
    pub retention: Retention,
}

/// What a daemon is given to work with.
pub struct Provided {
    /// The jobs it begins with.
    pub jobs: Vec<Job>,
    /// Reads the job files again.
    pub reload: Reload,
    /// Changes channels for people.
    pub channels: Arc<dyn ChannelSteering>,
    /// Changes published snapshots for people.
    pub snapshots: Arc<dyn SnapshotSteering>,
}

/// Runs the daemon until SIGTERM or SIGINT. SIGHUP reads the job files again.
pub async fn run(
    settings: DaemonSettings,
    store: Store,
    clock: SharedClock,
    provided: Provided,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let hangup = Arc::new(Notify::new());
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let signals = {
        let (stop, hangup) = (stop.clone(), hangup.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return stop.cancel(),
                    _ = interrupt.recv() => return stop.cancel(),
                    _ = hangups.recv() => hangup.notify_one(),
                }
            }
        })
    };
    let served = serve(settings, store, clock, provided, (stop, hangup)).await;
    signals.abort();
    served
}

/// Runs the daemon until `stop` is cancelled, and reloads whenever `hangup` is notified: [`run`]
/// without the signals.
pub async fn serve(
    settings: DaemonSettings,
    store: Store,
    clock: SharedClock,
    Provided { jobs, reload, channels, snapshots }: Provided,
    (stop, hangup): (CancellationToken, Arc<Notify>),
) -> anyhow::Result<()> {
    let jobs = Jobs::new(jobs)?;
    let boot = new_boot_id();
    recover(&store, &boot, &clock).await?;
    let wake = Arc::new(Notify::new());
    let beat = Beat::new(Planner::new(store.clone(), jobs.clone()), clock.clone(), wake.clone());
    let limits =
        RunLimits { concurrent: settings.concurrent_runs, grace: GRACE.min(settings.stop_within / 4) };
    let runner = Runner::new(store.clone(), clock.clone(), jobs.clone(), boot, limits);
    let steering = Arc::new(Steering {
        store: store.clone(),
        clock: clock.clone(),
        jobs,
        beat: beat.clone(),
        wake: wake.clone(),
        reload,
        channels,
        snapshots,
    });

    let listener = listen(&settings.state)?;
    let answering = tokio::spawn(answer_all(listener, steering.clone()));
    let mut scheduler = heartbeat::start(settings.heartbeat, beat.clone()).await?;
    beat.beat().await;
    notify(&[NotifyState::Ready]);

    let housekeeping =
        tokio::spawn(keep_house_daily(store.clone(), clock.clone(), settings.retention, stop.clone()));
    let reloading = tokio::spawn(async move {
        loop {
            hangup.notified().await;
            // What went wrong is logged and kept where it happens; there is nobody to answer to.
            let _ = steering.reload().await;
        }
    });
    let announce = async {
        stop.cancelled().await;
        notify(&[NotifyState::Stopping]);
    };
    tokio::join!(runner.run_until_stopped(wake, stop.clone(), settings.stop_within), announce);

    if let Err(error) = scheduler.shutdown().await {
        tracing::warn!("the heartbeat did not stop: {error}");
    }
    reloading.abort();
    // A batch under way ends as one transaction, or not at all.
    housekeeping.abort();
    answering.abort();
    // A socket that nobody answers would only make commands wait.
    let _ = std::fs::remove_file(settings.state.join(CONTROL_SOCKET));
    store.daemon_stopped(clock.now()).await
}

async fn recover(store: &Store, boot: &BootId, clock: &SharedClock) -> anyhow::Result<()> {
    let recovered = store.recover(boot, clock.now()).await?;
    for (job, nominal) in &recovered.again {
        tracing::warn!(%job, %nominal, "the last process ended under this run: it is tried again");
    }
    for (job, nominal) in &recovered.given_up {
        tracing::error!(%job, %nominal, "the process ended under this run too often: it is given up");
    }
    store.daemon_started(boot, std::process::id(), clock.now()).await
}
