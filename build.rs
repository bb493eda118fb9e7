//! Packs the data files that the binary carries: each is compressed into `OUT_DIR`, and the code
//! inflates it when it is asked for.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};

/// What is packed; `a/b.json` becomes `OUT_DIR/a-b.json.gz`.
const PACKED: &[&str] = &[
    "src/rehearse/github/description/rest.openapi.json",
    "src/rehearse/github/description/schema.graphql",
    "worlds/r-multiverse-2026-04-to-08/cran.json",
    "worlds/r-multiverse-2026-04-to-08/dependencies.json",
    "worlds/r-multiverse-2026-04-to-08/evidence.jsonl",
    "worlds/r-multiverse-2026-04-to-08/initial.json",
    "worlds/r-multiverse-2026-04-to-08/registry.jsonl",
    "worlds/r-multiverse-2026-04-to-08/releases.jsonl",
    "worlds/r-multiverse-2026-04-to-08/world.toml",
];

fn main() -> io::Result<()> {
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    for source in PACKED {
        println!("cargo::rerun-if-changed={source}");
        let target = Path::new(&out).join(format!("{}.gz", source.replace('/', "-")));
        // No modification time in the header: the same input gives the same binary.
        let mut packed = GzBuilder::new().mtime(0).write(File::create(target)?, Compression::best());
        packed.write_all(&fs::read(source)?)?;
        packed.finish()?;
    }
    // sqlx embeds this folder, and cargo would not notice a new file in it by itself.
    println!("cargo::rerun-if-changed=src/store/migrations");
    Ok(())
}
