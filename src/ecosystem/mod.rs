//! What differs between package ecosystems: one room for each.

pub mod conda;
pub mod cran;
pub mod galaxy;
pub(crate) mod parallel;
pub mod unpack;
