//! What differs between package ecosystems: one room for each.

pub mod conda;
pub mod cran;
pub mod galaxy;
pub mod index_memory;
pub(crate) mod parallel;
pub mod unpack;
