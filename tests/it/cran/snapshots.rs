//! A snapshot whose universe misbehaves on the day: an error that names it, nothing half-published, and success
//! on the next try.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use tidegate::jobs::snapshot::{Manifest, verify};
use tidegate::store::RunState;

use super::meddler::Fault;
use super::snapshot_scene::{BEFORE, DAY, Scene};

const ALL: [&str; 12] = [
    "bin/macosx/big-sur-arm64/contrib/4.5/bass_1.0.0.tgz",
    "bin/macosx/big-sur-arm64/contrib/4.5/other_1.0.0.tgz",
    "bin/macosx/big-sur-arm64/contrib/4.5/top_1.0.0.tgz",
    "bin/macosx/big-sur-x86_64/contrib/4.5/bass_1.0.0.tgz",
    "bin/macosx/big-sur-x86_64/contrib/4.5/other_1.0.0.tgz",
    "bin/macosx/big-sur-x86_64/contrib/4.5/top_1.0.0.tgz",
    "bin/windows/contrib/4.5/bass_1.0.0.zip",
    "bin/windows/contrib/4.5/other_1.0.0.zip",
    "bin/windows/contrib/4.5/top_1.0.0.zip",
    "src/contrib/bass_1.0.0.tar.gz",
    "src/contrib/other_1.0.0.tar.gz",
    "src/contrib/top_1.0.0.tar.gz",
];

/// How many files they are: both kinds of macOS have the same.
const DISTINCT: usize = 9;

/// A scene whose status is known, and that keeps nothing beforehand.
async fn scene(fetch: &'static str) -> Scene {
    let mut scene = Scene::new().await;
    (scene.keep, scene.fetch) = ("keep = \"nothing\"", fetch);
    let run = scene.run("status", BEFORE).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    scene.meddler.asked();
    scene
}

/// The snapshot is whole: every byte is what its manifest says.
fn is_whole(scene: &Scene) -> Manifest {
    let verified = verify(&scene.published().unwrap(), None, &Default::default()).unwrap();
    assert_eq!(verified.findings, []);
    assert_eq!(scene.archives(), ALL);
    verified.manifest.unwrap()
}

#[tokio::test]
async fn each_fault_is_named_and_the_next_try_publishes() {
    let file = "/src/contrib/top_1.0.0.tar.gz";
    let cases = [
        (Fault::Status("500 Internal Server Error"), "500 Internal Server Error"),
        (Fault::Cut(100), "broke off after"),
        (Fault::Ends(100), "bytes, and "),
        (Fault::Flipped, "the file's sha256 is "),
        (Fault::HangsUp, "no answer"),
    ];
    for (fault, words) in cases {
        let scene = scene("").await;
        scene.meddler.meddle(file, fault.clone());
        let run = scene.run("snapshot", DAY).await;
        let told = Scene::told(&run);
        assert_eq!(run.state, RunState::Failed, "{fault:?}: {told}");
        assert!(told.contains(words) && told.contains(file), "{fault:?}: {told}");
        let seen = std::fs::read_dir(scene.publish_folder()).into_iter().flatten().count();
        assert_eq!((scene.published(), seen), (None, 0), "{fault:?}");
        scene.meddler.behave();
        scene.meddler.asked();
        let run = scene.run("snapshot", DAY).await;
        assert_eq!(run.state, RunState::Done, "{fault:?}: {}", Scene::told(&run));
        assert_eq!(is_whole(&scene).packages.len(), 3);
        // What had come before the fault is not asked for again.
        let asked = scene.meddler.asked();
        assert!(asked.iter().any(|path| path.ends_with(file)) && asked.len() < DISTINCT, "{asked:?}");
    }
}

