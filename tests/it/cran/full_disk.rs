//! A disk that is full: the published folder lies on one that is a little too small, again and again, until a
//! snapshot fits. Wherever it ends, the error says so, nothing is half published, and the next run goes on.
//!
//! The disk is one in memory, mounted in namespaces of this test's own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tidegate::jobs::snapshot::verify;
use tidegate::store::RunState;

use super::snapshot_scene::{BEFORE, DAY, Scene};

/// Says to the test that it runs in namespaces of its own.
const INSIDE: &str = "TIDEGATE_TEST_INSIDE";

/// Whether this is the test within its namespaces, where it may mount. Outside it is started once more within; where
/// the system makes no namespaces the test says that it is skipped, and fails where `TIDEGATE_REQUIRE_REAL` is set.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("-Urm");
        command
    };
    if !unshare().arg("true").output().is_ok_and(|ran| ran.status.success()) {
        assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "unshare makes no namespaces here");
        let _ = writeln!(std::io::stderr(), "{test}: skipped, unshare makes no namespaces here");
        return false;
    }
    let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let ran =
        unshare().arg(std::env::current_exe().unwrap()).args(["--exact", &path]).env(INSIDE, "1").output();
    let ran = ran.unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    false
}

/// Gives the folder a disk of its own with so many pages, or makes the one that it has larger.
fn mount(folder: &Path, pages: usize) {
    let options = format!("{}size={}k", if pages == 1 { "" } else { "remount," }, pages * 4);
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
    let mounted = mounted.unwrap();
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
}

/// What readers of the folder can see, hidden names left out.
fn seen(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn wherever_the_disk_is_full_it_is_said_and_nothing_is_half_published() {
    if !is_inside("wherever_the_disk_is_full_it_is_said_and_nothing_is_half_published") {
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut scene = Scene::new().await;
        scene.keep = "keep = \"nothing\"";
        scene.run("status", BEFORE).await;
        let root = scene.publish_folder();
        let disk = root.parent().unwrap().to_owned();
        std::fs::create_dir_all(&disk).unwrap();
        let (mut pages, mut where_it_was) = (1, BTreeSet::new());
        loop {
            mount(&disk, pages);
            let run = scene.run("snapshot", DAY).await;
            let told = Scene::told(&run);
            if run.state != RunState::Failed {
                break;
            }
            assert!(
                told.contains("No space left on device") && told.contains("make room on that disk"),
                "{pages} pages: {told}"
            );
            where_it_was.insert(step_of(&told));
            let seen = seen(&root);
            match scene.published() {
                // Not a page, list or link that leads to nothing.
                None => assert_eq!(seen, BTreeSet::new(), "{pages} pages: {told}"),
                Some(folder) => {
                    assert_eq!(verify(&folder, None, &Default::default()).unwrap().findings, []);
                    for name in seen {
                        let bytes = std::fs::read(root.join(&name)).unwrap_or_else(|_| b"a folder".to_vec());
                        assert!(!bytes.is_empty(), "{pages} pages: {name} is empty");
                    }
                }
            }
            pages += 1;
            assert!(pages < 1000, "{told}");
        }
        for step in ["cannot place", "cannot index", "cannot write"] {
            assert!(where_it_was.iter().any(|told| told.starts_with(step)), "{step}: {where_it_was:?}");
        }
        let names = ["2026-06-15", "feed.xml", "index.html", "latest", "snapshots.json"];
        assert_eq!(seen(&root), names.map(str::to_owned).into());
        for folder in ["2026-06-15", "latest"] {
            let verified = verify(&root.join(folder), None, &Default::default()).unwrap();
            assert_eq!(verified.findings, []);
            assert_eq!(verified.manifest.unwrap().packages.len(), 3);
        }
        let run = scene.run("snapshot", DAY).await;
        assert_eq!(run.state, RunState::Unchanged, "{}", Scene::told(&run));
    });
}

/// What was tried, and with which file.
fn step_of(told: &str) -> String {
    let told = told.strip_prefix("failed: ").unwrap_or(told);
    let mut words = told.split(' ');
    let what: Vec<&str> = words.by_ref().take_while(|word| !word.starts_with('/')).collect();
    what.join(" ")
}
