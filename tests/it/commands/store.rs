//! `store`: binaries of old snapshots go, sources never.

use std::fs::File;
use std::path::Path;

use jiff::Timestamp;
use tidegate::digest::sha256_hex;
use tidegate::publish::content::ContentStore;
use tidegate::store::{Artifact, Ecosystem, PackageKind, Snapshot, SnapshotState, Store, SuiteMember};

use super::sample_state::SampleState;

const SOURCE: &str = "src/contrib";
const BINARY: &str = "bin/windows/contrib/4.5";

fn noon() -> Timestamp {
    "2026-08-20T12:00:00Z".parse().unwrap()
}

/// Puts a file into the store that came long ago, and gives back its digest.
fn put(state: &Path, bytes: &str) -> String {
    let (content, sha256) = (ContentStore::new(state.join("artifacts")), sha256_hex(bytes.as_bytes()));
    let file = content.temporary().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let kept = content.keep(file.path(), &sha256).unwrap();
    File::open(kept).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    sha256
}

/// A published snapshot of one package with these files, each in its folder.
async fn publish(store: &Store, date: &str, version: &str, files: &[(&str, &str)]) {
    let at = noon();
    let package = store.ensure_package(Ecosystem::Runiverse, "staging", "tidal", PackageKind::RPackage, None);
    let package = package.await.unwrap();
    let revision = store.ensure_revision(package, version, "", Some("c0ffee"), at).await.unwrap();
    for (folder, bytes) in files {
        let artifact = Artifact {
            platform: (*folder).to_owned(),
            path: format!("{folder}/tidal_{version}"),
            size: bytes.len() as i64,
            sha256: sha256_hex(bytes.as_bytes()),
        };
        store.add_rebuilt_artifact(revision, &artifact, at).await.unwrap();
    }
    let suite =
        store.ensure_package(Ecosystem::Runiverse, "staging", "r-multiverse", PackageKind::Suite, None);
    let suite = store.ensure_revision(suite.await.unwrap(), date, "", None, at).await.unwrap();
    let members = [SuiteMember { revision, constraint: String::new() }];
    store.publish_suite(suite, &members, at).await.unwrap();
    let row = Snapshot {
        distribution: "r-multiverse".to_owned(),
        date: date.parse().unwrap(),
        state: SnapshotState::Published,
        reason: None,
        suite: Some(suite),
        manifest_digest: Some("00".repeat(32)),
        packages: 1,
        generation: 1,
        published_at: Some(at),
    };
    store.save_snapshot(&row).await.unwrap();
}

#[test]
fn binaries_of_old_snapshots_go_and_sources_never() {
    let state = SampleState::new();
    state.change(async |store| {
        publish(store, "2025-03-15", "1.0.0", &[(SOURCE, "old source"), (BINARY, "old binary")]).await;
        publish(store, "2025-06-15", "1.1.0", &[(SOURCE, "source"), (BINARY, "binary")]).await;
        // The same commit, of which the universe had built the binary again.
        publish(store, "2026-06-15", "1.1.0", &[(SOURCE, "source"), (BINARY, "binary again")]).await;
    });
    let files = ["old source", "old binary", "source", "binary", "binary again", "stray"];
    let sums = files.map(|file| put(state.path(), file));
    let told = state.run("store collect --dry-run").printed();
    let last = "would be removed: 2 files with 15 B, and 0 that never became whole\n\
                kept: 4 files, and 0 files that came less than 7d ago\n";
    assert!(told.ends_with(last), "{told}");
    let mut lines: Vec<&str> = told.lines().take(2).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["DIGEST  10 B", "DIGEST  5 B"]);
    let told = state.run("store collect --json").json();
    assert_eq!((&told["dry_run"], &told["bytes"], &told["held"]), (&false.into(), &15.into(), &4.into()));
    let content = ContentStore::new(state.path().join("artifacts"));
    let there = sums.iter().map(|sum| content.path_of(sum).exists());
    assert_eq!(there.collect::<Vec<_>>(), [true, false, true, true, true, false]);
    // What retention let go is not missed.
    let told = state.run("store scrub").printed();
    assert!(told.ends_with(" read, 0 bad\n"), "{told}");
}

#[test]
fn a_length_of_time_has_to_be_one() {
    let ran = SampleState::new().run("store collect --older-than soon");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("soon"), "{}", ran.err);
}
