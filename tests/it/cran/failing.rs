//! The repository of failing packages beside a snapshot: `top` passes and needs `bass`, which fails.

use std::fs;

use tidegate::jobs::snapshot::{Problem, verify};
use tidegate::rehearse::universe::Platform;
use tidegate::store::RunState;

use super::kept::make_old;
use super::real_r::r;
use super::snapshot_scene::{BEFORE, DAY, Scene, Story, commit};

/// A snapshot of the channel, in which every package stays by its own checks.
async fn scene() -> Scene {
    let failing = vec![("bass", "2026-04-03T00:00:00Z")];
    let platforms = Platform::USUAL.to_vec();
    let mut scene = Scene::of(Story { failing, platforms, ..Story::default() }).await;
    scene.policy = "dependencies = \"own-checks\"";
    scene.keep = "keep = \"nothing\"";
    scene.fetch = "failing = true";
    let run = scene.run("status", BEFORE).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    let run = scene.run("snapshot", DAY).await;
    assert_eq!(Scene::told(&run), "done: 2 packages, 1 left out");
    scene
}

/// The packages that an index of the snapshot lists.
fn listed(scene: &Scene, folder: &str) -> Vec<String> {
    let index = fs::read_to_string(scene.published().unwrap().join(folder).join("PACKAGES")).unwrap();
    let names = index.lines().filter_map(|line| line.strip_prefix("Package: "));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_failing_package_that_others_need_is_published_apart_with_indexes_of_its_own() {
    let scene = scene().await;
    assert_eq!(
        scene.archives(),
        [
            "bin/macosx/big-sur-arm64/contrib/4.5/other_1.0.0.tgz",
            "bin/macosx/big-sur-arm64/contrib/4.5/top_1.0.0.tgz",
            "bin/macosx/big-sur-x86_64/contrib/4.5/other_1.0.0.tgz",
            "bin/macosx/big-sur-x86_64/contrib/4.5/top_1.0.0.tgz",
            "bin/windows/contrib/4.5/other_1.0.0.zip",
            "bin/windows/contrib/4.5/top_1.0.0.zip",
            "failing/bin/macosx/big-sur-arm64/contrib/4.5/bass_1.0.0.tgz",
            "failing/bin/macosx/big-sur-x86_64/contrib/4.5/bass_1.0.0.tgz",
            "failing/bin/windows/contrib/4.5/bass_1.0.0.zip",
            "failing/src/contrib/bass_1.0.0.tar.gz",
            "src/contrib/other_1.0.0.tar.gz",
            "src/contrib/top_1.0.0.tar.gz",
        ]
    );
    for folder in ["src/contrib", "bin/windows/contrib/4.5"] {
        assert_eq!(listed(&scene, folder), ["other", "top"], "{folder}");
        assert_eq!(listed(&scene, &format!("failing/{folder}")), ["bass"], "{folder}");
    }
    let manifest = scene.manifest("2026-06-15");
    let members: Vec<&str> = manifest.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(members, ["other", "top"]);
    assert_eq!(manifest.packages[1].dependencies_from_elsewhere, ["bass"]);
    let failing = manifest.failing.unwrap();
    let bass = &failing.packages[0];
    assert_eq!((failing.folder.as_str(), failing.packages.len()), ("failing", 1));
    assert_eq!((bass.package.name.as_str(), bass.package.commit.as_str()), ("bass", &*commit("bass")));
    assert_eq!(bass.needed_by, ["top"]);
    assert!(bass.reason.contains("linux-release-x86_64"), "{}", bass.reason);
    assert_eq!(bass.package.evidence, "failing");
    assert_eq!(manifest.left_out[0].name, "bass");
    let named = manifest.files.iter().filter(|file| file.path.starts_with("failing/"));
    assert_eq!(named.count(), 4 + 4 * 3, "its archives, and three files of each index");

    let published = scene.published().unwrap();
    assert_eq!(verify(&published, None, &Default::default()).unwrap().findings, []);
    let provenance = fs::read_to_string(published.join("provenance.intoto.json")).unwrap();
    assert!(provenance.contains(&commit("bass")), "{provenance}");
    let page = fs::read_to_string(published.join("index.html")).unwrap();
    assert!(page.contains("https://production.example.org/2026-06-15/failing"), "{page}");
    assert!(page.contains("Failing, and needed"), "{page}");
}

#[tokio::test]
async fn r_finds_what_is_in_and_with_the_second_repository_what_that_needs() {
    let scene = scene().await;
    let (published, library) = (scene.published().unwrap(), tempfile::tempdir().unwrap());
    let code = "a <- paste0('file://', commandArgs(TRUE)[1]); both <- c(a, file.path(a, 'failing')); \
                names <- function(repos) sort(rownames(available.packages(repos = repos, type = 'source', \
                filters = list()))); cat(names(a), '|', names(both), '|', names(both[2]))";
    let Some(printed) = r(code, &[&published]) else { return };
    assert_eq!(printed, "other top | bass other top | bass");
    let code = "a <- commandArgs(TRUE); at <- paste0('file://', a[1]); .libPaths(a[2]); \
                install.packages('top', lib = a[2], repos = c(at, file.path(at, 'failing')), type = 'source', \
                quiet = TRUE); cat(top::about(), '+', bass::about())";
    assert_eq!(r(code, &[&published, library.path()]).unwrap(), "top 1.0.0 + bass 1.0.0");
}

#[tokio::test]
async fn damage_in_the_second_repository_is_found_and_named() {
    let scene = scene().await;
    let published = scene.published().unwrap();
    let contrib = published.join("failing/src/contrib");
    let found = || -> Vec<(Problem, String)> {
        let verified = verify(&published, None, &Default::default()).unwrap();
        verified.findings.into_iter().map(|finding| (finding.problem, finding.path)).collect()
    };
    let archive = contrib.join("bass_1.0.0.tar.gz");
    let sound = fs::read(&archive).unwrap();
    let mut flipped = sound.clone();
    flipped[20] ^= 1;
    fs::remove_file(&archive).unwrap();
    let path = |file: &str| format!("failing/src/contrib/{file}");
    assert!(found().contains(&(Problem::Missing, path("bass_1.0.0.tar.gz"))));
    fs::write(&archive, flipped).unwrap();
    assert!(found().contains(&(Problem::Changed, path("bass_1.0.0.tar.gz"))));
    fs::write(&archive, sound).unwrap();
    assert_eq!(found(), []);
    fs::write(contrib.join("more_1.0.tar.gz"), "more").unwrap();
    assert_eq!(found(), [(Problem::Extra, path("more_1.0.tar.gz"))]);
    fs::remove_file(contrib.join("more_1.0.tar.gz")).unwrap();
    fs::write(contrib.join("PACKAGES"), "Package: bass\nVersion: 1.0.0\n").unwrap();
    let found = found();
    assert!(found.contains(&(Problem::Changed, path("PACKAGES"))), "{found:?}");
    assert!(found.contains(&(Problem::Index, path("PACKAGES"))), "{found:?}");
    assert!(found.contains(&(Problem::Index, path("PACKAGES.rds"))), "{found:?}");
}

#[tokio::test]
async fn what_is_published_apart_is_held_by_its_snapshot() {
    let scene = scene().await;
    let manifest = scene.manifest("2026-06-15");
    let archives = manifest.files.iter().filter(|file| file.path.contains("_1.0.0"));
    for file in archives {
        make_old(&scene.content().path_of(&file.sha256));
    }
    let told = scene.says("store collect");
    assert!(told.starts_with("removed: 0 files with 0 B"), "{told}");
    assert!(told.contains("kept: 9 files, and 0 files"), "{told}");
    assert!(scene.says("store scrub").ends_with("read, 0 bad\n"));
    let bass = manifest.files.iter().find(|file| file.path == "failing/src/contrib/bass_1.0.0.tar.gz");
    fs::remove_file(scene.content().path_of(&bass.unwrap().sha256)).unwrap();
    let output = scene.command(&["store", "scrub"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the snapshot 2026-06-15 of demo"), "{told}");
}

#[tokio::test]
async fn a_package_is_withdrawn_from_the_second_repository_too() {
    let scene = scene().await;
    let told = scene.says("snapshot withdraw 2026-06-15 bass --drop-bytes --by ada --reason asked");
    insta::assert_snapshot!(told, @r"
    2026-06-15  generation 2  without bass 1.0.0
      gone              failing/bin/macosx/big-sur-arm64/contrib/4.5/bass_1.0.0.tgz
      gone              failing/bin/macosx/big-sur-x86_64/contrib/4.5/bass_1.0.0.tgz
      gone              failing/bin/windows/contrib/4.5/bass_1.0.0.zip
      gone              failing/src/contrib/bass_1.0.0.tar.gz
      needs it          top
    ");
    assert_eq!(listed(&scene, "failing/src/contrib"), Vec::<String>::new());
    let manifest = scene.manifest("2026-06-15");
    assert_eq!(manifest.failing.unwrap().packages, []);
    assert_eq!(manifest.withdrawn[0].version.as_deref(), Some("1.0.0"));
    let verified = verify(&scene.published().unwrap(), None, &Default::default()).unwrap();
    assert_eq!(verified.findings, []);
}
