//! The world that the binary carries.

use std::path::Path;

use tidegate::rehearse::world::World;

#[test]
fn the_bundled_world_is_the_one_in_the_repository() {
    let bundled = World::bundled().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/r-multiverse-2026-04-to-08");
    let loaded = World::load(&folder).unwrap();
    assert_eq!(bundled, loaded);
    assert_eq!(bundled.releases.len(), 196);
    assert_eq!(bundled.evidence.len(), 2619);
}
