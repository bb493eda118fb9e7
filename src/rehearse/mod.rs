//! Rehearsals: the daemon's own jobs, planner and runner against a world instead of the world.
//!
//! [`world`] reads one, `scenery` serves it as [`github`], [`universe`] and CRAN, [`rehearsal`] plays the
//! jobs and moves the clock, and [`output`] writes what a rehearsal leaves behind.

pub mod github;
mod identity;
pub mod output;
mod packages;
pub mod rehearsal;
mod scenery;
mod timeline;
pub mod universe;
pub mod world;
