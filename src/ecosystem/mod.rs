//! What differs between package ecosystems: one room for each.

pub mod cran;
