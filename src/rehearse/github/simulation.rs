//! The simulated GitHub as a whole: state, journal and clock, and what a rehearsal or a test may ask of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::clock::SharedClock;
use crate::rehearse::journal::Journal;

use super::app::{App, Apps};
use super::event::{Event, Made, NewCommit, apply};
use super::faults::{Fault, Faults};
use super::git::{FileChanges, Oid};
use super::limits::{Limits, Usage};
use super::people::{self, PeopleEvent};
use super::refused::Refused;
use super::state::{Artifact, GitHubState, WorkflowRun};

/// A GitHub that is plain data. Rate limits, counts and faults begin anew with each process;
/// everything else is in the journal.
pub struct SimulatedGitHub {
    pub(super) clock: SharedClock,
    inner: Mutex<Inner>,
}

/// What is changed under one lock.
pub(super) struct Inner {
    pub(super) state: GitHubState,
    journal: Journal,
    pub(super) usage: Usage,
    pub(super) apps: Apps,
    pub(super) faults: Faults,
    pub(super) requests: BTreeMap<String, u64>,
    pub(super) violations: Vec<String>,
}

impl SimulatedGitHub {
    /// Takes up the world `initial` where the journal in the file `journal` left it.
    ///
    /// # Errors
    /// Where the journal cannot be read or written, or does not fit this world.
    pub fn open(initial: GitHubState, journal: &Path, clock: SharedClock) -> anyhow::Result<Self> {
        let (file, events) = Journal::open::<Event>(journal)?;
        let mut state = initial;
        for (number, event) in events.iter().enumerate() {
            apply(&mut state, event).with_context(|| {
                format!("event {} of {} does not fit this world", number + 1, journal.display())
            })?;
        }
        let inner = Inner {
            state,
            journal: file,
            usage: Usage::default(),
            apps: Apps::default(),
            faults: Faults::default(),
            requests: BTreeMap::new(),
            violations: Vec::new(),
        };
        Ok(Self { clock, inner: Mutex::new(inner) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets something happen, as a person or the world would: checked, applied and journalled.
    pub fn perform(&self, event: Event) -> Result<Made, Refused> {
        self.lock().perform(event)
    }

    /// Adds a commit by `person` to a branch, now or at a time of the past.
    pub fn commit_as(
        &self,
        person: &str,
        repository: &str,
        branch: &str,
        changes: FileChanges,
        message: &str,
        at: Timestamp,
    ) -> Result<Oid, Refused> {
        let commit = NewCommit {
            repository: repository.into(),
            branch: branch.into(),
            expected_head: None,
            message: message.into(),
            changes,
            by: person.into(),
            at,
            scheduled: false,
        };
        match self.perform(Event::Committed(commit))? {
            Made::Object(oid) => Ok(oid),
            Made::Nothing | Made::Number(_) => unreachable!("a commit makes an object"),
        }
    }

    /// Plays what people and the world's schedule do up to and including `to`, in order and at
    /// their exact times, and journals that the clock has come so far. It does not set the clock.
    ///
    /// # Errors
    /// Where the journal cannot be written, or a scheduled commit does not fit.
    pub fn advance_to(&self, to: Timestamp) -> Result<Vec<PeopleEvent>, Refused> {
        let mut inner = self.lock();
        let mut played = Vec::new();
        loop {
            // What became possible late (a conflict that went away) happens at the time of the last event.
            let now = inner.state.last_event.unwrap_or(Timestamp::MIN).min(to);
            let Some(deed) = people::next(&inner.state, now).filter(|deed| deed.at <= to) else { break };
            let event = people::carry_out(&inner.state, &deed);
            inner.perform(event)?;
            played.push(deed);
        }
        inner.perform(Event::Clock(to))?;
        Ok(played)
    }

    /// When people or the schedule act next: never before `now`, since what is overdue is played by
    /// the next [`advance_to`](Self::advance_to), at whatever time. None where nothing is left to do.
    pub fn next_event_after(&self, now: Timestamp) -> Option<Timestamp> {
        people::next(&self.lock().state, now).map(|deed| deed.at)
    }

    /// How far the journal has come: the time of its newest event or of its clock. A rehearsal that
    /// was ended in the middle goes on from here.
    pub fn last_event(&self) -> Option<Timestamp> {
        self.lock().state.last_event
    }

    /// Looks at the state.
    pub fn read<R>(&self, look: impl FnOnce(&GitHubState) -> R) -> R {
        look(&self.lock().state)
    }

    /// Sets the workflow runs of a repository. They follow from the world's time and are not
    /// journalled; an unknown repository has none.
    pub fn set_runs(&self, repository: &str, runs: Vec<WorkflowRun>) {
        if let Ok(found) = self.lock().state.repository_mut(repository) {
            found.runs = runs;
        }
    }

    /// Sets the artifacts of a repository's runs. Like the runs they are not journalled.
    pub fn set_artifacts(&self, repository: &str, artifacts: Vec<Artifact>) {
        if let Ok(found) = self.lock().state.repository_mut(repository) {
            found.artifacts = artifacts;
        }
    }

    /// Sets which repositories (`owner/name`) GitHub cannot serve at the moment; like the workflow runs,
    /// that follows from the world's time.
    pub fn set_unreachable<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.lock().state.unreachable = names.into_iter().map(str::to_lowercase).collect();
    }

    /// Lets something happen that no request asks for, such as a repository that its owner renames. It is not
    /// journalled: whoever tells a story with it tells it again after a restart.
    pub fn happen(&self, change: impl FnOnce(&mut GitHubState)) {
        change(&mut self.lock().state);
    }

    /// How often each call was made, by method and path of GitHub's description, such as
    /// `GET /repos/{owner}/{repo}/pulls`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.lock().requests.clone()
    }

    /// What a client did that it must not do: calls that GitHub's description does not have, limits
    /// that were exceeded, and questions that the simulation cannot answer. Empty when all is well.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Sets the faults to come, in place of all earlier ones.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.lock().faults = Faults::new(faults);
    }

    /// Has it know a GitHub App; from now on only tokens of that App are good.
    pub fn set_app(&self, app: App) {
        self.lock().apps.set(app);
    }

    /// Lets no token of the App be good any more, as when it is suspended or its key replaced.
    pub fn revoke_tokens(&self) {
        self.lock().apps.revoke();
    }

    /// Sets other limits; what was used before is forgotten.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().usage = Usage::new(limits);
    }
}

impl Inner {
    /// Applies an event and journals it. A refused event changes nothing that can be seen.
    pub(super) fn perform(&mut self, event: Event) -> Result<Made, Refused> {
        let made = apply(&mut self.state, &event)?;
        self.journal.append(&event).map_err(|error| {
            Refused::status(
                500,
                "INTERNAL",
                format!("the journal of the simulated GitHub cannot be written: {error}"),
            )
        })?;
        Ok(made)
    }
}
