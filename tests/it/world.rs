//! Worlds: what is read, what is refused, what is played back, and what is served.

mod bundled;
mod conda;
mod folder;
mod history;
mod mistakes;
mod property;
mod rules;
mod served;
