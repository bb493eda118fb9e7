//! conda: channels, their archives and indexes, solving, installing and testing. The only room that
//! knows the rattler crates; what leaves it are the words of [`crate::domain`] and own types.

pub mod address;
pub mod archive;
pub mod channel;
mod conflict;
pub mod destructure;
mod explanation;
pub mod files;
pub mod index;
mod index_file;
pub mod index_json;
pub mod install;
pub mod integrate;
pub mod layout;
pub mod made;
pub mod metapackage;
mod offer;
pub mod pack;
pub mod package_cache;
pub mod package_tests;
pub mod patch;
pub mod platform;
pub mod reader;
pub mod record;
pub mod solution;
pub mod solve;
pub mod spec;
