//! The runs as they were seen last: one listing serves every assignment that is under way, at most once in
//! an interval. What GitHub has not changed costs nothing of the hourly quota.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::dispatch::Dispatch;
use crate::clock::SharedClock;
use crate::failure::Failure;
use crate::github::{DispatchedRun, GitHub, Lookup, Workflow};

/// How far the clocks of GitHub and of this machine may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(10);
/// How long GitHub may fail to answer before that is an error. Until then everything counts as it was.
const TOLERANCE: Duration = Duration::from_secs(15 * 60);

/// How long after the last look at an assignment nobody waits for it any more.
const ABANDONED: Duration = Duration::from_secs(5 * 60);

/// Everything that is under way, and what was seen of it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    open: BTreeMap<PathBuf, Open>,
    listed: Option<Listed>,
    tried: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    run: Option<u64>,
    looked: Instant,
}

#[derive(Debug)]
struct Listed {
    /// By the clock that dispatches are noted with, before the question was sent.
    at: Timestamp,
    /// For the interval.
    instant: Instant,
    /// Nothing older was listed.
    since: Timestamp,
    runs: BTreeMap<u64, DispatchedRun>,
    /// Runs that GitHub says are not there.
    gone: BTreeSet<u64>,
}

/// What was seen of one dispatch.
#[derive(Debug)]
pub(super) enum Seen {
    /// Its run.
    Run(DispatchedRun),
    /// GitHub said that its run is not there, at this time.
    Gone {
        /// When.
        at: Timestamp,
    },
    /// Nothing of it, when all runs since its intention were listed, at this time.
    Nothing {
        /// When.
        at: Timestamp,
    },
}

/// Who is asked, and how often.
pub(super) struct Asked<'a> {
    pub github: &'a GitHub,
    pub workflow: &'a Workflow,
    pub clock: &'a SharedClock,
    pub interval: Duration,
}

impl Watch {
    /// What is known of a dispatch, asked anew where it was last asked an interval ago.
    pub async fn look(
        &mut self,
        folder: &Path,
        dispatch: &Dispatch,
        asked: &Asked<'_>,
    ) -> Result<Seen, Failure> {
        let since = dispatch.intended_at - SKEW;
        self.open.insert(folder.to_path_buf(), Open { since, run: dispatch.run(), looked: Instant::now() });
        let covers = self.listed.as_ref().is_some_and(|listed| listed.since <= since);
        let waited = self.tried.is_none_or(|tried| tried.elapsed() >= asked.interval);
        if !covers || waited {
            self.refresh(covers, asked).await?;
        }
        let listed = self.listed.as_ref().ok_or_else(|| Failure::transient("no run was listed yet"))?;
        let title = dispatch.title();
        let known = match dispatch.run() {
            Some(run) if listed.gone.contains(&run) => return Ok(Seen::Gone { at: listed.at }),
            Some(run) => listed.runs.get(&run),
            None => listed.runs.values().find(|run| run.title == title),
        };
        Ok(known.map_or(Seen::Nothing { at: listed.at }, |run| Seen::Run(run.clone())))
    }

    /// Nothing more of this assignment is to be watched.
    pub fn forget(&mut self, folder: &Path) {
        self.open.remove(folder);
    }

    /// Lists anew. A failure that may pass is none while what is `usable` is not too old.
    async fn refresh(&mut self, usable: bool, asked: &Asked<'_>) -> Result<(), Failure> {
        self.tried = Some(Instant::now());
        match self.list(asked).await {
            Ok(listed) => {
                self.listed = Some(listed);
                Ok(())
            }
            Err(failure) => {
                let fresh = self.listed.as_ref().is_some_and(|listed| listed.instant.elapsed() < TOLERANCE);
                if !(usable && fresh && failure.is_transient()) {
                    return Err(failure);
                }
                tracing::warn!(%failure, "cannot see how far the runs of GitHub Actions are");
                Ok(())
            }
        }
    }

    async fn list(&mut self, asked: &Asked<'_>) -> Result<Listed, Failure> {
        // Nobody has to say that an assignment was given up, and its age would make every listing longer.
        self.open.retain(|_, open| open.looked.elapsed() < ABANDONED);
        let (at, instant) = (asked.clock.now(), Instant::now());
        let since = self.open.values().map(|open| open.since).min().unwrap_or(at);
        let mut runs = asked.github.dispatched_runs(asked.workflow, since).await?;
        let mut gone = BTreeSet::new();
        for run in self.open.values().filter_map(|open| open.run) {
            if runs.contains_key(&run) {
                continue;
            }
            match asked.github.dispatched_run(&asked.workflow.repository, run).await {
                Lookup::Found(seen) => drop(runs.insert(run, seen)),
                Lookup::Absent { .. } => drop(gone.insert(run)),
                Lookup::Failed(failure) => return Err(failure),
            }
        }
        Ok(Listed { at, instant, since, runs, gone })
    }
}
