//! Two quarters after one another: what the second one takes over, what it refuses, when it is held, and that each is
//! taken once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use tidegate::jobs::snapshot::verify;
use tidegate::rehearse::universe::Platform;
use tidegate::store::{Durability, Run, RunState, SnapshotState, Store};

use super::meddler::Fault;
use super::snapshot_scene::{BEFORE, DAY, NEXT_BEFORE, NEXT_DAY, Scene, Story};

const FIRST: &str = "2026-06-15";
const SECOND: &str = "2026-09-15";
const TOP: &str = "src/contrib/top_1.0.0.tar.gz";

fn usual() -> Story {
    Story { platforms: Platform::USUAL.to_vec(), ..Story::default() }
}

/// A scene in which the first quarter is published, and nothing is kept beside what is published.
async fn published(story: Story) -> Scene {
    let mut scene = Scene::of(story).await;
    scene.keep = "keep = \"nothing\"";
    scene.policy = "mass_change = 1.0";
    scene.run("status", BEFORE).await;
    let run = scene.run("snapshot", DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    scene
}

/// The status of the second quarter's last hour, and its snapshot.
async fn next(scene: &Scene) -> Run {
    let run = scene.run("status", NEXT_BEFORE).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    scene.run("snapshot", NEXT_DAY).await
}

/// The sums of the sources of a snapshot.
fn sources(scene: &Scene, date: &str) -> BTreeMap<String, String> {
    let files = scene.manifest(date).files.into_iter();
    let sources = files.filter(|file| file.path.starts_with("src/") && file.path.ends_with(".tar.gz"));
    sources.map(|file| (file.path, file.sha256)).collect()
}

#[track_caller]
fn is_whole(scene: &Scene, date: &str) {
    let folder = scene.publish_folder().join(date);
    assert_eq!(verify(&folder, None, &Default::default()).unwrap().findings, []);
}

#[tokio::test]
async fn the_source_of_a_commit_that_was_published_is_published_again_and_not_fetched() {
    let mut scene = published(usual()).await;
    scene.pack_again().await;
    scene.run("status", NEXT_BEFORE).await;
    scene.meddler.asked();
    let run = scene.run("snapshot", NEXT_DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    assert_eq!(scene.meddler.asked(), Vec::<String>::new(), "the binaries are the ones of before");
    assert_eq!(sources(&scene, FIRST), sources(&scene, SECOND));
    let inode = |date: &str| fs::metadata(scene.publish_folder().join(date).join(TOP)).unwrap().ino();
    assert_eq!(inode(FIRST), inode(SECOND), "it costs no space");
    is_whole(&scene, SECOND);
}

#[tokio::test]
async fn a_source_that_is_kept_no_more_comes_from_the_universe_as_it_is_packed_now() {
    let mut scene = published(usual()).await;
    let before = sources(&scene, FIRST);
    fs::remove_file(scene.content().path_of(&before[TOP])).unwrap();
    scene.pack_again().await;
    scene.run("status", NEXT_BEFORE).await;
    scene.meddler.asked();
    let run = scene.run("snapshot", NEXT_DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    let asked = scene.meddler.asked();
    assert!(asked.len() == 1 && asked[0].ends_with(TOP), "{asked:?}");
    let mut after = sources(&scene, SECOND);
    assert_ne!(after[TOP], before[TOP]);
    after.insert(TOP.to_owned(), before[TOP].clone());
    assert_eq!(after, before);
    is_whole(&scene, FIRST);
    is_whole(&scene, SECOND);
}

#[tokio::test]
async fn a_package_whose_universe_has_another_commit_than_the_channel_pins_is_left_out_by_name() {
    let story = Story { moved: vec![("other", "2026-08-01T00:00:00Z")], ..usual() };
    let mut scene = published(story).await;
    scene.policy = "mass_change = 1.0\nshrink = 0.5";
    let run = next(&scene).await;
    assert_eq!(Scene::told(&run), "done: 2 packages, 1 left out");
    let manifest = scene.manifest(SECOND);
    assert_eq!(manifest.left_out[0].name, "other");
    insta::assert_snapshot!(manifest.left_out[0].reason, @"The commit it is pinned to is not built yet.");
    is_whole(&scene, SECOND);
}

#[tokio::test]
async fn a_universe_that_moves_on_after_the_nominal_time_is_refused_by_name_and_costs_nothing_where_files_are_kept()
 {
    let move_on = "2026-09-15T01:40:00Z";
    let story = Story { moved: vec![("other", move_on)], ..usual() };
    let scene = Scene::of(story.clone()).await;
    // Sources are kept when they are staged.
    scene.run("status", NEXT_BEFORE).await;
    let mut scene = scene;
    scene.fetch = "binaries = []";
    let run = scene.run("snapshot", NEXT_DAY).await;
    assert_eq!(Scene::told(&run), "done: 3 packages, 0 left out");

    let mut scene = Scene::of(story).await;
    (scene.keep, scene.fetch) = ("keep = \"nothing\"", "binaries = []");
    scene.run("status", NEXT_BEFORE).await;
    let run = scene.run("snapshot", NEXT_DAY).await;
    let told = Scene::told(&run);
    assert_eq!(run.state, RunState::Failed, "{told}");
    assert!(told.contains("other 1.0.0 is part of the snapshot, and a file of it is neither kept"), "{told}");
    assert!(told.contains("src/contrib/other_1.0.0.tar.gz"), "{told}");
    assert!(!scene.publish_folder().join(SECOND).exists());
}

#[tokio::test]
async fn a_snapshot_that_lost_too_much_is_held_shown_and_released_by_a_person() {
    // `top` depends on it.
    let story = Story { failing: vec![("bass", "2026-08-01T00:00:00Z")], ..usual() };
    let scene = published(story).await;
    let run = next(&scene).await;
    let held = "2 of the 3 packages of the snapshot before are missing, more than the 20 % that may be. An operator has \
                to look and say that this is meant: `tidegate guard release`.";
    assert_eq!(Scene::told(&run), format!("held: {held}"));
    assert!(!scene.publish_folder().join(SECOND).exists());
    let row = scene.store.snapshot("demo", SECOND.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((row.state, row.reason.as_deref()), (SnapshotState::Held, Some(held)));
    let listed = scene.says("snapshot list");
    assert!(listed.contains(&format!("2026-09-15  demo  held           0 packages  {held}")), "{listed}");
    let guarded = scene.says("guard list");
    assert_eq!(guarded, format!("demo, snapshot 2026-09-15: {held}\n"));

    // A word without a reason is none.
    let release = ["guard", "release", "demo", SECOND, "--by", "ada", "--reason"];
    assert_eq!(scene.command(&[&release[..], &[" "]].concat()).status.code(), Some(1));
    assert_eq!(scene.run("snapshot", NEXT_DAY).await.state, RunState::Held);
    let output = scene.command(&[&release[..], &["bass and top left us"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = scene.run("snapshot", NEXT_DAY).await;
    assert_eq!(Scene::told(&run), "done: 1 package, 2 left out");
    let released = scene.manifest(SECOND).released.unwrap();
    assert_eq!((released.by.as_str(), released.reason.as_str()), ("ada", "bass and top left us"));
    let page = fs::read_to_string(scene.publish_folder().join(SECOND).join("index.html")).unwrap();
    assert!(page.contains("bass and top left us"), "{page}");
    is_whole(&scene, SECOND);
}

#[tokio::test]
async fn a_quarter_is_published_once() {
    let mut scene = published(usual()).await;
    let manifest = fs::read(scene.publish_folder().join(FIRST).join("manifest.json")).unwrap();
    let run = scene.run("snapshot", "2026-06-16T02:00:00Z").await;
    let told = "the snapshot of 2026-06-15 is published already; a date is published once";
    assert_eq!(Scene::told(&run), format!("unchanged: {told}"));

    // A state that knows nothing of it comes to another set: the folder is not touched.
    scene.store = Store::open(&scene.state().join("another.db"), Durability::ProcessCrash).await.unwrap();
    scene.fetch = "binaries = []";
    scene.run("status", "2026-06-16T01:12:00Z").await;
    let run = scene.run("snapshot", "2026-06-16T02:00:00Z").await;
    let told = Scene::told(&run);
    assert_eq!(run.state, RunState::Failed, "{told}");
    assert!(told.contains("`2026-06-15` is published already"), "{told}");
    assert_eq!(fs::read(scene.publish_folder().join(FIRST).join("manifest.json")).unwrap(), manifest);
    is_whole(&scene, FIRST);
}

#[tokio::test]
async fn a_milestone_that_passed_while_the_daemon_was_down_is_made_up_for_once() {
    let scene = Scene::of(usual()).await;
    // The first beat sees the jobs, and the second runs the status of the hour before.
    scene.beat("2026-06-15T00:30:00Z").await;
    scene.beat("2026-06-15T01:12:30Z").await;
    // Down on the day, and for five more; the universe has gone meanwhile.
    scene.meddler.meddle("/api/packages", Fault::HangsUp);
    scene.beat("2026-06-20T09:00:00Z").await;
    let taken = |scene: &Scene| {
        let store = scene.store.clone();
        async move {
            let rows = store.occurrences(Some("snapshot"), 100).await.unwrap();
            rows.into_iter().map(|row| (row.scheduled_for.to_string(), row.state)).collect::<Vec<_>>()
        }
    };
    let rows = taken(&scene).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].0, DAY);
    assert_eq!(format!("{:?}", rows[0].1), "Done");
    assert_eq!(scene.manifest(FIRST).packages.len(), 3, "by what was known on the day");
    is_whole(&scene, FIRST);
    for later in ["2026-06-20T09:05:00Z", "2026-07-01T00:00:00Z", "2026-09-14T23:59:00Z"] {
        scene.beat(later).await;
        assert_eq!(taken(&scene).await, rows, "{later}");
    }
}

#[tokio::test]
async fn the_list_of_snapshots_says_which_ones_people_went_back_from() {
    let scene = published(usual()).await;
    next(&scene).await;
    let listed = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(scene.publish_folder().join("snapshots.json")).unwrap()).unwrap()
    };
    let plain = listed();
    assert!(!plain.to_string().contains("rolled_back"), "{plain}");
    let reason = ["snapshot", "rollback", "--by", "ada", "--reason", "top loses rows"];
    assert!(scene.command(&reason).status.success());
    let back = listed();
    let of = |list: &serde_json::Value, date: &str| {
        list.as_array().unwrap().iter().find(|row| row["snapshot"] == date).cloned().unwrap()
    };
    assert_eq!(of(&back, SECOND)["rolled_back"], "top loses rows");
    assert_eq!(of(&back, FIRST), of(&plain, FIRST));
    assert!(scene.command(&["snapshot", "rollback", "--newest", "--reason", "it was not"]).status.success());
    assert_eq!(listed(), plain);
}
