//! tidegate runs the release train of a package distribution, unattended.
//!
//! One pass is: *observe* the outside world and store what was seen, *decide* with a pure function
//! what may move, *act* on it through a journal that survives a crash. `ARCHITECTURE.md` is the map.

use mimalloc::MiMalloc;

// A pass makes and drops millions of small texts. The system's allocator takes twice the time for that, measured
// by `benches/decide`; here it serves the program, its benches and its tests alike.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

pub mod calendar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod decide;
pub mod digest;
pub mod domain;
pub mod ecosystem;
pub mod engine;
pub mod failure;
pub mod github;
pub mod jobs;
pub mod publish;
pub mod rehearse;
pub mod store;
pub mod tls;
pub mod web;
mod whole_file;
