//! The R room, against real files of R-multiverse.

mod files;
mod serve;
mod universe;

use std::path::{Path, PathBuf};

/// A file or folder of the recorded data.
fn data(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/r-multiverse").join(relative)
}

/// The bytes of a recorded file.
fn bytes(relative: &str) -> Vec<u8> {
    std::fs::read(data(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}
