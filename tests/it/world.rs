//! Worlds: what is read, what is refused, what is played back, and what is served.

mod bundled;
mod folder;
mod mistakes;
mod rules;
mod served;
