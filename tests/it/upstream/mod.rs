//! Repositories and releases as they are, on a simulated GitHub: what a look at upstream makes of them, and
//! what the channels make of that.

mod listing;
mod releases;
mod removals;
mod repositories;
mod scene;
