//! Where snapshots and channels are published to: one file per kind of target. The folder comes first; what
//! lies elsewhere is a copy of what was published there.

pub mod catalogue;
pub mod channel;
pub mod content;
pub mod directory;
mod disk;
mod error;
mod file_stream;
pub mod folder_sums;
pub mod netlify;
pub mod object_storage;
pub mod oci;
pub mod signing;
pub mod target;
