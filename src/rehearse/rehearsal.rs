//! The rehearsal itself: the same jobs, planner and runner as the daemon's, against a world.
//!
//! The world has its own store, the journal of the simulated GitHub, which is written before each
//! answer; world time moves on only when nothing is due or running. So a kill of the rehearsal is a
//! crash of tidegate, not of GitHub, and a rehearsal that is started again goes on where it was.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::scenery::Scenery;
use super::timeline::Timeline;
use super::world::World;
use super::{identity, output};
use crate::clock::{Clock as _, ManualClock, SharedClock};
use crate::config::{self, Configuration};
use crate::daemon::{Jobs, Planner, RunLimits, Runner, new_boot_id};
use crate::domain::{EvidencePolicy, StagingModel, Via};
use crate::github::{GitHub, GitHubSettings, Pace};
use crate::jobs::engines::Engines;
use crate::jobs::{self, Pass, Services};
use crate::store::{Durability, Store};

/// The journal of the simulated world, inside the output folder.
const WORLD_JOURNAL: &str = "world.jsonl";

/// How long a run has that is told to stop; nothing in a rehearsal takes that long.
const GRACE: Duration = Duration::from_secs(10);

/// What a rehearsal is to do.
#[derive(Clone, Debug)]
pub struct RehearsalSettings {
    /// The folder that everything is written to.
    pub out: PathBuf,
    /// Up to when; the end of the world where it is later.
    pub to: Option<Timestamp>,
    /// A staging model other than the configuration's.
    pub staging: Option<StagingModel>,
    /// A way of changing channels other than the configuration's.
    pub via: Option<Via>,
    /// An evidence policy other than the configuration's.
    pub policy: Option<EvidencePolicy>,
    /// Faults that the simulated GitHub is to have.
    pub faults: Vec<super::github::faults::Fault>,
}

/// What watches a rehearsal: a terminal, a test, or nobody.
pub trait Audience: Send {
    /// The world's time has come to `now`, on its way from `start` to `end`.
    fn time_moves(&mut self, now: Timestamp, start: Timestamp, end: Timestamp);
    /// A line of the timeline.
    fn happens(&mut self, event: &crate::store::Event);
}

/// How a rehearsal ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was written to `summary.json`.
    pub summary: output::Summary,
    /// What tidegate asked of the simulated services that the real ones do not offer, and limits that
    /// it exceeded. Empty when all is well.
    pub violations: Vec<String>,
    /// How often each call of GitHub's was made.
    pub requests: std::collections::BTreeMap<String, u64>,
}

/// Plays the jobs of `configuration` against `world`, from where the output folder stands.
pub async fn rehearse(
    world: World,
    configuration: Configuration,
    settings: &RehearsalSettings,
    audience: &mut dyn Audience,
) -> anyhow::Result<Outcome> {
    let out = &settings.out;
    identity::claim(out, &world, settings)?;
    let end = settings.to.unwrap_or(world.end).min(world.end);
    let start = world.start;
    let clock = ManualClock::new(start);
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    let configuration = Arc::new(configuration);
    let scenery = Scenery::raise(world, &configuration, out.join(WORLD_JOURNAL), &shared).await?;
    scenery.github.set_faults(settings.faults.clone());
    if let Some(reached) = scenery.github.last_event() {
        clock.set(reached.max(start));
    }
    let configuration = scenery.relocated(&configuration, settings)?;
    let store = Store::open_state(out, Durability::ProcessCrash, shared.now()).await?;
    let services = Arc::new(services(&store, &shared, &scenery, out).await?);
    let jobs = Jobs::new(jobs::runnable(&configuration, &services, Pass::Full))?;
    let boot = new_boot_id();
    store.recover(&boot, shared.now()).await?;
    let stage = Stage {
        planner: Planner::new(store.clone(), jobs.clone()),
        // One run at a time: what is due at the same moment runs in a fixed order.
        runner: Runner::new(
            store.clone(),
            Arc::clone(&shared),
            jobs,
            boot,
            RunLimits { concurrent: NonZeroUsize::MIN, grace: GRACE },
        ),
        scenery,
        clock,
    };
    let mut timeline = Timeline::resume(out, &store).await?;
    stage.play(start, end, &mut timeline, audience).await?;
    timeline.finish().await?;
    let pages = stage.scenery.pull_requests();
    let summary = output::write(out, &store, &configuration, &pages, (start, end)).await?;
    Ok(Outcome { summary, violations: stage.scenery.violations(), requests: stage.scenery.github.requests() })
}

async fn services(
    store: &Store,
    clock: &SharedClock,
    scenery: &Scenery,
    out: &Path,
) -> anyhow::Result<Services> {
    let settings = GitHubSettings::new(
        scenery.github_url().parse().context("the simulated GitHub has no address")?,
        "a-token-of-the-rehearsal".to_owned().into(),
    );
    Ok(Services {
        github: Some(GitHub::new(settings, store.clone(), Arc::clone(clock), Pace::None).await?),
        store: store.clone(),
        http: scenery.http()?,
        clock: Arc::clone(clock),
        publish: out.join("published"),
        artifacts: out.join("artifacts"),
        engines: Engines::new(config::Engines::default(), out.to_path_buf(), Arc::clone(clock)),
    })
}

/// Everything that acts while world time passes.
struct Stage {
    planner: Planner,
    runner: Runner,
    scenery: Scenery,
    clock: Arc<ManualClock>,
}

impl Stage {
    async fn play(
        &self,
        start: Timestamp,
        end: Timestamp,
        timeline: &mut Timeline,
        audience: &mut dyn Audience,
    ) -> anyhow::Result<()> {
        loop {
            let now = self.clock.now();
            self.scenery.prepare(now);
            self.planner.tick(now).await?;
            self.runner.run_due().await?;
            timeline.advance(audience).await?;
            audience.time_moves(now, start, end);
            if now >= end {
                return Ok(());
            }
            let wake = self.planner.next_wake(now).await?;
            let people = self.scenery.github.next_event_after(now).filter(|at| *at > now);
            let next = wake.into_iter().chain(people).min().unwrap_or(end).min(end);
            self.scenery.github.advance_to(next).map_err(|refused| anyhow::anyhow!(refused.message))?;
            self.clock.set(next);
        }
    }
}
