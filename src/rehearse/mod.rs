//! Worlds, and the simulated GitHub, universe and clock that play them back.

pub mod github;
