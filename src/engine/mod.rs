//! Engines: where tests run. Each takes assignments, outlives a restart of the daemon, and tells how
//! they ended.
//!
//! An assignment is a folder: `assignment.json` says what to do, `result.json` how it ended, and a lock
//! that the worker holds says that it is being done. The folder alone is the truth; a daemon that was
//! restarted, or a second one, reads the same from it. To add an engine: a file here that brings a worker
//! to a folder, and its variant where engines are configured.

pub mod assignment;
pub mod folder;
pub mod github_actions;
pub mod local;
pub mod sandbox;
mod shell;
pub mod slurm;
pub mod worker;

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use assignment::{Assignment, CommandWork, CondaTest, Limits, Network, Report, Work};
pub use folder::AssignmentFolder;

use crate::failure::Failure;

/// A place where assignments are carried out.
pub trait Engine: Send + Sync {
    /// Takes the assignment in this folder. One that is being carried out, or was, is adopted: it does not
    /// run twice. One whose worker was lost, or that was cancelled, runs again.
    fn submit<'a>(&'a self, folder: &'a AssignmentFolder) -> BoxFuture<'a, Result<Ticket, Failure>>;

    /// How far it is. Looking also moves on what waits for a free place, so look every few seconds.
    fn look<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<Progress, Failure>>;

    /// Has it end soon, without a report. Cancelling what has ended changes nothing.
    fn cancel<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<(), Failure>>;
}

/// What an engine needs to find an assignment again, whichever process asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The folder of the assignment.
    pub folder: PathBuf,
    /// What the engine calls it, where it has a name of its own: the number of a Slurm job or of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// How far an assignment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has not begun.
    Waiting,
    /// A worker is at it.
    Running,
    /// It ended, and this is how.
    Ended(Report),
    /// It will not end by itself: its worker is gone without a report, or it was cancelled. Nothing is
    /// known of the package; submit it again to try again.
    Lost {
        /// What happened.
        why: String,
    },
}
