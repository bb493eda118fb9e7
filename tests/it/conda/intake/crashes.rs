//! What a crash leaves, and how the next pass goes on.

use std::fs;

use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::publish::channel::{ChannelFolder, PackageFile, Patches};
use tidegate::store::NoticeState;

use super::super::made::made;
use super::scene::{Scene, artifact_of, build};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_archive_that_was_kept_before_it_was_written_down_is_taken_in_as_if_new() {
    let scene = Scene::new().await;
    let package = made("q2-types", "1.0", "py_0");
    let bytes = package.bytes(ArchiveFormat::TarBz2);
    let kept = scene.folder.path().join("state/artifacts").join(&sha256(&bytes)[..2]);
    fs::create_dir_all(&kept).unwrap();
    // The crash may have come in the middle of the disk's own work: what lies there is not trusted.
    fs::write(kept.join(sha256(&bytes)), &bytes[..10]).unwrap();
    scene.artifacts(&[(1, "a", artifact_of(&[package]))]);
    scene.notice("1.0", 1, "a").await;
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 1");
    assert_eq!(fs::read(scene.tested().join("noarch/q2-types-1.0-py_0.tar.bz2")).unwrap(), bytes);
}

#[tokio::test]
async fn builds_that_were_published_before_that_was_written_down_are_settled_by_the_next_pass() {
    let scene = Scene::new().await;
    let (linux, osx) = (build("1.0", "linux-64"), build("1.0", "osx-64"));
    // What the interrupted pass published; its rows still say that the builds wait.
    let files = [&linux, &osx].map(|package| {
        let subdir = package.index["subdir"].as_str().unwrap().to_owned();
        let file_name = package.file_name(ArchiveFormat::TarBz2);
        let (path, bytes) = (scene.folder.path().join(&subdir), package.bytes(ArchiveFormat::TarBz2));
        fs::write(&path, &bytes).unwrap();
        PackageFile { subdir, file_name, sha256: sha256(&bytes), size: bytes.len() as u64, path }
    });
    let channel = ChannelFolder::new(scene.tested()).unwrap();
    channel.publish(&files, &Patches::new()).unwrap();

    scene.artifacts(&[(1, "linux-64", artifact_of(&[linux])), (2, "osx-64", artifact_of(&[osx]))]);
    scene.notice("1.0", 1, "linux-64").await;
    scene.notice("1.0", 2, "osx-64").await;
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 2");
    assert_eq!(channel.current().unwrap(), Some(1), "nothing was published again");
    assert!(scene.notices().await.iter().all(|notice| notice.state == NoticeState::Admitted));
    assert_eq!(scene.told().await.lines().count(), 1);
}

#[tokio::test]
async fn a_crash_between_keeping_and_publishing_leaves_builds_that_the_next_pass_publishes() {
    let scene = Scene::new().await;
    scene.artifacts(&[
        (1, "linux-64", artifact_of(&[build("1.0", "linux-64")])),
        (2, "osx-64", artifact_of(&[build("1.0", "osx-64")])),
    ]);
    scene.notice("1.0", 1, "linux-64").await;
    scene.pass().await;
    scene.notice("1.0", 2, "osx-64").await;
    // A file where the channel's own folder has to be: the pass ends after the builds are written down.
    let blocked = scene.folder.path().join("published/tiny/.tested-generations");
    fs::write(&blocked, "in the way").unwrap();
    let run = scene.pass().await;
    assert!(run.error.is_some(), "{run:?}");
    assert!(scene.published().is_empty());
    assert!(scene.notices().await.iter().all(|notice| notice.state == NoticeState::Fetched));

    fs::remove_file(&blocked).unwrap();
    scene.artifacts(&[]);
    assert_eq!(scene.summary().await, "admitted: 1", "nothing is fetched again");
    assert_eq!(scene.published().len(), 2);
}
