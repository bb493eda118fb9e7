//! Builds that are not taken in, and what is said about them.

use serde_json::json;
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::rehearse::github::faults::{Effect, Fault, FaultMatch, Occasion};
use tidegate::store::{NoticeKind, NoticeState, RunState};

use super::super::made::{made, zipped};
use super::scene::{REPOSITORY, Scene, artifact_of, build};

/// What is told of a notice of q2-types 1.0 whose artifact has this content.
async fn told_of(case: &str, content: Vec<u8>) -> String {
    let scene = Scene::new().await;
    scene.artifacts(&[(1, "linux-64", content)]);
    scene.notice("1.0", 1, "linux-64").await;
    assert_eq!(scene.summary().await, "refused: 1", "{case}");
    assert_eq!(scene.notices().await[0].state, NoticeState::Refused);
    assert!(scene.published().is_empty());
    scene.told().await
}

#[tokio::test]
async fn what_is_not_the_build_that_the_notice_tells_of_is_refused() {
    let bytes = build("1.0", "linux-64").bytes(ArchiveFormat::TarBz2);
    let mut told = Vec::new();
    for (case, content) in [
        ("another package", artifact_of(&[made("q2-other", "1.0", "0")])),
        ("no member", artifact_of(&[made("numpy", "1.0", "0")])),
        ("another version", artifact_of(&[build("1.1", "linux-64")])),
        ("another platform", artifact_of(&[build("1.0", "win-64")])),
        ("another name", zipped(&[("linux-64/q2-types-1.0-py39_0.tar.bz2".into(), bytes.clone())])),
        (
            "the folder of another platform",
            zipped(&[("osx-64/q2-types-1.0-py38_0.tar.bz2".into(), bytes.clone())]),
        ),
        ("traversal", zipped(&[("../../q2-types-1.0-py38_0.tar.bz2".into(), bytes.clone())])),
        (
            "traversal beside it",
            zipped(&[("a/q2-types-1.0-py38_0.tar.bz2".into(), bytes), ("/etc/x".into(), vec![0])]),
        ),
        ("an empty zip file", zipped(&[])),
        ("no zip file", b"no zip file at all".to_vec()),
        ("damaged", zipped(&[("q2-types-1.0-py38_0.tar.bz2".into(), vec![7; 100])])),
        ("too large", vec![0; 1024 * 1024 + 1]),
    ] {
        told.push(format!("{case}\n  {}", told_of(case, content).await));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    another package
      refused q2-types: "the artifact holds q2-other 1.0, and the notice tells of q2-types 1.0"
    no member
      refused q2-types: "numpy-1.0-0.tar.bz2: numpy is no member of tiny"
    another version
      refused q2-types: "the artifact holds q2-types 1.1, and the notice tells of q2-types 1.0"
    another platform
      refused q2-types: "q2-types-1.0-py38_0.tar.bz2: tiny is not for win-64"
    another name
      refused q2-types: "q2-types-1.0-py39_0.tar.bz2: by its index.json the file should be called `q2-types-1.0-py38_0.tar.bz2`; rename it, or build it again"
    the folder of another platform
      refused q2-types: "q2-types-1.0-py38_0.tar.bz2: it lies in `osx-64`, its index.json says `linux-64`; move it there, or build it again"
    traversal
      refused q2-types: "`../../q2-types-1.0-py38_0.tar.bz2` in the artifact leads out of its folder"
    traversal beside it
      refused q2-types: "`/etc/x` in the artifact leads out of its folder"
    an empty zip file
      refused q2-types: "there is no package archive in the artifact"
    no zip file
      refused q2-types: "the artifact is no zip file that can be read: invalid Zip archive: Could not find EOCD"
    damaged
      refused q2-types: "q2-types-1.0-py38_0.tar.bz2: the archive is cut off or damaged: bzip2: bz2 header missing"
    too large
      refused q2-types: "the artifact linux-64 has 1048577 bytes, more than the 1048576 allowed"
    "#);
}

#[tokio::test]
async fn a_small_zip_file_with_a_huge_archive_is_refused() {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("q2-types-1.0-py38_0.tar.bz2", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut writer, &vec![0; 8 * 1024 * 1024]).unwrap();
    let bomb = writer.finish().unwrap().into_inner();
    assert!(bomb.len() < 100_000);
    insta::assert_snapshot!(told_of("a bomb", bomb).await, @r#"refused q2-types: "the archives in the artifact have more than 1048576 bytes""#);
}

#[tokio::test]
async fn the_same_name_with_other_bytes_is_refused_before_and_after_it_is_published() {
    let scene = Scene::new().await;
    let other = build("1.0", "linux-64").with("timestamp", json!(1_700_000_000_001_u64));
    scene.artifacts(&[
        (1, "a", artifact_of(&[build("1.0", "linux-64")])),
        (2, "a", artifact_of(std::slice::from_ref(&other))),
        (3, "a", artifact_of(&[build("1.0", "osx-64")])),
        (4, "a", artifact_of(&[other])),
        (5, "a", artifact_of(&[build("1.0", "linux-64")])),
    ]);
    scene.notice("1.0", 1, "a").await;
    scene.notice("1.0", 2, "a").await;
    assert_eq!(scene.summary().await, "fetched: 1, refused: 1, waiting: 1");
    scene.notice("1.0", 3, "a").await;
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 1");
    scene.notice("1.0", 4, "a").await;
    scene.notice("1.0", 5, "a").await;
    assert_eq!(scene.summary().await, "fetched: 1, refused: 1");
    let states: Vec<NoticeState> = scene.notices().await.iter().map(|notice| notice.state).collect();
    use NoticeState::{Admitted, Refused};
    assert_eq!(states, [Admitted, Refused, Admitted, Refused, Admitted]);
    assert_eq!(scene.published().len(), 2);
}

#[tokio::test]
async fn a_github_that_fails_costs_no_look_and_stops_no_other_build() {
    let scene = Scene::new().await;
    scene.artifacts(&[
        (1, "a", artifact_of(&[made("q2-types", "1.0", "py_0")])),
        (2, "b", artifact_of(&[made("q2-types", "1.1", "py_0")])),
    ]);
    scene.notice("1.0", 1, "a").await;
    scene.notice("1.1", 2, "b").await;
    let path_prefix = format!("/repos/{REPOSITORY}/actions/runs/1/artifacts");
    let matches = FaultMatch::Rest { method: "GET".to_owned(), path_prefix };
    scene.simulated.set_faults(vec![Fault { matches, when: Occasion::Nth(1), effect: Effect::Status(502) }]);
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(scene.published(), ["noarch/q2-types-1.1-py_0.tar.bz2"]);
    assert_eq!(scene.notices().await[0].attempts, 0);
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 1");
}

#[tokio::test]
async fn a_build_for_another_target_is_refused_when_the_distribution_has_changed_since_its_notice() {
    let mut scene = Scene::new().await;
    scene.more = "build_target = \"release\"";
    let both = artifact_of(&[build("1.0", "linux-64"), build("1.0", "osx-64")]);
    scene.artifacts(&[(1, "a", both.clone()), (2, "a", both.clone()), (3, "a", both)]);
    for (run, target) in [(1, json!("dev")), (2, json!(null)), (3, json!("release"))] {
        let payload = json!({ "package_name": "q2-types", "version": "1.0", "build_target": target });
        scene.keep(NoticeKind::Integrate, run, "a", payload).await;
    }
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 2, refused: 2");
    insta::assert_snapshot!(scene.told().await, @r#"
    refused q2-types: "tiny takes builds for `release` only, and this one was made for `dev`"
    refused q2-types: "tiny takes builds for `release` only, and this one was made for no target"
    admitted q2-types: "1.0" ["linux-64/q2-types-1.0-py38_0.tar.bz2","osx-64/q2-types-1.0-py38_0.tar.bz2"]
    "#);
}
