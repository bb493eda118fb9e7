//! The rules, told as scenes: what is known, and what is decided from it. Each test states only what
//! matters to it; `facts` fills in the rest.

mod channel_files;
mod channel_report;
mod conda_builds;
mod culprit;
mod evidence;
pub mod facts;
mod follow;
mod forecast;
mod guard;
mod latest;
mod ledger;
mod manifest;
mod monorepos;
mod own_checks;
mod people;
mod pinned;
mod properties;
mod proposals;
mod queue;
mod recheck;
mod recheck_report;
mod recorded;
mod removals;
mod report;
mod root_causes;
mod snapshot;
mod status;
mod storms;
mod texts;
mod upstream;
