//! `decide status`: upstream's own expectation, and random universes against a naive second
//! implementation of upstream's rules.

mod naive;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Ran, data, run, run_at, text};
use naive::{World, world};

/// Scalars that jsonlite boxed, out of their boxes; applied to both sides of a comparison.
fn unboxed(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 && !items[0].is_object() => unboxed(items.remove(0)),
        Value::Array(items) => Value::Array(items.into_iter().map(unboxed).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, field)| (key, unboxed(field))).collect())
        }
        scalar => scalar,
    }
}

fn names(status: &Value) -> Vec<String> {
    status.as_object().unwrap().keys().cloned().collect()
}

/// A folder with files for the command.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs the command at noon with these files, and with `more` arguments.
    fn status(&self, universe: &str, versions: &str, more: &[&str]) -> Ran {
        let mut line: Vec<OsString> = vec!["decide".into(), "status".into(), "--universe".into()];
        line.extend([self.put("universe.json", universe).into(), "--versions".into()]);
        line.push(self.put("versions.json", versions).into());
        line.extend(more.iter().map(OsString::from));
        let ran = run(line);
        Ran { err: ran.err.replace(self.0.path().to_str().unwrap(), "DIR"), ..ran }
    }
}

fn recorded(more: &[&str]) -> Ran {
    let file = |name: &str| data(&format!("status/{name}")).into_os_string();
    let mut line: Vec<OsString> = vec!["decide".into(), "status".into()];
    line.extend(["--universe".into(), file("universe-packages.json")]);
    line.extend(["--versions".into(), file("versions.json")]);
    line.extend(more.iter().map(OsString::from));
    run(line)
}

#[test]
fn upstreams_own_expectation_is_reproduced() {
    let expected: Value = serde_json::from_str(&text(&data("status/expected-status.json"))).unwrap();
    let status = recorded(&[]).json();
    assert_eq!(names(&status), names(&expected));
    assert_eq!(unboxed(status), unboxed(expected));
}

