//! Rehearsals: worlds, the simulated GitHub, universe and clock that play them back, and what a
//! rehearsal leaves behind.

pub mod github;
mod identity;
pub mod output;
mod packages;
pub mod rehearsal;
mod scenery;
mod timeline;
pub mod universe;
pub mod world;
