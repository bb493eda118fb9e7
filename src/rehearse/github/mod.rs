//! A GitHub that is plain data, served on loopback: strict, deterministic, and able to survive the
//! end of its process. Rehearsals and tests run tidegate against it.
//!
//! [`GitHubState`] is what it holds, [`Event`] what can happen to it, [`SimulatedGitHub`] the two
//! together with a journal. `rest` and `graphql` answer requests, `description` checks them against
//! GitHub's own description of its API, `limits` counts them, `faults` spoils some of them.

pub mod event;
pub mod faults;
pub mod git;
mod journal;
pub mod limits;
mod merge;
pub mod people;
pub mod pulls;
pub mod refused;
mod simulation;
pub mod state;

pub use event::Event;
pub use simulation::SimulatedGitHub;
pub use state::{GitHubState, Repository};
