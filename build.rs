//! Compresses the large descriptions that the binary carries, so that it stays small.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Files to carry, each as `<name>.gz` in the build's output folder.
const CARRIED: &[&str] =
    &["src/rehearse/github/description/rest.openapi.json", "src/rehearse/github/description/schema.graphql"];

fn main() -> io::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts"));
    for file in CARRIED {
        println!("cargo::rerun-if-changed={file}");
        let name = Path::new(file).file_name().expect("each path in the list ends in a file name");
        let mut compressed = GzEncoder::new(
            File::create(out.join(format!("{}.gz", name.to_string_lossy())))?,
            Compression::best(),
        );
        io::copy(&mut File::open(file)?, &mut compressed)?;
        compressed.finish()?;
    }
    Ok(())
}
