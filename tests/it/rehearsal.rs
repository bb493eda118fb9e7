//! Rehearsals: the jobs against whole worlds, recorded and made up, undisturbed and killed.

mod conda;
mod crashes;
pub mod dice;
mod explained;
mod faults;
mod installs;
mod invented;
mod inventions;
mod laws;
mod quarter;
mod refusals;
pub mod stage;
mod telling;
