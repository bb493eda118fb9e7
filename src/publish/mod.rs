//! Where snapshots are published to: one file per kind of target.

pub mod directory;
pub mod manifest;
