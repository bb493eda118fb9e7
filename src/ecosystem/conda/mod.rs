//! conda: channels, their archives and indexes, solving, installing and testing. The only room that
//! knows the rattler crates; what leaves it are the words of [`crate::domain`] and own types.

pub mod install;
pub mod package_tests;
