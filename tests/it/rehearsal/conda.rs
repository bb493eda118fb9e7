//! The bundled week of a small conda distribution: what its rehearsal comes to, and that neither a pause
//! nor kills change anything of it. All of it goes through the command, since workers are processes of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::dice::Dice;
use super::stage::{LeftBehind, files_below};
use crate::conda::real::bubblewrap;

const MEMBERS: [&str; 6] = ["q2-metadata", "q2-mystery-stew", "q2-types", "q2cli", "q2templates", "qiime2"];

/// The bundled world's name, and the folder that it is bundled from.
const NAME: &str = "qiime2";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/worlds/qiime2-tiny");

/// The command that rehearses a world into the folder `out`.
fn rehearse(world: &str, out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    // From a folder without a configuration, so that the shipped one says how tests run.
    command.current_dir(out.parent().unwrap());
    command.args(["--json", "rehearse", world]).args(more).arg("--out").arg(out);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(world: &str, out: &Path, more: &[&str]) -> LeftBehind {
    let output = rehearse(world, out, more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    LeftBehind(out.to_owned())
}

/// The week without any disturbance, played once for all tests.
fn undisturbed() -> LeftBehind {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        finish(NAME, &folder.path().join("out"), &[]);
        folder
    });
    LeftBehind(folder.path().join("out"))
}

/// Everything of the verdicts but the number of the run that decided each, the folder they lie in, and the
/// digest of what tells the whole paths of an environment: its fingerprint says which it is.
fn verdicts(left: &LeftBehind) -> Vec<String> {
    let folder = left.0.display().to_string();
    let told = left.verdicts(MEMBERS).into_iter().map(|mut verdict| {
        verdict.body.as_object_mut().unwrap().remove("environment");
        let (scope, package, kind) = (&verdict.scope, &verdict.package, &verdict.kind);
        let (since, until) = (verdict.since, verdict.until);
        format!("{scope} {package} {kind} {since} {until:?} {}", verdict.body).replace(&folder, "<out>")
    });
    told.collect()
}

fn assert_same(one: &LeftBehind, other: &LeftBehind) {
    assert_eq!(one.summary(), other.summary());
    assert_eq!(one.timeline(), other.timeline());
    for (one, other) in verdicts(one).iter().zip(verdicts(other)) {
        assert_eq!(*one, other);
    }
    assert_eq!(verdicts(one).len(), verdicts(other).len());
    let names = |left: &LeftBehind| left.published().into_keys().collect::<Vec<_>>();
    assert_eq!(names(one), names(other));
    assert!(one.published() == other.published(), "published bytes differ");
    let report = |left: &LeftBehind| std::fs::read_to_string(left.0.join("report.html")).unwrap();
    assert_eq!(report(one), report(other));
}

/// What a command says that only reads.
fn says(left: &LeftBehind, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.arg("--state").arg(&left.0).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn in_the_week_one_member_breaks_and_is_mended_and_another_recovers() {
    if !bubblewrap() {
        return;
    }
    let left = undisturbed();
    insta::assert_snapshot!("conda_summary", serde_json::to_string_pretty(&left.summary()).unwrap());
    let lines: Vec<String> = left.timeline().iter().map(line).collect();
    insta::assert_snapshot!("conda_timeline", lines.join("\n"));
}

/// An event of the timeline without what the summary says already.
fn line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let list = |key: &str| match &event[key] {
        Value::Array(words) => format!(" {}", Value::from(words.clone())),
        _ => String::new(),
    };
    let (from, to) = (text("from"), text("to"));
    let change = if to.is_empty() { String::new() } else { format!(" {from} to {to}") };
    let (at, kind, package, version) = (text("at"), text("kind"), text("package"), text("version"));
    format!("{at} {kind} {package} {version}{change}{}{}", list("culprit"), list("files"))
}

