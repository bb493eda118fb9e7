//! Rehearsals: the jobs against whole worlds, recorded and made up, undisturbed and killed.

mod dice;
mod inventions;
mod invented;
mod laws;
mod quarter;
mod stage;
