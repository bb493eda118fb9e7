//! Rehearsals: the daemon's own jobs, planner and runner against a world instead of the world.
//!
//! A world of R packages is read by [`world`] and put on stage by `r_universe`, which serves it as
//! [`github`], [`universe`] and CRAN; [`conda`] does both for a world of conda packages. `scenery` is what
//! the two have in common, [`rehearsal`] plays the jobs and moves the clock, and [`output`] writes what a
//! rehearsal of R packages leaves behind.

pub mod conda;
pub mod github;
mod identity;
mod journal;
pub mod output;
pub mod packages;
mod r_universe;
pub mod rehearsal;
mod scenery;
mod timeline;
pub mod universe;
pub mod world;
