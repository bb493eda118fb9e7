//! Rehearsals: the jobs against whole worlds, recorded and made up, undisturbed and killed.

mod crashes;
mod dice;
mod inventions;
mod invented;
mod laws;
mod quarter;
mod stage;
