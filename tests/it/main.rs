//! One binary for all integration tests: it links once. One module per topic.

mod control;
mod migrations;
mod planner;
mod runner;
mod sample_jobs;
mod store;