#[test]
fn guarded_says_what_nobody_can_tell() {
    let ran = recorded(&["--policy", "guarded"]);
    insta::assert_snapshot!(ran.err, @r"
    note: 0 pending and 34 unknown, which do not count as failing
    note: 34 unknown: no list of builds was given (--runs)
    ");
    let status: Value = serde_json::from_str(&ran.out).unwrap();
    // A package that only the ledger knows is not part of the channel any more.
    assert_eq!(status.as_object().unwrap().len(), 56);
    assert_eq!(status["adbcbigquery"]["success"], json!([false]));
}

/// A universe of one package that a person can survey, with `more` fields.
fn one(more: Value) -> String {
    let mut record = json!({
        "Package": "abc", "Version": "1.0", "RemoteSha": "a".repeat(40), "License": "GPL-3",
        "_published": "2026-08-01T10:00:00.000Z", "_buildurl": "https://example.org/runs/1",
        "_jobs": [{"config": "linux-release", "check": "OK", "r": "4.6.1", "job": 7}],
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record.to_string()
}

fn issues_of(ran: Ran) -> Value {
    let mut entry = unboxed(ran.json())["abc"].take();
    for field in ["published", "version", "remote_hash"] {
        entry.as_object_mut().unwrap().shift_remove(field);
    }
    entry
}

#[test]
fn a_version_that_cran_passed_is_a_conflict() {
    let desk = Desk::new();
    let index = desk.put("PACKAGES", "Package: abc\nVersion: 1.0-1\n\nPackage: other\nVersion: 9\n");
    let cran = ["--cran", index.to_str().unwrap()];
    let found = issues_of(desk.status(&one(json!({})), "[]", &cran));
    assert_eq!(found, json!({"success": false, "cran": "1.0-1"}));
    let found = issues_of(desk.status(&one(json!({"Version": "1.0.2"})), "[]", &cran));
    assert_eq!(found, json!({"success": true}));
}

#[test]
fn an_index_of_cran_counts_more_than_what_a_condensed_record_carries() {
    let desk = Desk::new();
    let record = json!([{
        "package": "abc", "version": "1.0", "remotesha": "1", "license": "GPL-3", "foss": true,
        "issues_r_cmd_check": [], "cran": "3.0", "dependencies": [],
    }])
    .to_string();
    let found = issues_of(desk.status(&record, "[]", &[]));
    assert_eq!(found, json!({"success": false, "cran": "3.0"}));
    let index = desk.put("PACKAGES", "Package: abc\nVersion: 1.0\n");
    let found = issues_of(desk.status(&record, "[]", &["--cran", index.to_str().unwrap()]));
    assert_eq!(found, json!({"success": true}));
}

#[test]
fn only_checks_of_the_targeted_r_that_end_badly_count() {
    let job = |check: &str, r: &str| json!({"config": "c", "check": check, "r": r, "job": 5});
    let jobs =
        json!([job("NOTE", "4.6.0"), job("ERROR", "4.5.3"), job("FAIL", "4.6.1"), job("WARNING", "4.6.1")]);
    let desk = Desk::new();
    let universe = one(json!({"_jobs": jobs}));
    let counted = |check: &str| json!({"check": check, "config": "c", "r": "4.6.1", "url": "https://example.org/runs/1/job/5"});
    let found = issues_of(desk.status(&universe, "[]", &[]));
    assert_eq!(found, json!({"success": false, "r_cmd_check": [counted("WARNING")]}));
    let found = issues_of(desk.status(&universe, "[]", &["--at", "2026-07-14"]));
    assert_eq!(found["r_cmd_check"][0]["check"], "ERROR", "the cycle before targets R 4.5");
}

#[test]
fn a_build_that_runs_holds_its_package_and_a_lost_one_does_not() {
    let desk = Desk::new();
    let runs = |status: &str, began: &str| {
        let run = json!({
            "id": 1, "name": "Build", "display_title": "abc 1.0", "status": status,
            "html_url": "https://example.org/run", "created_at": began, "run_started_at": began,
        });
        let path = desk.put("runs.json", &json!({"total_count": 1, "workflow_runs": [run]}).to_string());
        let found = issues_of(desk.status(&one(json!({})), "[]", &["--runs", path.to_str().unwrap()]));
        found.get("synchronization").cloned()
    };
    let address = Some(json!("https://example.org/run"));
    assert_eq!(runs("queued", "2026-08-20T11:00:00Z"), address);
    assert_eq!(runs("queued", "2026-08-19T11:59:59Z"), None);
    assert_eq!(runs("in_progress", "2026-08-01T00:00:00Z"), address);
    assert_eq!(runs("completed", "2026-08-20T11:00:00Z"), None);
}

#[test]
fn the_package_of_a_run_is_the_first_word_of_its_title_or_name() {
    let desk = Desk::new();
    let record = one(json!({"_published": "2026-08-20T11:58:00.000Z"}));
    let synchronization = |runs: Value| {
        let path = desk.put("runs.json", &runs.to_string());
        let found = issues_of(desk.status(&record, "[]", &["--runs", path.to_str().unwrap()]));
        found["synchronization"].clone()
    };
    let run = |id: u64, name: &str, title: &str| {
        json!({
            "id": id, "name": name, "display_title": title, "status": "waiting",
            "html_url": format!("https://example.org/{id}"), "created_at": "2026-08-20T11:00:00Z",
        })
    };
    // The address of a run counts more than the time of publication.
    assert_eq!(synchronization(json!([run(1, "Build", "abc 2.0")])), "https://example.org/1");
    assert_eq!(synchronization(json!([run(1, "abc 2.0", "")])), "https://example.org/1");
    assert_eq!(
        synchronization(json!([run(5, "Build", "abc 2"), run(3, "Build", "abc 1")])),
        "https://example.org/5"
    );
    assert_eq!(synchronization(json!([run(1, "Build", "abcd 2.0")])), "recent");
}

#[test]
fn a_package_published_minutes_ago_is_not_settled() {
    let desk = Desk::new();
    let file = one(json!({"_published": "2026-08-20T11:55:01.000Z"}));
    let universe = desk.put("u", &file);
    let versions = desk.put("v", "[]");
    let found = |now: &str| {
        let arguments: [OsString; 6] = [
            "decide".into(),
            "status".into(),
            "--universe".into(),
            universe.clone().into(),
            "--versions".into(),
            versions.clone().into(),
        ];
        issues_of(run_at(now, arguments))
    };
    assert_eq!(found("2026-08-20T12:00:00Z")["synchronization"], "recent");
    // A clock that is behind sees it come from the future.
    assert_eq!(found("2026-08-20T11:00:00Z")["synchronization"], "recent");
    assert_eq!(found("2026-08-20T12:00:01Z"), json!({"success": true}));
}

#[test]
fn advisories_name_the_exact_version() {
    let folder = data("advisories");
    let more = ["--advisories", folder.to_str().unwrap()];
    let named = |version: &str| {
        let record = one(json!({"Package": "readxl", "Version": version}));
        unboxed(Desk::new().status(&record, "[]", &more).json())["readxl"].take()
    };
    assert_eq!(named("0.1.0")["success"], false);
    assert!(named("0.1.0")["advisories"].to_string().contains("RConsortium/r-advisory-database"));
    assert_eq!(
        named("99.0"),
        json!({
            "success": true, "published": "2026-08-01 10:00:00.000 UTC", "version": "99.0", "remote_hash": "a".repeat(40),
        })
    );
}

#[test]
fn under_guarded_a_running_build_is_pending_and_no_failure() {
    let desk = Desk::new();
    let runs = json!([{
        "id": 1, "name": "Build", "display_title": "abc 1", "status": "in_progress",
        "html_url": "https://example.org/run", "created_at": "2026-08-20T11:00:00Z",
    }]);
    let (runs, index) = (desk.put("runs.json", &runs.to_string()), desk.put("PACKAGES", ""));
    let more = ["--policy", "guarded", "--runs", runs.to_str().unwrap(), "--cran", index.to_str().unwrap()];
    let ran = desk.status(&one(json!({})), "[]", &more);
    insta::assert_snapshot!(ran.err, @"note: 1 pending and 0 unknown, which do not count as failing");
    let status: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(status["abc"]["success"], json!([true]));
    assert_eq!(status["abc"]["synchronization"], json!(["https://example.org/run"]));
}

#[test]
fn a_universe_with_a_record_that_cannot_be_read_is_refused() {
    let ran = Desk::new().status("{\"Package\": \"abc\", \"Version\": 1}", "[]", &[]);
    insta::assert_snapshot!(ran.err, @"error: DIR/universe.json: 1 malformed record(s): record 1 (`abc`), field `Version`: expected a text, found a number");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let ran = Desk::new().status("[", "[]", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let folder = Desk::new();
    let runs = folder.put("runs.json", "{\"runs\": []}");
    let ran = folder.status(&one(json!({})), "[]", &["--runs", runs.to_str().unwrap()]);
    insta::assert_snapshot!(ran.err, @"error: DIR/runs.json: missing field `workflow_runs` at line 1 column 12; the file should be a list of workflow runs, or an object with one under `workflow_runs`");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_universe_without_any_package_is_a_download_that_failed() {
    for empty in ["", "\n", "[]"] {
        let ran = Desk::new().status(empty, "[]", &[]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{empty:?}");
        assert!(ran.err.contains("DIR/universe.json: the universe's answer lists no package at all"));
    }
}

#[test]
fn a_history_may_be_boxed_and_has_one_row_for_each_package() {
    let row = |more: &str| format!(r#"{{"package": ["abc"], "version_current": ["1.0"], {more}}}"#);
    let lower = row(r#""hash_current": ["1"], "version_highest": ["2.0"], "hash_highest": [null]"#);
    let found = issues_of(Desk::new().status(&one(json!({})), &format!("[{lower}]"), &[]));
    assert_eq!(found["versions"]["version_highest"], "2.0");
    let refused = |versions: &str| {
        let ran = Desk::new().status(&one(json!({})), versions, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{versions}");
        ran.err
    };
    let messages = [
        refused(&format!("[{lower}, {lower}]")),
        refused("[{}]"),
        refused("[1]"),
        refused(r#"[{"package": "abc", "version_current": 1}]"#),
        refused(r#"[{"package": "a\u001b[31mbc", "version_current": "1.0"}]"#),
    ];
    insta::assert_snapshot!(messages.concat(), @r"
    error: DIR/versions.json: the package `abc` has two rows; remove one of them
    error: DIR/versions.json, line 1, column 4: missing field `package`; the file should be an array of records with `package` and its versions
    error: DIR/versions.json, line 1, column 2: invalid type: integer `1`, expected a record with `package` and its versions; the file should be an array of records with `package` and its versions
    error: DIR/versions.json, line 1, column 40: invalid type: integer `1`, expected a string; the file should be an array of records with `package` and its versions
    error: DIR/versions.json, line 1, column 56: `a\u{1b}[31mbc` has control characters, or more than 200 bytes; the file should be an array of records with `package` and its versions
    ");
    let endless = format!(r#"[{{"package": "abc", "version_current": "{}"}}]"#, "9".repeat(201));
    assert!(refused(&endless).contains("more than 200 bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_universes_get_the_status_that_upstreams_rules_give(world in world()) {
        let desk = Desk::new();
        let World { universe, versions, staging, cran, runs, .. } = &world;
        let files = [
            ("--staging", desk.put("packages.json", staging)),
            ("--cran", desk.put("PACKAGES", cran)),
            ("--runs", desk.put("runs.json", runs)),
            ("--advisories", written_advisories(&desk, &world)),
        ];
        let more: Vec<&str> = files.iter().flat_map(|(name, path)| [*name, path.to_str().unwrap()]).collect();
        let status = desk.status(universe, versions, &more).json();
        let expected = world.expected();
        prop_assert_eq!(names(&status), names(&expected));
        prop_assert_eq!(unboxed(status), unboxed(expected));
    }
}

fn written_advisories(desk: &Desk, world: &World) -> PathBuf {
    let folder: &Path = &desk.0.path().join("advisories");
    std::fs::create_dir(folder).unwrap();
    for (number, advisory) in world.advisories.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.yaml")), advisory).unwrap();
    }
    folder.to_owned()
}
