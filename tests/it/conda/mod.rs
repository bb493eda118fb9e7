//! Channels of conda packages: read, solved and taken apart.

mod channel_builder;
mod destructure;
mod destructure_command;
mod integration;
mod matchspec;
mod metapackage;
mod reading;
mod solving;
