//! What is kept of staged packages, and the store of files: scrubbed, collected, and never short of what
//! somebody holds.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tidegate::digest::sha256_hex;
use tidegate::domain::{SnapshotWish, SnapshotWishKind, WithdrawFrom, WithdrawnBytes};
use tidegate::jobs::snapshot::verify;
use tidegate::publish::content::ContentStore;
use tidegate::publish::content::collect::Collecting;
use tidegate::store::{Artifact, ChannelOf, Ecosystem, PackageKind, RunState};

use super::meddler::Fault;
use super::snapshot_scene::{BEFORE, DAY, Scene, commit};

const STAGING: ChannelOf<'static> = ChannelOf { distribution: "demo", channel: "staging" };

fn store(scene: &Scene, arguments: &[&str]) -> Output {
    scene.command(&[&["store"], arguments].concat())
}

/// What a command says, with the places of the scene named.
fn said(scene: &Scene, arguments: &[&str]) -> String {
    let output = store(scene, arguments);
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap().replace(scene.state().to_str().unwrap(), "STATE")
}

#[tokio::test]
async fn a_universe_that_is_gone_on_the_day_costs_nothing() {
    let mut scene = Scene::new().await;
    scene.keep = "keep = \"all\"";
    let run = scene.run("status", BEFORE).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    assert_eq!(scene.store.kept_files(STAGING).await.unwrap().len(), 12);
    scene.meddler.meddle("/", Fault::HangsUp);
    let run = scene.run("snapshot", DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    assert_eq!(verify(&scene.published().unwrap(), None, &Default::default()).unwrap().findings, []);
    assert_eq!(scene.archives().len(), 12);
}

#[tokio::test]
async fn only_sources_are_kept_unless_more_is_asked_for() {
    let scene = Scene::new().await;
    scene.run("status", BEFORE).await;
    let kept = scene.store.kept_files(STAGING).await.unwrap();
    let paths: Vec<&str> = kept.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        ["src/contrib/bass_1.0.0.tar.gz", "src/contrib/other_1.0.0.tar.gz", "src/contrib/top_1.0.0.tar.gz"]
    );
    assert!(kept.iter().all(|file| file.commit == commit(&file.package)));
    // Nothing is fetched twice.
    scene.meddler.asked();
    scene.run("status", "2026-06-15T01:42:00Z").await;
    let asked = scene.meddler.asked();
    assert!(asked.iter().all(|path| !path.contains("/contrib/")), "{asked:?}");
}

