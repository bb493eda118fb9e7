//! Channels of conda packages: read, solved and taken apart.

mod channel_builder;
mod destructure;
mod files;
mod made;
mod matchspec;
mod real;
mod recheck;
mod solving;
