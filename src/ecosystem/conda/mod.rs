//! conda: channels, their archives and indexes, solving, installing and testing. The only room that
//! knows the rattler crates; what leaves it are the words of [`crate::domain`] and own types.

pub mod archive;
pub mod index;
pub mod index_json;
pub mod layout;
pub mod patch;
pub mod record;
