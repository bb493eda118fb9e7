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

use super::conda::{CondaScenery, CondaSummary, CondaWorld};
use super::r_universe::RUniverse;
use super::scenery::{Scenery, Span};
use super::timeline::Timeline;
use super::world::World;
use super::{identity, output};
use crate::clock::{Clock as _, ManualClock, SharedClock};
use crate::config::{Configuration, LocalEngine};
use crate::daemon::{Jobs, Planner, RunLimits, Runner, new_boot_id};
use crate::domain::{EvidencePolicy, StagingModel, Via};
use crate::github::{GitHub, GitHubSettings, Pace};
use crate::jobs::engines::Engines;
use crate::jobs::{self, Pass, Services};
use crate::store::{Durability, Store};

/// The journal of the simulated world, inside the output folder.
const WORLD_JOURNAL: &str = "world.jsonl";

/// The folder inside the output folder that everything is published to.
pub(super) const PUBLISHED: &str = "published";

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

/// How a rehearsal ended; `S` is its summary.
#[derive(Debug)]
pub struct Outcome<S> {
    /// What was written to `summary.json`.
    pub summary: S,
    /// What tidegate asked of the simulated services that the real ones do not offer, and limits that
    /// it exceeded. Empty when all is well.
    pub violations: Vec<String>,
    /// How often each call of GitHub's was made.
    pub requests: std::collections::BTreeMap<String, u64>,
}

/// Plays the jobs of `configuration` against a world of R packages, from where the output folder stands.
pub async fn rehearse(
    world: World,
    configuration: Configuration,
    settings: &RehearsalSettings,
    audience: &mut dyn Audience,
) -> anyhow::Result<Outcome<output::Summary>> {
    identity::claim(&settings.out, (&world.name, world.digest()), settings)?;
    let span = Span { start: world.start, end: settings.end(world.end) };
    let (clock, journal) = (ManualClock::new(world.start), settings.out.join(WORLD_JOURNAL));
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    let scenery = RUniverse::raise(world, &configuration, settings, (&journal, &shared)).await?;
    perform(scenery, (clock, span), settings, audience).await
}

/// Plays a world of conda packages with its own jobs, from where the output folder stands. Its tests run
/// on this machine as `engine` says.
pub async fn rehearse_conda(
    world: CondaWorld,
    engine: &LocalEngine,
    settings: &RehearsalSettings,
    audience: &mut dyn Audience,
) -> anyhow::Result<Outcome<CondaSummary>> {
    // Channels that are folders are known by their whole path.
    let out = std::path::absolute(&settings.out).context("cannot tell where the output folder lies")?;
    let settings = &RehearsalSettings { out, ..settings.clone() };
    let clock = ManualClock::new(world.start);
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    CondaScenery::check(&world, engine, Arc::clone(&shared))?;
    identity::claim(&settings.out, (&world.name, world.digest()), settings)?;
    let span = Span { start: world.start, end: settings.end(world.end) };
    let journal = settings.out.join(WORLD_JOURNAL);
    let scenery = CondaScenery::raise(world, engine, &settings.out, (&journal, &shared)).await?;
    perform(scenery, (clock, span), settings, audience).await
}

impl RehearsalSettings {
    /// When to stop in a world that ends at `end`.
    fn end(&self, end: Timestamp) -> Timestamp {
        self.to.unwrap_or(end).min(end)
    }
}

async fn perform<S: Scenery>(
    mut scenery: S,
    (clock, span): (Arc<ManualClock>, Span),
    settings: &RehearsalSettings,
    audience: &mut dyn Audience,
) -> anyhow::Result<Outcome<S::Summary>> {
    let out = &settings.out;
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    scenery.github().set_faults(settings.faults.clone());
    if let Some(reached) = scenery.github().last_event() {
        clock.set(reached.max(span.start));
    }
    let store = Store::open_state(out, Durability::ProcessCrash, shared.now()).await?;
    scenery.open(&store).await?;
    let services = Arc::new(services(&store, &shared, &scenery, out).await?);
    let jobs = Jobs::new(jobs::runnable(scenery.configuration(), &services, Pass::Full))?;
    let boot = new_boot_id();
    store.recover(&boot, shared.now()).await?;
    let mut stage = Stage {
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
    stage.play(span, &mut timeline, audience).await?;
    timeline.finish().await?;
    let summary = stage.scenery.leave_behind(out, &store, span).await?;
    let scenery = &stage.scenery;
    Ok(Outcome { summary, violations: scenery.violations(), requests: scenery.github().requests() })
}

async fn services(
    store: &Store,
    clock: &SharedClock,
    scenery: &impl Scenery,
    out: &Path,
) -> anyhow::Result<Services> {
    let settings = GitHubSettings::new(
        scenery.github_url().parse().context("the simulated GitHub has no address")?,
        "a-token-of-the-rehearsal".to_owned().into(),
    );
    let engines = scenery.configuration().settings.engine.clone();
    Ok(Services {
        github: Some(GitHub::new(settings, store.clone(), Arc::clone(clock), Pace::None).await?),
        store: store.clone(),
        http: scenery.http()?,
        clock: Arc::clone(clock),
        publish: out.join(PUBLISHED),
        signer: Default::default(),
        artifacts: out.join("artifacts"),
        engines: Engines::new(engines, out.to_path_buf(), Arc::clone(clock)),
    })
}

/// Everything that acts while world time passes.
struct Stage<S> {
    planner: Planner,
    runner: Runner,
    scenery: S,
    clock: Arc<ManualClock>,
}

impl<S: Scenery> Stage<S> {
    async fn play(
        &mut self,
        span: Span,
        timeline: &mut Timeline,
        audience: &mut dyn Audience,
    ) -> anyhow::Result<()> {
        loop {
            let now = self.clock.now();
            self.scenery.prepare(now).await?;
            self.planner.tick(now).await?;
            self.runner.run_due().await?;
            timeline.advance(audience).await?;
            audience.time_moves(now, span.start, span.end);
            if now >= span.end {
                return Ok(());
            }
            let wake = self.planner.next_wake(now).await?;
            let people = self.scenery.github().next_event_after(now);
            let change = self.scenery.next_change_after(now);
            let later = wake.into_iter().chain(people.into_iter().chain(change).filter(|at| *at > now));
            let next = later.min().unwrap_or(span.end).min(span.end);
            self.scenery.github().advance_to(next).map_err(|refused| anyhow::anyhow!(refused.message))?;
            self.clock.set(next);
        }
    }
}
