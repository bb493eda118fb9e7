//! conda: channels, their archives and indexes, solving, installing and testing. The only room that
//! knows the rattler crates; what leaves it are the words of [`crate::domain`] and own types.

pub mod address;
pub mod channel;
mod conflict;
pub mod destructure;
mod explanation;
mod index_file;
pub mod integrate;
pub mod metapackage;
mod offer;
pub mod platform;
pub mod reader;
pub mod solution;
pub mod solve;
pub mod spec;
