//! Builds that people put into the drop folder.

use std::fs;

use serde_json::json;
use tidegate::ecosystem::conda::layout::ArchiveFormat;

use super::super::made::{Made, made};
use super::scene::{Scene, artifact_of, build};

fn put(scene: &Scene, place: &str, package: &Made, format: ArchiveFormat) {
    let folder = scene.drop_folder().join(place);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(package.file_name(format)), package.bytes(format)).unwrap();
}

fn left(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(scene.drop_folder()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn builds_are_taken_out_of_the_folder_and_published_in_both_formats() {
    let scene = Scene::new().await;
    put(&scene, "linux-64", &build("1.0", "linux-64"), ArchiveFormat::TarBz2);
    put(&scene, "", &build("1.0", "osx-64"), ArchiveFormat::TarBz2);
    put(&scene, "", &made("q2-other", "1.0", "0"), ArchiveFormat::Conda);
    fs::write(scene.drop_folder().join(".half-copied.conda"), "half").unwrap();
    fs::write(scene.drop_folder().join("README"), "no package").unwrap();
    assert_eq!(scene.summary().await, "admitted: 2, dropped: 3");
    insta::assert_snapshot!(scene.published().join("\n"), @r"
    linux-64/q2-types-1.0-py38_0.tar.bz2
    noarch/q2-other-1.0-0.conda
    osx-64/q2-types-1.0-py38_0.tar.bz2
    ");
    assert_eq!(left(&scene), [".half-copied.conda", "README", "linux-64"]);
    assert_eq!(scene.summary().await, "nothing came in");
}

#[tokio::test]
async fn the_same_file_once_more_changes_nothing_and_other_bytes_stay_where_they_are() {
    let scene = Scene::new().await;
    let package = made("q2-other", "1.0", "0");
    put(&scene, "", &package, ArchiveFormat::Conda);
    scene.pass().await;
    put(&scene, "noarch", &package, ArchiveFormat::Conda);
    assert_eq!(scene.summary().await, "dropped: 1");
    put(&scene, "", &package.with("timestamp", json!(1_u64)), ArchiveFormat::Conda);
    assert_eq!(scene.summary().await, "refused: 1");
    assert_eq!(scene.summary().await, "refused: 1");
    assert_eq!(left(&scene), ["noarch", "q2-other-1.0-0.conda"]);
    let refusals = scene.told().await.lines().filter(|line| line.starts_with("refused")).count();
    assert_eq!(refusals, 1, "it is told of once");
}

#[tokio::test]
async fn a_folder_that_is_gone_stops_no_build_that_was_told_of() {
    let scene = Scene::new().await;
    fs::remove_dir(scene.drop_folder()).unwrap();
    scene.artifacts(&[(1, "a", artifact_of(&[made("q2-types", "1.0", "py_0")]))]);
    scene.notice("1.0", 1, "a").await;
    let run = scene.pass().await;
    assert!(run.error.unwrap().contains("cannot list"), "the folder is missed");
    assert_eq!(scene.published(), ["noarch/q2-types-1.0-py_0.tar.bz2"]);
}

#[tokio::test]
async fn a_link_is_not_followed_and_a_file_that_is_too_large_is_refused() {
    let scene = Scene::new().await;
    let outside = scene.folder.path().join("q2-other-1.0-0.conda");
    fs::write(&outside, made("q2-other", "1.0", "0").bytes(ArchiveFormat::Conda)).unwrap();
    std::os::unix::fs::symlink(&outside, scene.drop_folder().join("q2-other-1.0-0.conda")).unwrap();
    fs::write(scene.drop_folder().join("q2-types-1.0-0.conda"), vec![0; 1024 * 1024 + 1]).unwrap();
    assert_eq!(scene.summary().await, "refused: 1");
    assert!(scene.published().is_empty());
    insta::assert_snapshot!(scene.told().await, @r#"refused -: "q2-types-1.0-0.conda has more than the 1048576 bytes allowed""#);
}
