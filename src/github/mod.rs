//! GitHub: batched polls, pull requests, commits, workflow runs and rate limits. Only this room knows octocrab.
//!
//! Every request, read or write, goes through one [`Limiter`] and one HTTP transport. Reads are
//! batched GraphQL queries or conditional GETs; writes go through octocrab, one at a time, and are
//! never repeated here: whoever asked for one looks for its effect before asking again. Only a request that
//! GitHub refused before it did anything, since the token of an App was over, goes out with another.

mod access;
mod app;
mod artifacts;
mod batch;
mod client;
mod commits;
mod dispatches;
mod files;
mod graphql;
mod issues;
mod ledger;
mod limits;
pub mod markdown;
pub mod marker;
mod names;
mod pulls;
mod references;
mod releases;
mod repository;
mod transport;
mod window;
mod workflow_runs;

use std::fmt;

use crate::failure::Failure;

pub use access::Access;
pub use app::{App, PrivateKey};
pub use artifacts::ArtifactSeen;
pub use client::{Fetched, GitHub, GitHubSettings};
pub use commits::{BranchHead, CommitMessage, CommitRefused, Committed, FileChange, PushRefused};
pub use dispatches::{DispatchFailed, DispatchedRun, Workflow};
pub use files::FileAt;
pub use graphql::{GraphQlAnswer, GraphQlError};
pub use issues::{IssueRefused, IssueSeen, NewIssue};
pub use limits::{Call, Limiter, Pace, Permit, Priority};
pub use names::{BranchName, NotAName, Oid, RepositoryName, WorkflowFile};
pub use pulls::{Comment, NewPullRequest, OpenRefused};
pub use references::{ReferencesSeen, RevisionSeen, Sought};
pub use releases::{ReleaseSeen, ReleasesSeen, RepositoryToday, Window};
pub use repository::{PullRequestSeen, PullRequestState, RepositoryView};
pub use workflow_runs::WorkflowRun;

/// What came of looking for something: there, not there, or nobody knows. Three answers, never two.
#[derive(Debug)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// GitHub says that it is not there.
    Absent {
        /// In which way.
        reason: Absence,
    },
    /// The look-up failed: nothing is known.
    Failed(Failure),
}

impl<T> Lookup<T> {
    /// The same answer with what was found turned by `turn`.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(found) => Lookup::Found(turn(found)),
            Self::Absent { reason } => Lookup::Absent { reason },
            Self::Failed(failure) => Lookup::Failed(failure),
        }
    }

    /// What was found, where something was.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Absent { .. } | Self::Failed(_) => None,
        }
    }
}

/// In which way something is not there. A repository that turned private looks like a deleted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// Status 404 or GraphQL's `NOT_FOUND`: deleted, private, or never there.
    NotFound,
    /// Status 410.
    Gone,
    /// Status 451: withheld for legal reasons.
    Withheld,
    /// The repository is there, the file is not at that commit (or the commit is not there).
    NoSuchFile,
    /// The repository is there, the branch is not.
    NoSuchBranch,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found (deleted, private or renamed away)",
            Self::Gone => "gone",
            Self::Withheld => "withheld for legal reasons",
            Self::NoSuchFile => "no such file at that commit",
            Self::NoSuchBranch => "no such branch",
        })
    }
}
