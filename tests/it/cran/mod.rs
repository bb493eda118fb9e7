//! The R room, against real files of R-multiverse, rude archives and servers, and R itself.

mod advisories;
mod archives;
mod bundles;
mod failing;
mod fetching;
mod files;
mod full_disk;
mod indexes;
mod kept;
mod linux;
mod meddler;
mod own_checks;
mod own_scene;
mod quarters;
mod real_r;
mod serve;
mod signed;
mod snapshot_scene;
mod snapshots;
mod status_looks;
mod status_scene;
mod telling;
mod universe;
mod write_status;

use std::path::{Path, PathBuf};

use tidegate::ecosystem::cran::make::MadePackage;

/// A file or folder of the recorded data.
fn data(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/r-multiverse").join(relative)
}

/// The bytes of a recorded file.
fn bytes(relative: &str) -> Vec<u8> {
    std::fs::read(data(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// A package to make, with `imports`.
fn made(package: &str, version: &str, imports: &[&str]) -> MadePackage {
    MadePackage {
        package: package.to_owned(),
        version: version.to_owned(),
        imports: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..MadePackage::default()
    }
}
