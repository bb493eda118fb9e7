//! The daemon: a heartbeat wakes the planner, the planner turns schedules into occurrences, the
//! runner runs what is due, and a Unix socket lets people steer.
//!
//! Every part reads what is to be done from the store, never from an event: a wake that is lost or
//! doubled changes nothing.

mod control;
mod execution;
mod heartbeat;
mod housekeeping;
mod job;
mod planner;
mod report;
mod runner;
mod service;
mod steering;
pub mod wishes;

pub use control::{Answer, CONTROL_SOCKET, Request, ask};
pub use heartbeat::Beat;
pub use housekeeping::{Kept, Retention, keep_house};
pub use job::{Job, JobDefinition, JobSet, JobWork, Jobs, Retry, RunContext, RunError, RunOutcome};
pub use planner::{Planner, plan_job};
pub use report::{JobReport, Outcome, StatusReport, report};
pub use runner::{RunLimits, Runner, new_boot_id};
pub use service::{DaemonSettings, Provided, run, serve};
pub use steering::{ChannelSteering, Reload, SnapshotSteering};
