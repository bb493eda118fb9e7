//! Channels of conda packages: read, solved and taken apart.

mod channel_builder;
mod destructure;
mod matchspec;
mod solving;
