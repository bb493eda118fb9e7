//! What the folder of an assignment says of its run: written before the run is asked for, so that whoever
//! comes after a crash looks for it instead of asking again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::AssignmentFolder;
use crate::failure::Failure;

const FILE: &str = "dispatch.json";

/// The newest dispatch of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dispatch {
    /// Names this dispatch and no other, also of the same assignment: it stands in the run's title, and is
    /// the name of its artifact.
    pub tag: String,
    /// When it was decided on; never twice the same for one assignment.
    pub intended_at: Timestamp,
    /// What is known of it.
    pub state: DispatchState,
}

/// What is known of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DispatchState {
    /// It was or is being asked for; whether a run came of it has to be looked up.
    Intended,
    /// This run came of it.
    Run(u64),
    /// No run came of it, and none will.
    Refused,
    /// Its run ended, or went away, without a report.
    Lost(String),
}

impl Dispatch {
    /// The newest one of a folder; none where nothing was ever asked for.
    pub fn of(folder: &AssignmentFolder) -> Result<Option<Self>, Failure> {
        folder.read(FILE)
    }

    /// Writes down that a run is about to be asked for.
    pub fn intend(folder: &AssignmentFolder, key: &str, now: Timestamp) -> Result<Self, Failure> {
        // A clock that stands still or goes back must not give an earlier dispatch's name away again.
        let after = Self::of(folder)?.map(|last| last.intended_at + SignedDuration::from_micros(1));
        let intended_at = after.map_or(now, |after| after.max(now));
        let tag = format!("{key}.{}", intended_at.as_microsecond());
        let dispatch = Self { tag, intended_at, state: DispatchState::Intended };
        folder.write(FILE, &dispatch)?;
        Ok(dispatch)
    }

    /// Writes down what became of it.
    pub fn note(&mut self, folder: &AssignmentFolder, state: DispatchState) -> Result<(), Failure> {
        self.state = state;
        folder.write(FILE, self)
    }

    /// The title that the workflow gives its run.
    pub fn title(&self) -> String {
        format!("tidegate {}", self.tag)
    }

    /// The run, where it is known.
    pub fn run(&self) -> Option<u64> {
        match self.state {
            DispatchState::Run(run) => Some(run),
            DispatchState::Intended | DispatchState::Refused | DispatchState::Lost(_) => None,
        }
    }

    /// True as long as a run may be under way.
    pub fn is_open(&self) -> bool {
        matches!(self.state, DispatchState::Intended | DispatchState::Run(_))
    }
}
