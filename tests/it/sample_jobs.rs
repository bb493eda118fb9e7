//! Jobs whose work the tests decide.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidegate::calendar::{CatchUp, Overlap, Schedule};
use tidegate::clock::ManualClock;
use tidegate::daemon::{
    Job, JobDefinition, JobWork, Jobs, Planner, Retry, RunContext, RunError, RunLimits, RunOutcome, Runner,
    new_boot_id,
};
use tidegate::store::{Durability, Occurrence, Store};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A job with the shipped policies and nothing random: catch up with the latest, skip on overlap.
pub fn definition(name: &str, expression: &str, zone: &str) -> JobDefinition {
    let zone_found = TimeZone::get(zone).unwrap();
    JobDefinition {
        name: name.into(),
        kind: "sample".into(),
        schedule: Schedule::cron(expression, zone_found, at("2026-01-01T00:00:00Z")).unwrap(),
        schedule_digest: format!("{expression} {zone}"),
        catch_up: CatchUp::Latest,
        catch_up_window: None,
        overlap: Overlap::Skip,
        timeout: Duration::from_secs(60),
        jitter: SignedDuration::ZERO,
        retry: Retry { attempts: 1, wait: SignedDuration::from_mins(1) },
        deadline: None,
    }
}

pub type Doing = BoxFuture<'static, Result<RunOutcome, RunError>>;

/// Work that a test wrote, and the nominal times that it was called for.
pub struct Script {
    doing: Box<dyn Fn(RunContext) -> Doing + Send + Sync>,
    calls: Mutex<Vec<Timestamp>>,
}

impl Script {
    pub fn new(doing: impl Fn(RunContext) -> Doing + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { doing: Box::new(doing), calls: Mutex::default() })
    }

    /// Work that is done at once.
    pub fn quick() -> Arc<Self> {
        Self::new(|_| async { Ok(done()) }.boxed())
    }

    pub fn calls(&self) -> Vec<Timestamp> {
        self.calls.lock().unwrap().clone()
    }
}

impl JobWork for Script {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        self.calls.lock().unwrap().push(context.nominal);
        (self.doing)(context)
    }
}

pub fn done() -> RunOutcome {
    RunOutcome::Done { summary: "done".into(), input_digest: None, plan_digest: None }
}

/// A state folder with a clock, a planner and a runner of one or more jobs.
pub struct Yard {
    /// Kept only so that it is not deleted under the database.
    _folder: tempfile::TempDir,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub jobs: Jobs,
    pub planner: Planner,
    pub runner: Runner,
}

impl Yard {
    pub async fn new(start: &str, jobs: Vec<(JobDefinition, Arc<Script>)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("tidegate.db"), Durability::ProcessCrash).await.unwrap();
        let clock = ManualClock::new(at(start));
        let jobs = Jobs::new(
            jobs.into_iter().map(|(definition, work)| Job { definition, work }).collect::<Vec<_>>(),
        )
        .unwrap();
        let planner = Planner::new(store.clone(), jobs.clone());
        let runner = runner(&store, &clock, &jobs);
        let yard = Self { _folder: folder, store, clock, jobs, planner, runner };
        yard.tick().await;
        yard
    }

    /// Sets the clock and plans.
    pub async fn tick_at(&self, time: &str) -> usize {
        self.clock.set(at(time));
        self.tick().await
    }

    pub async fn tick(&self) -> usize {
        use tidegate::clock::Clock as _;
        self.planner.tick(self.clock.now()).await.unwrap()
    }

    /// Sets the clock, plans and runs what is due.
    pub async fn live_at(&self, time: &str) -> usize {
        self.tick_at(time).await;
        self.runner.run_due().await.unwrap()
    }

    /// Another process takes over after this one died.
    pub async fn reboot(&mut self) {
        use tidegate::clock::Clock as _;
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        self.runner = runner(&self.store, &self.clock, &self.jobs);
    }

    /// Every occurrence of a job, oldest first.
    pub async fn rows(&self, job: &str) -> Vec<Occurrence> {
        let mut rows = self.store.occurrences(Some(job), 100_000).await.unwrap();
        rows.reverse();
        rows
    }

    /// Every occurrence of a job, as lines that a person can read.
    pub async fn told(&self, job: &str) -> String {
        let line = |row: &Occurrence| {
            let until = row.covers_until.map(|until| format!(" until {until}")).unwrap_or_default();
            let reason = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{}{until} {:?}{reason}", row.scheduled_for, row.state)
        };
        self.rows(job).await.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

pub fn runner(store: &Store, clock: &Arc<ManualClock>, jobs: &Jobs) -> Runner {
    let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_millis(200) };
    Runner::new(store.clone(), clock.clone(), jobs.clone(), new_boot_id(), limits)
}
