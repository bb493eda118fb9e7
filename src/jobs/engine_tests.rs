//! Has an engine run tests, and writes down how they came out.
//!
//! When the power fails: a test whose row is open and that no engine knows is submitted again under the same
//! key; one that runs is adopted, since its folder says so; one that ended while nobody looked left its
//! report there. A test that is no longer wanted is cancelled.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::Services;
use super::engines::JobEngine;
use crate::config::EngineKind;
use crate::daemon::{RunContext, RunError};
use crate::domain::TestVerdict;
use crate::engine::{Assignment, AssignmentFolder, Limits, Network, Progress, Ticket, Work};
use crate::failure::Failure;
use crate::publish::content::Keeping;
use crate::store::{NewRecheckTest, RecheckTest};

/// How often an engine is asked how far a test is.
const LOOK: Duration = Duration::from_millis(500);
/// How many looks a test that is cancelled gets to end.
const PATIENCE: u32 = 40;
/// The most of a log that is kept, in bytes: its end, where the failure is.
pub(super) const LOG: u64 = 1 << 20;

/// The tests of a job on one engine.
pub(super) struct EngineTests<'s> {
    pub services: &'s Services,
    pub engine: EngineKind,
}

/// What a test is, for its engine.
pub(super) struct Order<'o> {
    pub work: Work,
    pub limits: Limits,
    pub network: Network,
    /// A file that its program finds under that name in its working folder.
    pub input: Option<(&'o Path, &'o str, Keeping)>,
    /// What the engine's verdict means beside what the log says.
    pub judge: fn(TestVerdict, &[u8]) -> TestVerdict,
}

impl EngineTests<'_> {
    /// Runs one test to its end, and writes down how it came out. One that has ended before is left as it is.
    pub(super) async fn carry_out(
        &self,
        test: &NewRecheckTest<'_>,
        order: Order<'_>,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let (store, clock) = (&self.services.store, &self.services.clock);
        let engine = self.services.engines.get(self.engine)?;
        let row = store.begin_recheck_test(test, clock.now()).await?;
        if row.ended_at.is_some() {
            return Ok(());
        }
        let Order { work, limits, network, input, judge } = order;
        let assignment = Assignment { key: key(&row), work, limits, network };
        let folder = AssignmentFolder::create(&engine.root.join(&assignment.key), &assignment)?;
        // Once the engine has its copy, the file may go.
        if let Some((from, name, _keeping)) = input {
            give(&folder.input(), from, name)?;
        }
        let ticket = engine.engine.submit(&folder).await?;
        let text = serde_json::to_string(&ticket).map_err(anyhow::Error::from)?;
        store.keep_recheck_ticket(row.id, &text).await?;
        let verdict = wait(&engine, &ticket, context).await?;
        let log = end_of(&folder.log())?;
        let verdict = judge(verdict, log.as_deref().unwrap_or_default());
        store.end_recheck_test(row.id, &verdict, log.as_deref(), clock.now()).await?;
        remove(folder.path())
    }

    /// Ends the tests of this job that nobody wants any more: their environment is no longer today's.
    pub(super) async fn abandon(&self, context: &RunContext) -> Result<(), RunError> {
        let store = &self.services.store;
        for test in store.open_recheck_tests(&context.job).await? {
            self.end_in_engine(&test).await?;
            let why = "it was no longer wanted: its environment was no longer that of the day".to_owned();
            let verdict = TestVerdict::Infrastructure { why };
            store.end_recheck_test(test.id, &verdict, None, self.services.clock.now()).await?;
        }
        Ok(())
    }

    /// Has the engine end a test, and clears up after it. The power may have failed before its ticket was
    /// kept: then its folder is there, and handing it over again gives the ticket.
    async fn end_in_engine(&self, test: &RecheckTest) -> Result<(), RunError> {
        let engine = self.services.engines.get(self.engine)?;
        let path = engine.root.join(key(test));
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
fn key(test: &RecheckTest) -> String {
    let short = |digest: &str| digest.get(..16).unwrap_or(digest).to_owned();
    format!("{}-{}-{}-{}", short(&test.sha256), short(&test.fingerprint), test.platform, test.attempt)
}

/// Puts a file into the folder of inputs, in one step, where it is not there yet.
fn give(folder: &Path, from: &Path, name: &str) -> Result<(), RunError> {
    let (place, beside) = (folder.join(name), folder.with_extension("part"));
    if place.exists() {
        return Ok(());
    }
    let given = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::copy(from, &beside)?;
        fs::rename(&beside, &place)
    };
    given().map_err(|error| Failure::transient(format!("cannot write {}: {error}", place.display())).into())
}

/// The last part of a log; nothing where there is none.
fn end_of(path: &Path) -> Result<Option<Vec<u8>>, RunError> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(anyhow!("cannot read {}: {error}", path.display()).into()),
    };
    let read = || -> io::Result<Vec<u8>> {
        let length = file.metadata()?.len();
        io::Seek::seek(&mut file, io::SeekFrom::Start(length.saturating_sub(LOG)))?;
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
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(anyhow!("cannot remove {}: {error}", folder.display()).into())
        }
        _ => Ok(()),
    }
}
