//! A GitHub that is plain data, served on loopback: strict, deterministic, and able to survive the
//! end of its process. Rehearsals and tests run tidegate against it.
//!
//! [`GitHubState`] is what it holds, [`Event`] what can happen to it, [`SimulatedGitHub`] the two
//! together with a journal. `rest` and `graphql` answer requests, `description` checks them against
//! GitHub's own description of its API, `limits` counts them, `faults` spoils some of them.

mod answer;
pub mod app;
mod artifact_storage;
mod description;
pub mod event;
pub mod faults;
mod files;
pub mod git;
mod graphql;
pub mod issues;
pub mod limits;
mod merge;
mod oid;
pub mod people;
pub mod pulls;
pub mod refused;
mod request;
mod respond;
mod rest;
pub mod server;
mod simulation;
pub mod state;
mod workflows;

pub use event::Event;
pub use server::Served;
pub use simulation::SimulatedGitHub;
pub use state::{GitHubState, Repository};
