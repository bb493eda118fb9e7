//! A look at this machine before anything is played: whether tests can run on it at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::clock::SharedClock;
use crate::config::{EngineKind, Engines as Settings, LocalEngine};
use crate::domain::TestVerdict;
use crate::engine::{Assignment, AssignmentFolder, CommandWork, Limits, Network, Progress, Work};
use crate::failure::Failure;
use crate::jobs::engines::{Engines, JobEngine};
use crate::rehearse::world::CondaWorld;

/// Where the sandbox is chosen.
const WHERE: &str = "`sandbox` stands in [engine.local] of tidegate.toml, in the folder that --config names";
/// How often the trial is looked at, and for how long.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a world whose platforms are not this machine's, and a sandbox that is not installed.
pub(super) fn check(world: &CondaWorld, engine: &LocalEngine, clock: SharedClock) -> anyhow::Result<()> {
    let here = Engines::new(Settings::default(), PathBuf::new(), clock);
    let here = here.platform(EngineKind::Local);
    let platforms = &world.distribution().platforms;
    if let Some(other) = platforms.iter().find(|platform| *platform != here) {
        bail!(
            "`{}` is for {other}, and this machine is {here}; a rehearsal of conda packages really tests \
             them, so play it on a machine for {other}",
            world.name
        );
    }
    engine.sandbox.check().map_err(unable)
}

/// Runs a program that does nothing, as tests will be run.
pub(super) async fn run(engine: &LocalEngine, out: &Path, clock: SharedClock) -> anyhow::Result<()> {
    let settings =
        Settings { local: LocalEngine { socket: None, ..engine.clone() }, slurm: None, github_actions: None };
    let engines = Engines::new(settings, out.to_owned(), clock);
    let local = engines.get(EngineKind::Local).map_err(unable)?;
    let assignment = Assignment {
        key: "trial".to_owned(),
        work: Work::Command(CommandWork { command: vec!["true".to_owned()], variables: BTreeMap::new() }),
        limits: Limits { time: PATIENCE.as_secs(), ..Limits::default() },
        network: Network::Denied,
    };
    let path = local.root.join(&assignment.key);
    let mut folder = AssignmentFolder::create(&path, &assignment)?;
    if folder.report()?.is_some_and(|report| report.verdict != TestVerdict::Pass) {
        // Of a rehearsal that was ended just then; the machine may have been set right since.
        clear(&path)?;
        folder = AssignmentFolder::create(&path, &assignment)?;
    }
    let ended = tokio::time::timeout(PATIENCE, end(&local, &folder)).await;
    let verdict = ended
        .with_context(|| format!("a trial did not end within {PATIENCE:?}; is this machine very busy?"))?;
    clear(&path)?;
    match verdict? {
        TestVerdict::Pass => Ok(()),
        TestVerdict::Infrastructure { why } => bail!("tests cannot be run on this machine: {why}; {WHERE}"),
        other => bail!("tests cannot be run on this machine: a program that does nothing came to {other:?}"),
    }
}

async fn end(local: &JobEngine, folder: &AssignmentFolder) -> Result<TestVerdict, Failure> {
    let ticket = local.engine.submit(folder).await?;
    loop {
        match local.engine.look(&ticket).await? {
            Progress::Ended(report) => return Ok(report.verdict),
            Progress::Lost { why } => return Ok(TestVerdict::Infrastructure { why }),
            Progress::Waiting | Progress::Running => tokio::time::sleep(LOOK).await,
        }
    }
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot clear up {}", folder.display()))
}

/// A failure with what to do about it.
fn unable(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Configuration { message, hint: Some(hint) } => {
            anyhow::anyhow!("{message}; {hint}; {WHERE}")
        }
        failure => failure.into(),
    }
}
