//! The snapshot job with a key: what lies beside the manifest, and above the snapshot.

use std::fs;

use minisign::KeyPair;
use serde_json::Value;
use tidegate::jobs::snapshot::{Manifest, verify};
use tidegate::publish::signing::minisign::MinisignKey;
use tidegate::publish::signing::{Signer, TrustedKeys};
use tidegate::store::{Durability, RunState, Store};

use super::snapshot_scene::{BEFORE, DAY, PACKAGES, Scene, commit};

/// A signer with a new key, and its public half.
fn signer() -> (Signer, TrustedKeys) {
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let secret = pair.sk.to_box(None).unwrap().into_string().into();
    let key = MinisignKey::open(&secret, None, "a test").unwrap();
    let mut trusted = TrustedKeys::default();
    trusted.add(key.public_text()).unwrap();
    let signer = Signer::new(Some(key), None);
    (signer.known_as(Some("https://example.org/tidegate".to_owned())), trusted)
}

async fn take(scene: &Scene) -> tidegate::store::Run {
    let run = scene.run("status", BEFORE).await;
    assert_ne!(run.state, RunState::Failed, "{}", Scene::told(&run));
    scene.run("snapshot", DAY).await
}

fn read(scene: &Scene, file: &str) -> String {
    fs::read_to_string(scene.publish_folder().join(file)).unwrap()
}

#[tokio::test]
async fn a_snapshot_is_signed_says_what_it_was_made_from_and_is_listed() {
    let mut scene = Scene::new().await;
    let (signer, trusted) = signer();
    scene.signer = signer;
    let run = take(&scene).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    let verified = verify(&scene.published().unwrap(), None, &trusted).unwrap();
    assert_eq!(verified.findings, []);
    let signed: Vec<(&str, bool)> =
        verified.signed_by.iter().map(|one| (one.document.as_str(), one.trusted)).collect();
    assert_eq!(signed, [("manifest.json", true), ("provenance.intoto.json", true)]);

    let provenance: Value = serde_json::from_str(&read(&scene, "2026-06-15/provenance.intoto.json")).unwrap();
    let definition = &provenance["predicate"]["buildDefinition"];
    assert_eq!(definition["resolvedDependencies"][0]["digest"]["sha256"], run.input_digest.unwrap());
    let details = &provenance["predicate"]["runDetails"];
    assert_eq!(details["builder"]["id"], "https://example.org/tidegate");
    assert_eq!(details["metadata"]["startedOn"], DAY);
    let commits = definition["resolvedDependencies"].to_string();
    assert!(PACKAGES.iter().all(|package| commits.contains(&commit(package))), "{commits}");

    let record: Value = serde_json::from_str(&read(&scene, "2026-06-15/snapshot.json")).unwrap();
    assert_eq!(read(&scene, "snapshots.json"), record.to_string() + "\n");
    fs::remove_file(scene.publish_folder().join("snapshots.json")).unwrap();
    assert_eq!(scene.run("snapshot", DAY).await.state, RunState::Unchanged);
    assert_eq!(read(&scene, "snapshots.json"), record.to_string() + "\n", "the next pass lists it");
}

#[tokio::test]
async fn what_was_published_before_the_power_failed_is_adopted_whoever_signed_it() {
    let mut scene = Scene::new().await;
    let (old, trusted) = signer();
    scene.signer = old;
    assert_eq!(take(&scene).await.state, RunState::Done);
    let before = read(&scene, "2026-06-15/manifest.json.minisig");
    // Nothing is known of it any more, and the key was changed meanwhile.
    let database = scene.state().join("another.db");
    scene.store = Store::open(&database, Durability::ProcessCrash).await.unwrap();
    scene.signer = signer().0;
    let run = take(&scene).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    assert_eq!(read(&scene, "2026-06-15/manifest.json.minisig"), before);
    assert_eq!(verify(&scene.published().unwrap(), None, &trusted).unwrap().findings, []);
}

#[tokio::test]
async fn the_manifest_names_the_checks_of_each_package_and_what_it_needs_from_outside() {
    let scene = Scene::new().await;
    assert_eq!(take(&scene).await.state, RunState::Done);
    let manifest = Manifest::read(read(&scene, "2026-06-15/manifest.json").as_bytes()).unwrap();
    assert_eq!(manifest.format, 2);
    for package in &manifest.packages {
        assert!(!package.checks.is_empty(), "{}", package.name);
        assert!(package.checks.iter().all(|check| check.r.starts_with("4.5.")), "{:?}", package.checks);
    }
    assert_eq!(manifest.outside, [], "these need nothing from outside");
}
