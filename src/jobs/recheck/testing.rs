//! Has an engine run the wanted tests, and writes down how they came out.
//!
//! When the power fails: a test whose row is open and that no engine knows is submitted again under the same
//! key; one that runs is adopted, since its folder says so; one that ended while nobody looked left its
//! report there. A test that is no longer wanted is cancelled.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::{StreamExt as _, stream};

use super::observe::Seen;
use super::{Recheck, json};
use crate::daemon::{RunContext, RunError};
use crate::decide::recheck::WantedTest;
use crate::domain::{Build, Environment, Solved, TestVerdict};
use crate::ecosystem::conda::solution::Solution;
use crate::engine::{Assignment, AssignmentFolder, CondaTest, Limits, Network, Progress, Ticket, Work};
use crate::failure::Failure;
use crate::jobs::engines::JobEngine;
use crate::store::{NewRecheckTest, RecheckTest};

/// How often an engine is asked how far a test is.
const LOOK: Duration = Duration::from_millis(500);
/// How many looks a test that is cancelled gets to end.
const PATIENCE: u32 = 40;
/// The most of a log that is kept, in bytes: its end, where the failure is.
const LOG: u64 = 1 << 20;

/// One test of a build in an environment.
pub(super) struct Trial<'t> {
    pub member: &'t Build,
    pub platform: &'t str,
    pub environment: &'t Environment,
    /// The files of the environment.
    pub solution: &'t Solution,
    /// Which try in this environment it is, counted from 1.
    pub attempt: u32,
}

impl Recheck {
    /// Why no test can be run for a platform; nothing where one can.
    pub(super) fn untestable(&self, platform: &str) -> Option<String> {
        let offered = self.services.engines.platform(self.settings.engine);
        (offered != platform).then(|| {
            format!("the engine `{}` is for {offered}, and none is for {platform}", self.settings.engine)
        })
    }

    /// Runs the wanted tests, a number of them at the same time, to their ends.
    pub(super) async fn run_tests(
        &self,
        seen: &Seen,
        wanted: &[WantedTest],
        context: &RunContext,
    ) -> Result<(), RunError> {
        let engine = self.services.engines.get(self.settings.engine)?;
        let mut tests = Vec::with_capacity(wanted.len());
        for test in wanted {
            tests.push(self.run_test(&engine, seen, test, context));
        }
        // One that fails does not stop the others: what they find out is kept.
        let ended: Vec<Result<(), RunError>> =
            stream::iter(tests).buffer_unordered(self.settings.parallel as usize).collect().await;
        ended.into_iter().collect()
    }

    async fn run_test(
        &self,
        engine: &JobEngine,
        seen: &Seen,
        wanted: &WantedTest,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let case = &wanted.case;
        let known = seen.cases.iter().find(|known| known.case == *case);
        let known = known.with_context(|| format!("{case} was not seen"))?;
        let (Solved::Environment(environment), Some(solution)) = (&known.solved, &known.solution) else {
            return Err(RunError::Permanent(anyhow!("{case} has no environment to be tested in")));
        };
        let (member, platform) = (&case.member, &case.platform);
        let trial = Trial { member, platform, environment, solution, attempt: wanted.attempt };
        self.carry_out(engine, &trial, context).await
    }

