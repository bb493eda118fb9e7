//! R: DESCRIPTION and PACKAGES files, R-universe, and the files of R-multiverse.

pub mod archive;
pub mod dcf;
pub mod description;
mod fetch;
pub mod files;
pub mod layout;
pub mod licence;
pub mod universe;