#[tokio::test]
async fn a_source_that_cannot_be_kept_now_is_kept_by_a_later_pass() {
    let scene = Scene::new().await;
    scene.meddler.meddle("/src/contrib/top_1.0.0.tar.gz", Fault::Status("503 Service Unavailable"));
    let run = scene.run("status", BEFORE).await;
    assert!(run.state == RunState::Done, "{}", Scene::told(&run));
    assert!(Scene::told(&run).contains("could not be kept yet: GET "), "{}", Scene::told(&run));
    assert_eq!(scene.store.kept_files(STAGING).await.unwrap().len(), 2);
    scene.meddler.behave();
    // The universe says what it said before, and yet the pass does not end there.
    scene.run("status", "2026-06-15T01:42:00Z").await;
    assert_eq!(scene.store.kept_files(STAGING).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_left_a_channel_is_kept_until_a_snapshot_came_after_it() {
    let scene = Scene::new().await;
    scene.run("status", BEFORE).await;
    let now: Timestamp = "2026-06-15T01:30:00Z".parse().unwrap();
    let pins = |packages: &[&str]| -> BTreeMap<String, String> {
        packages.iter().map(|package| ((*package).to_owned(), commit(package))).collect()
    };
    scene.store.sync_kept_files(STAGING, &pins(&["bass", "other"]), now).await.unwrap();
    assert_eq!(scene.store.kept_files(STAGING).await.unwrap().len(), 3);
    scene.run("snapshot", DAY).await;
    // It came back before anybody looked again: it is held as before.
    scene.store.sync_kept_files(STAGING, &pins(&["bass", "other", "top"]), now).await.unwrap();
    assert_eq!(scene.store.kept_files(STAGING).await.unwrap().len(), 3);
    scene.store.sync_kept_files(STAGING, &pins(&["bass", "other"]), now).await.unwrap();
    let left = scene.store.kept_files(STAGING).await.unwrap();
    assert_eq!(left.iter().map(|file| file.package.as_str()).collect::<Vec<_>>(), ["bass", "other"]);
}

#[tokio::test]
async fn scrubbing_names_what_is_damaged_or_missing_and_who_holds_it() {
    let scene = Scene::new().await;
    scene.run("status", BEFORE).await;
    scene.run("snapshot", DAY).await;
    assert!(said(&scene, &["scrub"]).ends_with("read, 0 bad\n"));
    let kept = scene.store.kept_files(STAGING).await.unwrap();
    let path = |package: &str| {
        let file = kept.iter().find(|file| file.package == package).unwrap();
        (file.sha256.clone(), scene.content().path_of(&file.sha256))
    };
    let (bass, top) = (path("bass"), path("top"));
    std::fs::set_permissions(&bass.1, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&bass.1, "other bytes").unwrap();
    std::fs::remove_file(&top.1).unwrap();
    std::fs::write(scene.state().join("artifacts/notes"), "of somebody").unwrap();
    let output = store(&scene, &["scrub"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let sums =
        [(bass.0.as_str(), "<bass>"), (top.0.as_str(), "<top>"), (&sha256_hex(b"other bytes"), "<other>")];
    let text = sums.iter().fold(text, |text, (sum, name)| text.replace(sum, name));
    let text = text.replace(scene.state().to_str().unwrap(), "STATE");
    insta::with_settings!({filters => vec![("with [0-9.]+ KiB read", "with <size> read")]}, {
        insta::assert_snapshot!(text);
    });
    assert!(!bass.1.exists());
}

#[tokio::test]
async fn collecting_takes_only_what_nobody_holds() {
    let scene = Scene::new().await;
    scene.run("status", BEFORE).await;
    scene.run("snapshot", DAY).await;
    let stray = put(&scene.content(), b"of nobody");
    // Files of now are young by any clock.
    let told = said(&scene, &["collect"]);
    assert!(told.starts_with("removed: 0 files with 0 B, and 0 that never"), "{told}");
    assert!(told.ends_with("kept: 9 files, and 1 file that came less than 7d ago\n"), "{told}");
    make_old(&scene.content().path_of(&stray));
    let told = said(&scene, &["collect", "--dry-run"]);
    assert!(told.starts_with(&format!("{stray}  9 B\nwould be removed: 1 file with 9 B")), "{told}");
    assert!(scene.content().path_of(&stray).exists());
    // Somebody keeps files: nothing may go.
    let keeping = scene.content().begin_keeping().unwrap();
    assert_eq!(store(&scene, &["collect"]).status.code(), Some(1));
    drop(keeping);
    assert!(said(&scene, &["collect"]).starts_with("removed: 1 file with 9 B"));
    assert!(!scene.content().path_of(&stray).exists());
    assert!(said(&scene, &["scrub"]).ends_with("read, 0 bad\n"));
    assert_eq!(verify(&scene.published().unwrap(), None, &Default::default()).unwrap().findings, []);
}

#[tokio::test]
async fn a_commit_that_is_built_again_is_one_file_more_and_both_are_held() {
    let scene = Scene::new().await;
    scene.run("status", BEFORE).await;
    scene.run("snapshot", DAY).await;
    let (store, revision) = (&scene.store, ("1.0.0", commit("top")));
    let published = store.published_files("staging", "top", (revision.0, &revision.1)).await.unwrap();
    let source = published.iter().find(|file| file.path == "src/contrib/top_1.0.0.tar.gz").unwrap();
    let at: Timestamp = "2026-09-15T02:00:00Z".parse().unwrap();
    let package = store.ensure_package(Ecosystem::Runiverse, "staging", "top", PackageKind::RPackage, None);
    let id =
        store.ensure_revision(package.await.unwrap(), revision.0, "", Some(&revision.1), at).await.unwrap();
    let again = Artifact { sha256: sha256_hex(b"built again"), ..source.clone() };
    // What never changes elsewhere does here, once a month.
    assert!(store.add_artifact(id, &again, at).await.is_err());
    store.add_rebuilt_artifact(id, &again, at).await.unwrap();
    store.add_rebuilt_artifact(id, &again, at).await.unwrap();
    let held = store.held_files().await.unwrap();
    let mut holders: Vec<(bool, String)> = held
        .iter()
        .filter(|file| file.path == source.path)
        .map(|file| (file.sha256 == source.sha256, file.holder.to_string()))
        .collect();
    holders.sort();
    let snapshot = "the snapshot 2026-06-15 of demo".to_owned();
    assert_eq!(
        holders,
        [(false, snapshot.clone()), (true, snapshot), (true, "top in demo/staging".to_owned())]
    );
}

#[tokio::test]
async fn what_is_withdrawn_while_a_job_keeps_files_is_removed_once_it_is_done() {
    let mut scene = Scene::new().await;
    scene.keep = "keep = \"nothing\"";
    scene.run("status", BEFORE).await;
    scene.run("snapshot", DAY).await;
    let files = scene.manifest("2026-06-15").files;
    let source = files.iter().find(|file| file.path == "src/contrib/top_1.0.0.tar.gz").unwrap();
    let kept = scene.content().path_of(&source.sha256);
    let keeping = scene.content().begin_keeping().unwrap();
    let wish = SnapshotWish {
        distribution: "demo".to_owned(),
        change: SnapshotWishKind::Withdraw {
            from: WithdrawFrom::Everywhere,
            package: Some("top".to_owned()),
            bytes: WithdrawnBytes::Drop,
        },
        by: "ada".to_owned(),
        reason: "asked for by its author".to_owned(),
    };
    let change = scene.wishes().await.carry_out(&wish).await.unwrap();
    assert!(change.kept_files_wait && kept.exists());
    assert!(!scene.published().unwrap().join(&source.path).exists());
    drop(keeping);
    for _ in 0..300 {
        if !kept.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!kept.exists());
    let withdrawals = scene.store.snapshot_withdrawals("demo").await.unwrap();
    assert!(withdrawals.iter().all(|row| row.bytes == WithdrawnBytes::Drop));
    assert_eq!(verify(&scene.published().unwrap(), None, &Default::default()).unwrap().findings, []);
}

fn put(content: &ContentStore, bytes: &[u8]) -> String {
    let sha256 = sha256_hex(bytes);
    let file = content.temporary().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    content.keep(file.path(), &sha256).unwrap();
    sha256
}

pub fn make_old(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
}

/// What may happen to a store, in any order.
#[derive(Clone, Debug)]
enum Deed {
    /// A job fetches a file, and writes its row only later.
    Fetch(u8),
    /// It writes the row.
    Record,
    /// It ends, with or without having written the row.
    End,
    /// Somebody lets go of a file.
    LetGo(u8),
    /// A collection, or one that the power ends after so many removals.
    Collect,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        (0_u8..6).prop_map(Deed::Fetch),
        Just(Deed::Record),
        Just(Deed::End),
        (0_u8..6).prop_map(Deed::LetGo),
        Just(Deed::Collect),
    ];
    prop::collection::vec(deed, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the order of fetching, publishing, withdrawing and collecting, what somebody holds is there with
    /// its bytes, and what nobody holds is gone once a collection may work.
    #[test]
    fn no_order_of_things_loses_a_file_that_somebody_holds(deeds in deeds()) {
        let folder = tempfile::tempdir().unwrap();
        let content = ContentStore::new(folder.path());
        let far = Timestamp::MAX;
        let (mut held, mut job) = (BTreeSet::new(), None);
        let mut fetched = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Fetch(number) => {
                    job.get_or_insert_with(|| content.begin_keeping().unwrap());
                    let sha256 = sha256_hex(&[number]);
                    // A file that is there already is built upon: nobody fetches it again.
                    if content.find(&sha256, Some(1)).unwrap().is_none() {
                        put(&content, &[number]);
                    }
                    fetched.push(sha256);
                }
                Deed::Record => held.extend(fetched.drain(..)),
                Deed::End => {
                    fetched.clear();
                    job = None;
                }
                Deed::LetGo(number) => drop(held.remove(&sha256_hex(&[number]))),
                Deed::Collect => match content.alone().unwrap() {
                    None => prop_assert!(job.is_some()),
                    Some(alone) => {
                        prop_assert!(job.is_none());
                        content.collect(&alone, &held, far, Collecting::Removes).unwrap();
                        let there = content.scrub(&BTreeMap::new(), &|_| {}).unwrap();
                        prop_assert_eq!(there.files, held.len());
                    }
                },
            }
            let needed = held.iter().chain(&fetched).map(|sha256| (sha256.clone(), Some(1))).collect();
            let scrubbed = content.scrub(&needed, &|_| {}).unwrap();
            prop_assert!(scrubbed.is_sound(), "{:?}", scrubbed);
        }
    }
}

#[test]
fn a_store_takes_nothing_under_a_name_that_is_no_digest() {
    let folder = tempfile::tempdir().unwrap();
    let content = ContentStore::new(folder.path());
    for name in ["../../etc/passwd", "", "abc", &"A".repeat(64)] {
        assert!(content.find(name, None).is_err() && content.partial(name).is_err(), "{name}");
    }
}
