//! Channels of conda packages: archives of strangers, indexes, solving, taking apart, testing again, and
//! readers that are not ours.

mod archives;
mod channel_builder;
mod channels;
mod command;
mod culprit;
mod culprit_wishes;
mod destructure;
mod destructure_command;
mod destructure_real;
mod drift;
mod drift_passes;
mod drift_year;
mod files;
mod indexes;
mod intake;
mod integrate;
mod integrate_repository;
mod integration;
mod killed;
pub mod made;
mod matchspec;
mod metapackage;
mod patches;
mod readers;
mod reading;
pub mod real;
mod recheck;
mod recheck_engines;
mod reports;
mod scene;
mod solving;
mod withdrawals;
