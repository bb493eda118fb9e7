//! Engines: what becomes of tests in an engine's hands, and of the engine when processes die. The tests
//! that run something need bubblewrap; they say so and skip where it is missing, and fail there when
//! `TIDEGATE_REQUIRE_REAL` is set.

mod cache;
mod limits;
mod local;
mod made;
mod package_tests;
mod sandbox;
pub mod slurm;
mod worker;
