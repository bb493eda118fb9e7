//! `run`, `once` and steering: a whole daemon as a process, and one pass against a simulated GitHub.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::clock::ManualClock;
use tidegate::domain::{Check, Checks, PackageFacts};
use tidegate::jobs::check_status::{SeenFile, SeenPackage, SeenUniverse};
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::store::{Durability, Store};

use super::place::Place;
use super::sample_state::{PROMOTION, SNAPSHOT, block_on};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A daemon in a process of its own, which ends with this value.
struct Daemon(Child);

impl Daemon {
    fn start(place: &Place) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["--config", place.config().to_str().unwrap(), "run"])
            .env_remove("JOURNAL_STREAM")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self(child);
        let begun = Instant::now();
        while !daemon.answers(place) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon
    }

    fn answers(&self, place: &Place) -> bool {
        let ran = place.run(["status", "--json"]);
        let status: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        status["daemon_answers"] == true && !status["last_planned_at"].is_null()
    }

    /// Asks it to stop, as systemd does, and waits for its end.
    fn stop(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_daemon_is_steered_through_its_socket_and_stops_in_order() {
    let place = Place::apart();
    let daemon = Daemon::start(&place);
    let said = place.run(["pause", PROMOTION, "--reason", "GitHub moves", "--by", "ada"]).printed();
    insta::assert_snapshot!(said, @"r-multiverse-staging is paused; a run under way goes on, nothing new begins");
    let status = place.run(["status"]).printed();
    assert!(status.starts_with("the daemon runs as process "), "{status}");
    assert!(status.contains("by ada (user ") && status.contains(": GitHub moves"), "{status}");
    insta::assert_snapshot!(place.run(["resume", PROMOTION]).printed(), @"r-multiverse-staging runs again; what the pause kept from running is skipped");
    insta::assert_snapshot!(place.run(["skip-next", SNAPSHOT, "--reason", "by hand"]).printed(), @"the next occurrence of r-multiverse-snapshot is skipped");
    let twice = place.run(["resume", PROMOTION]);
    insta::assert_snapshot!(twice.err, @"error: the daemon refuses: r-multiverse-staging is not paused");
    assert_eq!(twice.code, 1);
    assert_eq!(daemon.stop(), Some(0));
    let status = place.run(["status"]).printed();
    assert!(status.starts_with("no daemon runs; process "), "{status}");
    assert!(status.contains("the next one is skipped, asked for by "), "{status}");
}

#[test]
fn a_new_exception_reaches_a_running_daemon() {
    let place = Place::apart();
    let daemon = Daemon::start(&place);
    let ran = place.run([
        "exception",
        "add",
        "polars",
        "1.0",
        "--distribution",
        "r-multiverse",
        "--by",
        "ada",
        "--reason",
        "r",
        "--until",
        "2026-09-14",
    ]);
    insta::assert_snapshot!(ran.err, @"note: the daemon has read the files again: 5 jobs are in force; added: none; removed: none; with another schedule: none");
    assert_eq!(ran.code, 0);
    daemon.stop();
}

#[test]
fn a_pass_by_hand_is_refused_while_a_daemon_runs() {
    let place = Place::apart();
    let daemon = Daemon::start(&place);
    let ran = place.run(["once", PROMOTION]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let who = format!("another tidegate writes to PLACE/state: process {} since ", daemon.0.id());
    assert!(ran.err.contains(&who), "{}", ran.err);
    daemon.stop();
}

#[test]
fn without_a_daemon_a_wish_is_written_down() {
    let place = Place::apart();
    let ran = place.run(["pause", PROMOTION, "--reason", "r"]);
    insta::assert_snapshot!(ran.err, @"error: no job r-multiverse-staging was ever planned, so it cannot be paused");
    assert_eq!(ran.code, 1);
    keep(&place, async |store| {
        let now = at("2026-08-20T11:00:00Z");
        store.request_run(PROMOTION, now, "x", now).await.unwrap();
    });
    assert_eq!(place.run(["pause", PROMOTION, "--reason", "r", "--by", "bob"]).code, 0);
    let status = place.run(["status"]).printed();
    assert!(status.contains("paused since 2026-08-20T12:00:00Z by bob: r"), "{status}");
    let empty = place.run(["pause", PROMOTION, "--reason", " "]);
    assert_eq!((empty.code, empty.err.as_str()), (2, "error: a reason is needed: it is kept and shown\n"));
    assert_eq!(place.run(["pause", "r-multiverse-stagin", "--reason", "r"]).code, 2);
}

/// Changes the state of a place.
fn keep(place: &Place, change: impl AsyncFnOnce(&Store)) {
    block_on(async {
        let now = at("2026-08-20T11:00:00Z");
        let store = Store::open_state(&place.state(), Durability::ProcessCrash, now).await.unwrap();
        change(&store).await;
        store.close().await;
    });
}

/// A GitHub with both channels: one package, which staging does not pin yet.
struct Simulated {
    github: Arc<SimulatedGitHub>,
    served: Served,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

fn simulated() -> Simulated {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let now = at("2026-07-16T10:00:00Z");
    let mut state = GitHubState::default();
    let rows = |branch: &str| json!([{"package": "apart", "url": "https://github.com/upstream/apart", "branch": branch}]);
    for channel in ["r-multiverse/community", "r-multiverse/staging"] {
        let files = [("packages.json", rows("*release").to_string())];
        state.add(Repository::with_files(channel, files, now).unwrap_or_else(|_| panic!("no repository")));
    }
    let journal = folder.path().join("github.jsonl");
    let github = Arc::new(SimulatedGitHub::open(state, &journal, ManualClock::new(now)).unwrap());
    let served = runtime.block_on(github.clone().serve()).unwrap();
    Simulated { github, served, _runtime: runtime, _folder: folder }
}

impl Simulated {
    fn pull_requests(&self) -> usize {
        self.github.read(|state| state.repository("r-multiverse/staging").unwrap().pulls.len())
    }
}

/// A place in which the newest release of the one package was seen a minute ago.
fn place_with_a_release(simulated: &Simulated) -> Place {
    let place = Place::new(&simulated.served.base_url());
    keep(&place, async |store| {
        let release = json!({"tag": "v1.1", "commit": "b".repeat(40), "version": "1.1", "problems": []});
        let seen = json!({"apart": {"release": release, "answered": true}});
        let bytes = serde_json::to_vec(&seen).unwrap();
        store.record_seen("releases:r-multiverse", &bytes, at("2026-07-16T09:59:00Z")).await.unwrap();
    });
    place
}

const NOW: &str = "2026-07-16T10:00:00Z";

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let simulated = simulated();
    let place = place_with_a_release(&simulated);
    let ran = place.run_at(NOW, ["once", PROMOTION, "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    run 1 of r-multiverse-staging: done: planned only: 1 packages, 1 action

    would do
      open a pull request: Begin the dependency freeze of 2026-07-15: pin 1 package
        apart: new to 1.1 at bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, because every newer admissible release is promoted until the candidate freeze begins on 2026-08-15

    decisions
      apart  proposed  Every newer admissible release is promoted until the candidate freeze begins on 2026-08-15.
    ");
    assert_eq!(simulated.pull_requests(), 0);
    let ran = place.run(["explain", "apart"]);
    assert!(ran.err.contains("nothing was decided on any package yet"), "{}", ran.err);
    let json: Value =
        serde_json::from_str(&place.run_at(NOW, ["once", PROMOTION, "--dry-run", "--json"]).out).unwrap();
    assert_eq!(json["plan"]["verdicts"]["apart"]["version"], "1.1");
}

#[test]
fn a_dry_run_of_a_recheck_says_what_would_be_checked_and_checks_nothing() {
    let place = Place::apart();
    let failed = Check {
        check: "ERROR".to_owned(),
        config: "linux-release-x86_64".to_owned(),
        r: "4.6.0".to_owned(),
        url: String::new(),
    };
    let package = |source: Option<SeenFile>| SeenPackage {
        facts: PackageFacts {
            version: Some("1.1".to_owned()),
            commit: Some("b".repeat(40)),
            checks: Checks::All(vec![failed.clone()]),
            ..PackageFacts::default()
        },
        source,
        binaries: Vec::new(),
    };
    let archive = SeenFile { sha256: "5".repeat(64), size: None };
    let universe: SeenUniverse =
        [("apart".to_owned(), package(Some(archive))), ("bare".to_owned(), package(None))].into();
    keep(&place, async |store| {
        let bytes = serde_json::to_vec(&universe).unwrap();
        store.record_seen("universe:r-multiverse/staging", &bytes, at("2026-07-16T09:59:00Z")).await.unwrap();
    });
    let ran = place.run_at(NOW, ["once", "r-multiverse-recheck", "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    run 1 of r-multiverse-recheck: done: planned only: own checks of 2 packages: 0 passed, 1 still to be checked, 1 of which nobody can tell

    would check 1 package

    own checks
      apart  1.1  tidegate's own R CMD check is still to run
      bare   1.1  tidegate's own R CMD check came to no result: the universe offers no source of this version
    ");
    assert!(place.run(["replay", "1"]).printed().contains("the same plan again"));
    let blind = Place::apart().run_at(NOW, ["once", "r-multiverse-recheck"]);
    insta::assert_snapshot!(blind.out, @"run 1 of r-multiverse-recheck: skipped: the universe of r-multiverse/staging was never read");
}

#[test]
fn a_pass_by_hand_does_what_its_dry_run_said() {
    let simulated = simulated();
    let place = place_with_a_release(&simulated);
    let ran = place.run_from(NOW, ["once", PROMOTION]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(simulated.pull_requests(), 1);
    let explained = place.run(["explain", "apart"]).printed();
    assert!(explained.contains("decided by   run 1"), "{explained}");
    assert!(place.run(["replay", "1"]).printed().contains("the same plan again"));
}

#[test]
fn a_snapshot_that_a_guard_holds_exits_with_3() {
    let simulated = simulated();
    let place = place_with_a_release(&simulated);
    let now = "2026-09-15T02:00:00Z";
    keep(&place, async |store| {
        store.record_seen("universe:r-multiverse/staging", b"{}", at(now)).await.unwrap();
    });
    for mode in [&["once", SNAPSHOT][..], &["once", SNAPSHOT, "--dry-run"]] {
        let ran = place.run_at(now, mode.iter().copied());
        assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("Nobody can tell what passes today"), "{}", ran.err);
    }
}

#[test]
fn a_pass_that_fails_exits_with_1_and_names_its_run() {
    let place = Place::apart();
    let ran = place.run(["once", PROMOTION]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`tidegate show 1` shows the run"), "{}", ran.err);
    assert!(place.run(["show", "1"]).printed().contains("127.0.0.1:9"));
    let list: Value = serde_json::from_str(&place.run(["runs", "--json"]).out).unwrap();
    assert_eq!(list[0]["state"], "failed");
}

#[test]
fn a_pass_without_a_token_is_a_mistake_of_the_configuration() {
    let place = Place::apart();
    std::fs::remove_file(place.path("token")).unwrap();
    let ran = place.run(["once", PROMOTION]);
    insta::assert_snapshot!(ran.err, @r"
    error: there is no token in the file PLACE/token: No such file or directory (os error 2)
    hint: `token` under [github] in tidegate.toml says where the token is read from
    ");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

#[test]
fn a_pass_is_for_a_time_that_has_come() {
    let ran = Place::apart().run(["once", PROMOTION, "--at", "2026-08-21"]);
    insta::assert_snapshot!(ran.err, @"error: 2026-08-21T00:00:00Z lies in the future: a job runs for a time that has come");
    assert_eq!(ran.code, 2);
}
