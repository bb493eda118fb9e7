//! `R CMD check` by R itself, on this machine's engine, for packages of a simulated universe. Skipped with a
//! message where there is no R or no bubblewrap, and a failure there when `TIDEGATE_REQUIRE_REAL=1`.

use std::collections::BTreeMap;
use std::process::Command;

use tidegate::domain::Evidence;
use tidegate::store::RunState;

use super::own_scene::{Package, Scene, r_version};
use crate::conda::real::bubblewrap;
use crate::engine::made::there;

/// The version of R, where R and its sandbox are there.
fn r() -> Option<String> {
    r_version().filter(|_| bubblewrap())
}

fn good(name: &'static str) -> Package {
    Package::new(name)
}

/// Fails its test.
fn bad() -> Package {
    Package::new("bad").file("tests/bad.R", "stop('broken on purpose')\n")
}

/// Fails at the first try in an environment, and passes later: a try has its own folder.
fn flaky() -> Package {
    Package::new("flaky")
        .file("tests/flaky.R", "if (grepl('-1/work/', getwd(), fixed = TRUE)) stop('flaked')\n")
}

/// Needs a package that is nowhere.
fn lonely() -> Package {
    Package::new("lonely").imports("nosuchpackage")
}

#[tokio::test]
async fn packages_that_fail_are_checked_once_more_and_only_once() {
    let Some(r) = r() else { return };
    let scene = Scene::of(
        &r,
        vec![
            good("good"),
            bad(),
            flaky(),
            lonely(),
            good("fine").passes(),
            good("elsewhere").fails_on("windows-release"),
        ],
    )
    .await;
    assert_eq!(scene.pass("status").await.state, RunState::Done);
    let run = scene.pass("again").await;
    insta::assert_snapshot!(run.summary.clone().unwrap(), @"own checks of 4 packages: 2 passed, 1 failed, 1 of which nobody can tell");
    let tests = scene.tests(&run).await;
    insta::assert_snapshot!(tests.join("\n"), @r"
    bad 1.0.0, attempt 1: failed
    bad 1.0.0, attempt 2: failed
    flaky 1.0.0, attempt 1: failed
    flaky 1.0.0, attempt 2: passed
    good 1.0.0, attempt 1: passed
    lonely 1.0.0, attempt 1: what it needs is not installed where it was checked: Package required but not available: ‘nosuchpackage’
    ");
    insta::assert_snapshot!(scene.told().await.join("\n"), @r"
    bad: failed
    flaky: passed
    good: passed
    ");
    assert_eq!(scene.assignments(), 0, "nothing is left behind");

    // What cannot be told is tried again, since it may be the machine's fault; nothing else is.
    let second = scene.pass("again").await;
    insta::assert_snapshot!(scene.tests(&second).await.join("\n"), @"lonely 1.0.0, attempt 2: what it needs is not installed where it was checked: Package required but not available: ‘nosuchpackage’");
    let log = scene.says(&["show", &run.id.0.to_string(), "--log", "bad"]);
    assert!(log.contains("broken on purpose") && log.contains("Status: 1 ERROR"), "{log}");
    assert!(scene.says(&["replay", &run.id.0.to_string()]).contains("the same plan again"));
}

#[tokio::test]
async fn what_is_shown_changes_nothing_and_what_clears_lets_a_package_pass() {
    let Some(r) = r() else { return };
    let mut scene = Scene::of(&r, vec![good("good"), bad()]).await;
    scene.counts = "clears";
    scene.pass("status").await;
    assert_eq!(scene.evidence().await, failing(&["bad", "good"]));
    scene.pass("again").await;
    scene.pass("status").await;
    let cleared =
        BTreeMap::from([("bad".to_owned(), Evidence::Failing), ("good".to_owned(), Evidence::Passing)]);
    assert_eq!(scene.evidence().await, cleared);
    // Nothing new: the own checks are kept fresh all the same, or what they cleared would come back.
    scene.hours_later(5);
    scene.pass("status").await;
    assert_eq!(scene.pass("again").await.state, RunState::Unchanged);
    scene.hours_later(4);
    assert_eq!(scene.pass("status").await.state, RunState::Unchanged);
    assert_eq!(scene.evidence().await, cleared);
    // Once nobody rechecks any more, they are history.
    scene.hours_later(4);
    scene.pass("status").await;
    assert_eq!(scene.evidence().await, failing(&["bad", "good"]));
    // The operator only wants them shown: that takes a pass, and no test.
    scene.counts = "shown";
    let shown = scene.pass("again").await;
    assert_eq!((shown.state, scene.tests(&shown).await), (RunState::Done, Vec::new()));
    scene.pass("status").await;
    assert_eq!(scene.evidence().await, failing(&["bad", "good"]));
    let status = scene.says(&["status"]);
    assert!(status.contains("good 1.0.0: tidegate's own R CMD check passed at"), "{status}");
}

fn failing(packages: &[&str]) -> BTreeMap<String, Evidence> {
    packages.iter().map(|package| ((*package).to_owned(), Evidence::Failing)).collect()
}

// The universe answers on another thread while the command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_shown_command_does_the_same_for_a_stranger() {
    let Some(r) = r().filter(|_| there("curl")) else { return };
    let scene = Scene::of(&r, vec![good("good")]).await;
    scene.pass("status").await;
    let run = scene.pass("again").await;
    let shown: serde_json::Value =
        serde_json::from_str(&scene.says(&["show", &run.id.0.to_string(), "--json"])).unwrap();
    let command = shown["reproduce"]["good"].as_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let ran = Command::new("sh").args(["-c", command]).current_dir(elsewhere.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("good_1.0.0.tar.gz: OK") && said.contains("Status: "), "{said}");
}

#[tokio::test]
async fn a_check_that_runs_outlives_a_daemon_that_stops_and_is_adopted() {
    let Some(r) = r() else { return };
    let scene = Scene::of(&r, vec![good("good")]).await;
    scene.pass("status").await;
    let stopped = scene.pass_stopped_once_a_test_began("again").await;
    assert_eq!(scene.assignments(), 1, "{stopped:?}");
    let scene = scene.after_a_crash().await;
    let run = scene.pass("again").await;
    insta::assert_snapshot!(run.summary.clone().unwrap(), @"own checks of 1 package: 1 passed");
    assert_eq!(scene.tests(&run).await.len(), 1, "it was not begun a second time");
}

#[tokio::test]
async fn dependencies_are_installed_from_the_universe_before_the_check() {
    let Some(r) = r() else { return };
    let mut scene =
        Scene::of(&r, vec![good("base.one").passes(), Package::new("upper").imports("base.one")]).await;
    scene.prepare = r#"
prepare = ["Rscript", "--vanilla", "-e", """
a <- commandArgs(TRUE)
d <- tools::package_dependencies(a[1], available.packages(repos = a[3], type = 'source'))[[1]]
install.packages(d, lib = a[2], repos = a[3], type = 'source')
""", "{package}", "{library}", "{universe}"]
network = "allowed"
"#;
    scene.pass("status").await;
    let run = scene.pass("again").await;
    insta::assert_snapshot!(run.summary.clone().unwrap(), @"own checks of 1 package: 1 passed");

    scene.prepare = "prepare = [\"sh\", \"-c\", \"echo no disk; exit 3\"]\n";
    let run = scene.pass("again").await;
    insta::assert_snapshot!(scene.tests(&run).await.join("\n"), @"upper 1.0.0, attempt 1: its dependencies could not be installed: no disk");
}

#[tokio::test]
async fn an_archive_that_is_not_the_promised_one_is_not_checked() {
    let Some(r) = r() else { return };
    let scene = Scene::of(&r, vec![good("good").withheld()]).await;
    scene.pass("status").await;
    let run = scene.pass("again").await;
    insta::assert_snapshot!(run.summary.clone().unwrap(), @"own checks of 1 package: 0 passed, 1 of which nobody can tell");
    assert!(scene.tests(&run).await.is_empty());
}