    /// Runs one test to its end, and writes down how it came out.
    pub(super) async fn carry_out(
        &self,
        engine: &JobEngine,
        trial: &Trial<'_>,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let test = NewRecheckTest {
            job: &context.job,
            member: trial.member,
            platform: trial.platform,
            environment: trial.environment,
            attempt: trial.attempt,
            run: context.run_id,
        };
        let row = self.services.store.begin_recheck_test(&test, self.services.clock.now()).await?;
        if row.ended_at.is_some() {
            return Ok(());
        }
        let assignment = Assignment {
            key: key(&trial.member.sha256, &row),
            work: Work::CondaTest(CondaTest {
                member: trial.member.clone(),
                platform: trial.platform.to_owned(),
                records: trial.solution.to_install(),
            }),
            limits: Limits {
                time: self.settings.test_time.get().as_secs(),
                memory: u64::from(self.settings.test_memory) << 20,
                ..Limits::default()
            },
            network: Network::Denied,
        };
        let folder = AssignmentFolder::create(&engine.root.join(&assignment.key), &assignment)?;
        let ticket = engine.engine.submit(&folder).await?;
        let text = String::from_utf8(json(&ticket)?).map_err(anyhow::Error::from)?;
        self.services.store.keep_recheck_ticket(row.id, &text).await?;
        let verdict = wait(engine, &ticket, context).await?;
        let log = end_of(&folder.log())?;
        self.services
            .store
            .end_recheck_test(row.id, &verdict, log.as_deref(), self.services.clock.now())
            .await?;
        remove(folder.path())
    }

    /// Ends the tests of this job that nobody wants any more: their environment is no longer today's.
    pub(super) async fn abandon_tests(&self, context: &RunContext) -> Result<(), RunError> {
        let open = self.services.store.open_recheck_tests(&context.job).await?;
        for test in open {
            self.end_in_engine(&test).await?;
            let why = "it was no longer wanted: its environment was no longer that of the day".to_owned();
            let verdict = TestVerdict::Infrastructure { why };
            let now = self.services.clock.now();
            self.services.store.end_recheck_test(test.id, &verdict, None, now).await?;
        }
        Ok(())
    }

    /// Has the engine end a test, and clears up after it. The power may have failed before its ticket was
    /// kept: then its folder is there, and handing it over again gives the ticket.
    async fn end_in_engine(&self, test: &RecheckTest) -> Result<(), RunError> {
        let engine = self.services.engines.get(self.settings.engine)?;
        let path = engine.root.join(key(&test.sha256, test));
        if !path.exists() {
            return Ok(());
        }
        let ticket = match &test.ticket {
            Some(ticket) => serde_json::from_str(ticket).map_err(anyhow::Error::from)?,
            None => engine.engine.submit(&AssignmentFolder::open(&path)?).await?,
        };
        engine.engine.cancel(&ticket).await?;
        for _ in 0..PATIENCE {
            match engine.engine.look(&ticket).await? {
                Progress::Ended(_) | Progress::Lost { .. } => return remove(&path),
                Progress::Waiting | Progress::Running => tokio::time::sleep(LOOK).await,
            }
        }
        // Its worker clears up its environment when it ends; what stays is a few kilobytes.
        Ok(())
    }
}

/// Waits until a test has ended. A run that is stopped leaves the test to the next one.
async fn wait(engine: &JobEngine, ticket: &Ticket, context: &RunContext) -> Result<TestVerdict, RunError> {
    loop {
        match engine.engine.look(ticket).await? {
            Progress::Ended(report) => return Ok(report.verdict),
            Progress::Lost { why } => return Ok(TestVerdict::Infrastructure { why }),
            Progress::Waiting | Progress::Running => {}
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = context.cancel.cancelled() => {
                return Err(Failure::transient("stopped while tests were running").into());
            }
        }
    }
}

/// The same test has the same key, whoever asks for it.
fn key(sha256: &str, test: &RecheckTest) -> String {
    let short = |digest: &str| digest.get(..16).unwrap_or(digest).to_owned();
    format!("{}-{}-{}-{}", short(sha256), short(&test.fingerprint), test.platform, test.attempt)
}

/// The last part of a log; nothing where there is none.
fn end_of(path: &Path) -> Result<Option<Vec<u8>>, RunError> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(anyhow!("cannot read {}: {error}", path.display()).into()),
    };
    let read = || -> std::io::Result<Vec<u8>> {
        let length = file.metadata()?.len();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(length.saturating_sub(LOG)))?;
        let mut end = Vec::new();
        file.take(LOG).read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(end).filter(|end| !end.is_empty()))
}

/// The row has everything that is kept; the folder would only take space.
fn remove(folder: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(anyhow!("cannot remove {}: {error}", folder.display()).into())
        }
        _ => Ok(()),
    }
}
