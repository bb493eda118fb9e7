//! R: DESCRIPTION and PACKAGES files, R-universe, and the files of R-multiverse.

pub mod files;
pub mod layout;
