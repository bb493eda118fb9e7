//! Engines: what becomes of tests in an engine's hands, and of the engine when processes die. The tests
//! that run something need bubblewrap; they say so and skip where it is missing, and fail there when
//! `TIDEGATE_REQUIRE_REAL` is set.

pub mod actions;
mod cache;
mod github_actions;
mod limits;
mod local;
pub mod made;
mod package_tests;
mod packed;
mod sandbox;
pub mod slurm;
mod worker;
