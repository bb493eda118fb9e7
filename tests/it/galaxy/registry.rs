//! Suites of the registry, from the state of a daemon.

use std::path::Path;

use jiff::Timestamp;
use tidegate::store::{
    Artifact, DATABASE, Durability, Ecosystem, PackageKind, RevisionId, Store, SuiteMember,
};

use super::{refusals, shown};

fn hour(hour: i64) -> Timestamp {
    Timestamp::from_second(1_787_000_000 + hour * 3_600).unwrap()
}

async fn revision(store: &Store, name: &str, version: &str, kind: PackageKind) -> RevisionId {
    let package = store.ensure_package(Ecosystem::Conda, "tiny/staged", name, kind, None).await.unwrap();
    store.ensure_revision(package, version, "py38_0", None, hour(0)).await.unwrap()
}

async fn publish(store: &Store, suite: RevisionId, members: &[RevisionId], at: i64) {
    let line = |revision: &RevisionId| SuiteMember { revision: *revision, constraint: String::new() };
    let members: Vec<SuiteMember> = members.iter().map(line).collect();
    store.publish_suite(suite, &members, hour(at)).await.unwrap();
}

async fn state(folder: &Path) {
    let store = Store::open(&folder.join(DATABASE), Durability::ProcessCrash).await.unwrap();
    let old = revision(&store, "q2-types", "2024.5", PackageKind::Package).await;
    let new = revision(&store, "q2-types", "2024.10", PackageKind::Package).await;
    let cli = revision(&store, "q2cli", "2024.10", PackageKind::Package).await;
    let base = revision(&store, "qiime2-base", "2024.10", PackageKind::Suite).await;
    let before = revision(&store, "qiime2-tiny", "2024.5", PackageKind::Suite).await;
    let now = revision(&store, "qiime2-tiny", "2024.10", PackageKind::Suite).await;
    let file = Artifact {
        platform: "noarch".to_owned(),
        path: "noarch/q2-types-2024.10-py38_0.conda".to_owned(),
        size: 10,
        sha256: "ab".repeat(32),
    };
    store.add_artifact(new, &file, hour(0)).await.unwrap();
    publish(&store, base, &[cli], 1).await;
    publish(&store, now, &[base, new], 2).await;
    publish(&store, before, &[old], 1).await;
}

#[test]
fn a_suite_of_the_registry_is_taken_apart_and_the_one_published_last_is_meant() {
    let place = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(state(place.path()));
    let registry = |spec: &str| shown(place.path(), &["--state", "PLACE", "destructure", "registry", spec]);
    insta::assert_snapshot!(registry("qiime2-tiny"), @"
    tiny/staged/qiime2-tiny 2024.10 py38_0: 2 members
      of registry

      member    version  build   sha256        via
      q2-types  2024.10  py38_0  abababababab  qiime2-tiny
      q2cli     2024.10  py38_0  -             qiime2-tiny → qiime2-base
    ");
    assert!(registry("tiny/staged/qiime2-tiny=2024.5=py38_0").contains("q2-types  2024.5"));

    let commands: [&[&str]; 3] = [
        &["--state", "PLACE", "destructure", "registry"],
        &["--state", "PLACE", "destructure", "registry", "qiime2-tiny=2023"],
        &["--state", "PLACE/nothing", "destructure", "registry"],
    ];
    insta::assert_snapshot!(refusals(place.path(), &commands));
}
