//! `decide stage`: every decision that upstream's history records, byte for byte.

use std::ffi::OsString;
use std::path::Path;

use super::{Ran, data, run, text};

const FREEZES: [&str; 4] =
    ["2025-05-15-c42672f8", "2025-06-09-e29a317b", "2026-02-15-378cfbf8", "2026-08-15-b6595a49"];

fn stage(packages: &Path, status: &Path, more: &[&str]) -> Ran {
    let mut line: Vec<OsString> = vec!["decide".into(), "stage".into()];
    line.extend(["--packages".into(), packages.into(), "--status".into(), status.into()]);
    line.extend(more.iter().map(OsString::from));
    run(line)
}

/// Stages from two texts.
fn staged(packages: &str, status: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let (packages_file, status_file) =
        (folder.path().join("packages.json"), folder.path().join("status.json"));
    std::fs::write(&packages_file, packages).unwrap();
    std::fs::write(&status_file, status).unwrap();
    let ran = stage(&packages_file, &status_file, &[]);
    let err = ran.err.replace(folder.path().to_str().unwrap(), "DIR");
    Ran { err, ..ran }
}

#[test]
fn every_recorded_decision_comes_out_byte_for_byte() {
    for freeze in FREEZES {
        let file = |name: &str| data(&format!("candidate-freeze/{freeze}/{name}"));
        let folder = tempfile::tempdir().unwrap();
        let day = &freeze[..10];
        let into = folder.path().join("new");
        let more = ["--write-to", into.to_str().unwrap(), "--at", day];
        let ran = stage(&file("before.packages.json"), &file("before.status.json"), &more);
        assert_eq!(ran.code, 0, "{freeze}: {}", ran.err);
        assert_eq!(ran.out, text(&file("after.packages.json")), "{freeze}");
        assert_eq!(text(&into.join("packages.json")), ran.out, "{freeze}");
        assert_eq!(text(&into.join("config.json")), text(&file("after.config.json")), "{freeze}");
        assert_eq!(text(&into.join("snapshot.json")), text(&file("after.snapshot.json")), "{freeze}");
    }
}

#[test]
fn what_is_decided_once_is_decided_again_in_the_same_way() {
    let file = |name: &str| data(&format!("candidate-freeze/{}/{name}", FREEZES[3]));
    let once = file("after.packages.json");
    assert_eq!(stage(&once, &file("before.status.json"), &[]).out, text(&once));
}

#[test]
fn a_success_of_a_package_that_is_not_listed_is_noted() {
    let ran = staged(
        r#"[{"package": "abc", "url": "https://example.org/abc"}]"#,
        r#"{"abc": {"success": [false]}, "xyz": {"success": [true], "remote_hash": ["1"]}}"#,
    );
    insta::assert_snapshot!(ran.err, @"note: `xyz` succeeds, but packages.json does not list it");
    insta::assert_snapshot!(ran.out, @r#"
    [
      {
        "package": "abc",
        "url": "https://example.org/abc",
        "branch": "*release"
      }
    ]
    "#);
    assert_eq!(ran.code, 0);
}

#[test]
fn a_success_without_a_commit_is_an_error_that_names_the_package() {
    for status in [
        r#"{"abc": {"success": [true]}}"#,
        r#"{"abc": {"success": [true], "remote_hash": [null]}}"#,
        r#"{"abc": {"success": [true], "remote_hash": [" "]}}"#,
    ] {
        let ran = staged(r#"[{"package": "abc", "url": "https://example.org/abc"}]"#, status);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{status}");
        assert!(ran.err.contains("`abc` succeeds, but has no `remote_hash`"), "{}", ran.err);
    }
}

#[test]
fn a_file_that_is_missing_or_malformed_is_named() {
    let ran = staged(r#"[{"package": "abc"}]"#, "{}");
    insta::assert_snapshot!(ran.err, @"error: DIR/packages.json, line 1, column 19: missing field `url`; the file should be an array of records with `package` and `url`");
    assert_eq!(ran.code, 2);
    let ran = stage(Path::new("/nowhere/packages.json"), Path::new("/nowhere/status.json"), &[]);
    insta::assert_snapshot!(ran.err, @"error: cannot read /nowhere/packages.json: No such file or directory (os error 2)");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_branch_that_is_added_comes_before_or_after_the_folder_as_anywhere_in_the_file() {
    let rows = |first: &str, second: &str| {
        let row = |name: &str, more: &str| {
            format!(r#"{{"package": "{name}", "url": "https://example.org/{name}", {more}}}"#)
        };
        staged(&format!("[{}, {}]", row("abc", first), row("xyz", second)), "{}").out
    };
    let (folder, branch) = (r#""subdir": "r""#, r#""branch": "*release""#);
    insta::assert_snapshot!(rows(folder, branch), @r#"
    [
      {
        "package": "abc",
        "url": "https://example.org/abc",
        "subdir": "r",
        "branch": "*release"
      },
      {
        "package": "xyz",
        "url": "https://example.org/xyz",
        "branch": "*release"
      }
    ]
    "#);
    insta::assert_snapshot!(rows(branch, folder), @r#"
    [
      {
        "package": "abc",
        "url": "https://example.org/abc",
        "branch": "*release"
      },
      {
        "package": "xyz",
        "url": "https://example.org/xyz",
        "branch": "*release",
        "subdir": "r"
      }
    ]
    "#);
}

#[test]
fn names_that_would_speak_to_a_terminal_are_refused() {
    let ran = staged("[]", r#"{"a\u001b[31m": {"success": [true], "remote_hash": ["1"]}}"#);
    insta::assert_snapshot!(ran.err, @r"error: DIR/status.json, line 1, column 14: `a\u{1b}[31m` is not the name of a package; the file should be an object that maps each package to its status");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let ran = staged("[]", r#"{"abc": 1}"#);
    insta::assert_snapshot!(ran.err, @r"error: DIR/status.json, line 1, column 9: invalid type: integer `1`, expected the status of a package, with `success`; the file should be an object that maps each package to its status");
}
