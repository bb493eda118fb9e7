//! Where snapshots and channels are published to: one file per kind of target.

pub mod channel;
pub mod content;
pub mod directory;
mod disk;
mod error;
pub mod manifest;
