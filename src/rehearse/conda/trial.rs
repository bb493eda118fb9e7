//! A look at this machine before anything is played: whether tests can run on it at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::clock::SharedClock;
use crate::config::{EngineKind, Engines as Settings, LocalEngine};
use crate::domain::TestVerdict;
use crate::engine::{Assignment, AssignmentFolder, CommandWork, Limits, Network, Progress, Work};
use crate::failure::Failure;
use crate::jobs::engines::Engines;
use crate::rehearse::world::CondaWorld;

/// How often the trial is looked at, and for how long.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a world whose platforms are not this machine's, and a sandbox that is not installed.
pub(super) fn check(world: &CondaWorld, engine: &LocalEngine, clock: SharedClock) -> anyhow::Result<()> {
    let here = Engines::new(Settings::default(), std::path::PathBuf::new(), clock);
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
    let settings = Settings { local: LocalEngine { socket: None, ..engine.clone() }, slurm: None };
    let engines = Engines::new(settings, out.to_owned(), clock);
    let local = engines.get(EngineKind::Local).map_err(unable)?;
    let assignment = Assignment {
        key: "trial".to_owned(),
        work: Work::Command(CommandWork { command: vec!["true".to_owned()], variables: BTreeMap::new() }),
        limits: Limits { time: PATIENCE.as_secs(), ..Limits::default() },
        network: Network::Denied,
    };
    let folder = AssignmentFolder::create(&local.root.join(&assignment.key), &assignment)?;
    let ticket = local.engine.submit(&folder).await?;
    let ended = async {
        loop {
            match local.engine.look(&ticket).await? {
                Progress::Ended(report) => return Ok(report.verdict),
                Progress::Lost { why } => return Ok(TestVerdict::Infrastructure { why }),
                Progress::Waiting | Progress::Running => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let verdict: Result<TestVerdict, Failure> = tokio::time::timeout(PATIENCE, ended)
        .await
        .with_context(|| format!("a trial did not end within {PATIENCE:?}; is this machine very busy?"))?;
    match verdict? {
        TestVerdict::Pass => {
            std::fs::remove_dir_all(folder.path()).context("cannot clear up after the trial of the sandbox")
        }
        TestVerdict::Infrastructure { why } => bail!("tests cannot be run on this machine: {why}"),
        other => bail!("tests cannot be run on this machine: a program that does nothing came to {other:?}"),
    }
}

/// A failure with what to do about it.
fn unable(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Configuration { message, hint: Some(hint) } => {
            anyhow::anyhow!("{message}; {hint} ([engine.local] in the tidegate.toml that --config names)")
        }
        failure => failure.into(),
    }
}
