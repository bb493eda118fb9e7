//! The world that the binary carries.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use tidegate::rehearse::world::{Playback, World};

#[test]
fn the_bundled_world_is_the_one_in_the_repository() {
    let bundled = World::bundled().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/r-multiverse-2026-04-to-08");
    let loaded = World::load(&folder).unwrap();
    assert_eq!(bundled, loaded);
    assert_eq!(bundled.releases.len(), 196);
    assert_eq!(bundled.evidence.len(), 2619);
    assert_eq!(bundled.builds_repository("staging").as_deref(), Some("r-universe/r-multiverse-staging"));
}

#[test]
fn a_digest_covers_the_bytes_of_all_files_in_the_order_of_their_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/r-multiverse-2026-04-to-08");
    let mut sha256 = Sha256::new();
    let data = ["cran.json", "dependencies.json", "evidence.jsonl", "initial.json", "registry.jsonl"];
    for name in data.into_iter().chain(["releases.jsonl", "world.toml"]) {
        sha256.update(std::fs::read(folder.join(name)).unwrap());
    }
    let digest: String = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(World::bundled().unwrap().digest(), digest);
}

#[test]
fn every_day_of_the_bundled_world_has_something_to_say_of_every_package() {
    let world = Arc::new(World::bundled().unwrap());
    let playback = Playback::new(Arc::clone(&world));
    let day = SignedDuration::from_hours(24);
    let days = std::iter::successors(Some(world.start), |at| Some(*at + day));
    for at in days.take_while(|at| *at < world.end) {
        for channel in ["community", "staging"] {
            let listings = &world.initial[channel].packages;
            let rows = playback.rows(channel, listings, at);
            assert_eq!(rows.len(), listings.len(), "{channel} at {at}");
            assert!(rows.iter().all(|row| row.gone || row.version.is_some()), "{channel} at {at}");
        }
    }
}