#[tokio::test]
async fn published_files_are_links_to_what_is_kept_and_nobody_can_write_to_them() {
    let scene = scene("").await;
    scene.run("snapshot", DAY).await;
    for file in is_whole(&scene).files.iter().filter(|file| ALL.contains(&file.path.as_str())) {
        let published = std::fs::metadata(scene.published().unwrap().join(&file.path)).unwrap();
        let kept = std::fs::metadata(scene.content().path_of(&file.sha256)).unwrap();
        assert_eq!((published.ino(), published.mode() & 0o777), (kept.ino(), 0o444), "{}", file.path);
    }
}

#[tokio::test]
async fn a_kept_file_that_is_damaged_is_noticed_and_fetched_again() {
    let scene = scene("").await;
    scene.meddler.meddle("/src/contrib/top_1.0.0.tar.gz", Fault::HangsUp);
    scene.run("snapshot", DAY).await;
    // A disk that forgets: the same size, another byte.
    let kept: Vec<_> = walk(&scene.state().join("artifacts"));
    let victim = kept.iter().find(|path| std::fs::read(path).unwrap().starts_with(b"PK")).unwrap();
    let mut bytes = std::fs::read(victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(victim, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(victim, bytes).unwrap();
    scene.meddler.behave();
    let run = scene.run("snapshot", DAY).await;
    let told = Scene::told(&run);
    assert!(run.state == RunState::Failed && told.contains("is damaged") && told.contains(".zip"), "{told}");
    assert_eq!(scene.published(), None);
    let run = scene.run("snapshot", DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    is_whole(&scene);
}

#[tokio::test]
async fn a_publish_folder_that_refuses_is_tried_again() {
    let scene = scene("").await;
    let folder = scene.publish_folder();
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    let run = scene.run("snapshot", DAY).await;
    assert!(
        run.state == RunState::Failed && Scene::told(&run).contains("published/demo"),
        "{}",
        Scene::told(&run)
    );
    std::fs::remove_file(&folder).unwrap();
    scene.meddler.asked();
    let run = scene.run("snapshot", DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    assert_eq!(scene.meddler.asked(), Vec::<String>::new());
    is_whole(&scene);
}

#[tokio::test]
async fn the_snapshot_api_brings_the_same_files_in_one_request() {
    let mut manifests = Vec::new();
    for fetch in ["", "fetch = \"zip\"", "fetch = \"tar\""] {
        let scene = scene(fetch).await;
        let run = scene.run("snapshot", DAY).await;
        assert_eq!(run.state, RunState::Done, "{fetch}: {}", Scene::told(&run));
        let asked = scene.meddler.asked();
        match fetch {
            "" => assert_eq!(asked.len(), DISTINCT, "{asked:?}"),
            _ => assert_eq!(asked.len(), 1, "{asked:?}"),
        }
        let mut files = is_whole(&scene).files;
        // What surrounds the packages names the address of each scene's own CRAN.
        files.retain(|file| ALL.contains(&file.path.as_str()));
        manifests.push(files);
    }
    assert!(manifests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn what_an_archive_lacks_is_fetched_file_by_file() {
    let cases = [
        ("fetch = \"zip\"", Fault::Ends(3_000), DISTINCT),
        ("fetch = \"tar\"", Fault::Cut(3_000), DISTINCT),
        ("fetch = \"tar\"", Fault::Ends(3_000), DISTINCT - 1),
        ("fetch = \"zip\"", Fault::Status("500 Internal Server Error"), DISTINCT),
    ];
    for (fetch, fault, most) in cases {
        let scene = scene(fetch).await;
        scene.meddler.meddle("/api/snapshot/", fault.clone());
        let run = scene.run("snapshot", DAY).await;
        assert_eq!(run.state, RunState::Done, "{fetch} {fault:?}: {}", Scene::told(&run));
        is_whole(&scene);
        let asked = scene.meddler.asked();
        let alone = asked.iter().filter(|path| !path.contains("/api/snapshot/")).count();
        assert!(alone <= most && alone > 0, "{fetch} {fault:?}: {asked:?}");
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
