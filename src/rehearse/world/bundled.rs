//! The world that the binary carries, compressed by `build.rs` and inflated when it is asked for.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;

use super::{World, WorldProblem};

/// A file's name and its compressed bytes.
macro_rules! packed {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!(env!("OUT_DIR"), "/worlds-r-multiverse-2026-04-to-08-", $name, ".gz"))
                .as_slice(),
        )
    };
}

const PACKED: [(&str, &[u8]); 7] = [
    packed!("cran.json"),
    packed!("dependencies.json"),
    packed!("evidence.jsonl"),
    packed!("initial.json"),
    packed!("registry.jsonl"),
    packed!("releases.jsonl"),
    packed!("world.toml"),
];

impl World {
    /// The world that comes with tidegate: four months of R-multiverse, with two dependency
    /// freezes, two candidate freezes and one snapshot.
    ///
    /// # Errors
    /// As [`World::load`]; none for a binary that was built from a checked tree.
    pub fn bundled() -> Result<Self, WorldProblem> {
        let origin = "bundled world r-multiverse-2026-04-to-08";
        let mut files = BTreeMap::new();
        for (name, packed) in PACKED {
            let mut text = String::new();
            GzDecoder::new(packed).read_to_string(&mut text).map_err(|error| WorldProblem {
                origin: origin.to_owned(),
                file: name.to_owned(),
                place: None,
                message: format!("cannot be inflated: {error}"),
                hint: Some("this tidegate binary is damaged; install it again".to_owned()),
            })?;
            files.insert(name, text);
        }
        Self::from_files(origin, files)
    }
}