#[test]
fn the_folder_is_a_state_that_every_command_reads() {
    if !bubblewrap() {
        return;
    }
    let left = undisturbed();
    let runs: Value = serde_json::from_str(&says(&left, &["--json", "runs", "qiime2-tiny-recheck"])).unwrap();
    // What each pass says of itself adds up to what the summary says of all.
    let told = runs.as_array().unwrap().iter().filter_map(|run| run["summary"].as_str());
    let reused = told.filter_map(|told| told.strip_suffix(" not tested again in the same environment"));
    let reused: u64 = reused.map(|told| told.rsplit("; ").next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(left.summary()["tests"]["reused"], reused);
    let red = |run: &&Value| run["summary"].as_str().is_some_and(|told| told.contains("1 red"));
    let red = runs.as_array().unwrap().iter().find(red).unwrap()["id"].to_string();
    insta::assert_snapshot!(says(&left, &["show", &red]).lines().skip(9).collect::<Vec<_>>().join("\n"), @r"
    tests
      q2-mystery-stew 2026.4.0 0 on linux-64, attempt 1: failed: test command 1 ended with 1
      q2-mystery-stew 2026.4.0 0 on linux-64, attempt 2: failed: test command 1 ended with 1
    ");
    assert!(says(&left, &["replay", &red]).contains("the same plan again"));
    let explained = says(&left, &["explain", "q2-types"]);
    assert!(explained.contains("q2-types 2026.4.1 py310_0 is green on linux-64"), "{explained}");
    let status = says(&left, &["status"]);
    for job in ["qiime2-tiny-intake", "qiime2-tiny-integrate", "qiime2-tiny-recheck"] {
        assert!(status.contains(job), "{status}");
    }
    assert!(!status.contains("never ran"), "{status}");
    let passed = left.0.join("published/qiime2/2026.4/tiny/passed");
    let apart = says(&left, &["destructure", passed.to_str().unwrap(), "qiime2-tiny"]);
    assert!(apart.contains("q2-types         2026.4.1  py310_0"), "{apart}");
}

#[test]
fn a_week_in_two_parts_is_the_same_to_the_last_byte() {
    if !bubblewrap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("in-parts");
    let half = finish(FOLDER, &out, &["--to", "2026-03-04T12:00:00Z"]);
    assert_eq!(half.summary()["metapackages"].as_array().unwrap().len(), 1);
    assert_same(&undisturbed(), &finish(NAME, &out, &[]));
}

#[test]
fn what_makes_no_sense_for_conda_packages_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let refused = |more: &[&str]| {
        let output = rehearse(NAME, &out, more).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!out.exists());
        String::from_utf8(output.stderr).unwrap()
    };
    insta::assert_snapshot!(refused(&["--staging", "follow"]), @r"
    error: --staging, --via and --policy are about R packages, and this is a world of conda packages
    hint: change the distribution and the jobs in a copy of the world's folder instead
    ");
    insta::assert_snapshot!(refused(&["--to", "2026-03-01"]), @"error: --to 2026-03-01T00:00:00Z lies before the world begins, at 2026-03-02T00:00:00Z; give a later time");
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it began.
    After(Duration),
    /// As soon as world time moved on so many more times.
    OnceTimePassed(usize),
    /// As soon as somebody visited tidegate once more.
    OnceVisited,
    /// So long after a test began.
    InTest(Duration),
}

/// Waits for the moment, then kills. True where the process had ended by itself before.
fn kill(mut child: Child, moment: Moment, out: &Path) -> bool {
    let lines = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    let steps = || lines(out.join("world.jsonl"));
    let visits = || lines(out.join("world/visits.jsonl"));
    let testing =
        || std::fs::read_dir(out.join("assignments")).is_ok_and(|mut entries| entries.next().is_some());
    let (began, steps_before, visits_before) = (Instant::now(), steps(), visits());
    let mut test_began = None;
    loop {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return true;
        }
        let due = match moment {
            Moment::After(delay) => began.elapsed() >= delay,
            Moment::OnceTimePassed(times) => steps() >= steps_before + times,
            Moment::OnceVisited => visits() > visits_before,
            Moment::InTest(delay) => {
                test_began = test_began.or_else(|| testing().then(Instant::now));
                test_began.is_some_and(|since: Instant| since.elapsed() >= delay)
            }
        };
        if due {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Enough kills that each kind of moment comes several times; then it may end.
const KILLS: usize = 16;

#[test]
fn a_week_that_is_killed_again_and_again_comes_to_the_same_end() {
    if !bubblewrap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("killed");
    let mut dice = Dice::new(11);
    let mut kills = 0;
    while kills < KILLS {
        let moment = match kills % 5 {
            0 => Moment::After(Duration::from_millis(dice.between(1, 300))),
            1 | 3 => Moment::InTest(Duration::from_millis(dice.between(0, 700))),
            2 => Moment::OnceVisited,
            _ => Moment::OnceTimePassed(dice.between(1, 25) as usize),
        };
        if kill(rehearse(NAME, &out, &[]).spawn().unwrap(), moment, &out) {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 12, "only {kills} kills");
    let killed = finish(NAME, &out, &[]);
    assert_same(&undisturbed(), &killed);
    assert!(files_below(&out.join("assignments")).is_empty(), "no test is left over");
}
