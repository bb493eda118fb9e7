//! R: DESCRIPTION and PACKAGES files, R-universe, and the files of R-multiverse.

mod fetch;
pub mod files;
pub mod layout;
pub mod licence;
pub mod universe;
