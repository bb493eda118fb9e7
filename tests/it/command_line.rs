//! The commands that read the configuration: what they print and how they exit.

use std::ffi::OsString;
use std::path::Path;

use tidegate::cli::{Streams, run_with};
use tidegate::clock::ManualClock;
use tidegate::config::Colour;

/// What a command printed and how it ended.
struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// Runs a command on the shipped configuration, on 20 August 2026 at noon.
fn run(arguments: &str) -> Ran {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    run_on(&config, arguments)
}

fn run_on(config: &Path, arguments: &str) -> Ran {
    let mut line: Vec<OsString> = vec!["tidegate".into(), "--config".into(), config.into()];
    line.extend(arguments.split_whitespace().map(OsString::from));
    let clock = ManualClock::new("2026-08-20T12:00:00Z".parse().unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err, colour: Colour::Never };
    let code = run_with(line, clock, streams);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code, out: text(out), err: text(err) }
}

/// The output of a command that works.
fn printed(arguments: &str) -> String {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments}");
    ran.out
}

#[test]
fn check_says_what_it_found() {
    insta::assert_snapshot!(printed("check"), @"configuration is valid: 2 distributions, 13 jobs (8 switched off)");
    insta::assert_snapshot!(printed("check --json"), @r#"
    {
      "valid": true,
      "distributions": [
        "qiime2-tiny",
        "r-multiverse"
      ],
      "jobs": [
        "qiime2-tiny-intake",
        "qiime2-tiny-integrate",
        "qiime2-tiny-recheck",
        "r-multiverse-community-status",
        "r-multiverse-forecast",
        "r-multiverse-publish",
        "r-multiverse-recheck",
        "r-multiverse-releases",
        "r-multiverse-report",
        "r-multiverse-snapshot",
        "r-multiverse-staging",
        "r-multiverse-staging-status",
        "r-multiverse-write-status"
      ],
      "mistakes": []
    }
    "#);
}

#[test]
fn check_fails_with_exit_code_2_on_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_on(folder.path(), "check");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("there is no tidegate.toml"), "{}", ran.err);
    let ran = run_on(folder.path(), "check --json");
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &report["valid"]), (2, &false.into()));
    assert_eq!(report["mistakes"][0]["message"], "there is no tidegate.toml");
}

#[test]
fn calendar_shows_the_cycle_of_a_day() {
    insta::assert_snapshot!(printed("calendar r-multiverse"), @r"
    R-multiverse (r-multiverse)
      at                 2026-08-20T12:00:00Z
      phase              candidate-freeze, until 2026-09-15 (only what fails may move)
      dependency freeze  2026-07-15
      candidate freeze   2026-08-15
      snapshot           2026-09-15
      next cycle         2026-10-15
      R                  4.6
      CRAN               https://packagemanager.posit.co/cran/2026-07-15
      production         https://production.r-multiverse.org/2026-09-15
    ");
    insta::assert_snapshot!(printed("calendar r-multiverse --at 2026-01-14 --json"), @r#"
    {
      "distribution": "r-multiverse",
      "at": "2026-01-14T00:00:00Z",
      "cycle_start": "2025-10-15",
      "phase": "standstill",
      "dependency_freeze": "2025-10-15",
      "candidate_freeze": "2025-11-15",
      "snapshot": "2025-12-15",
      "r": "4.5",
      "cran": "https://packagemanager.posit.co/cran/2025-10-15",
      "production": "https://production.r-multiverse.org/2025-12-15",
      "next_cycle": "2026-01-15"
    }
    "#);
}

#[test]
fn a_phase_begins_at_midnight() {
    let phase = |at: &str| {
        let json: serde_json::Value =
            serde_json::from_str(&printed(&format!("calendar r-multiverse --at {at} --json"))).unwrap();
        json["phase"].as_str().unwrap().to_owned()
    };
    assert_eq!(phase("2026-08-14T23:59:59Z"), "dependency-freeze");
    assert_eq!(phase("2026-08-15"), "candidate-freeze");
    assert_eq!(phase("2026-09-15T02:00:00+02:00"), "standstill");
    assert_eq!(phase("2026-10-15"), "dependency-freeze");
}

#[test]
fn next_lists_the_times_of_all_jobs_in_order() {
    insta::assert_snapshot!(printed("next -n 1"), @r"
    2026-08-20T12:02:00Z  r-multiverse-releases
    2026-08-20T12:07:00Z  r-multiverse-community-status
    2026-08-20T12:12:00Z  r-multiverse-staging-status
    2026-08-20T12:17:00Z  r-multiverse-staging
    2026-09-15T02:00:00Z  r-multiverse-snapshot
    ");
    insta::assert_snapshot!(printed("next r-multiverse-snapshot -n 3 --after 2026-09-15T02:00:00Z --json"), @r#"
    [
      {
        "job": "r-multiverse-snapshot",
        "at": "2026-12-15T02:00:00Z",
        "local": null,
        "note": null
      },
      {
        "job": "r-multiverse-snapshot",
        "at": "2027-03-15T02:00:00Z",
        "local": null,
        "note": null
      },
      {
        "job": "r-multiverse-snapshot",
        "at": "2027-06-15T02:00:00Z",
        "local": null,
        "note": null
      }
    ]
    "#);
}

#[test]
fn next_tells_what_daylight_saving_does() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::create_dir_all(config.join("distributions")).unwrap();
    std::fs::create_dir(folder.path().join("jobs")).unwrap();
    for (path, text) in tidegate::config::shipped_texts() {
        let text = match path.ends_with("r-multiverse-staging.toml") {
            true => text.replace("17 * * * *", "30 2 * * *").replace("\"UTC\"", "\"Europe/Paris\""),
            false => text,
        };
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let spring = run_on(&config, "next r-multiverse-staging -n 3 --after 2027-03-27");
    insta::assert_snapshot!(spring.out, @r"
    2027-03-27T01:30:00Z  r-multiverse-staging  (2027-03-27 02:30 CET)
    2027-03-28T01:00:00Z  r-multiverse-staging  (2027-03-28 03:00 CEST)  moved by daylight saving: the time it is meant for does not exist on this day
    2027-03-29T00:30:00Z  r-multiverse-staging  (2027-03-29 02:30 CEST)
    ");
    let autumn = run_on(&config, "next r-multiverse-staging -n 3 --after 2026-10-24");
    insta::assert_snapshot!(autumn.out, @r"
    2026-10-24T00:30:00Z  r-multiverse-staging  (2026-10-24 02:30 CEST)
    2026-10-25T00:30:00Z  r-multiverse-staging  (2026-10-25 02:30 CEST)  daylight saving makes this hour occur twice on this day
    2026-10-26T01:30:00Z  r-multiverse-staging  (2026-10-26 02:30 CET)
    ");
}

#[test]
fn a_misspelt_name_is_answered_with_the_nearest() {
    let ran = run("calendar r-multivers");
    insta::assert_snapshot!(ran.err, @r"
    error: there is no distribution `r-multivers`
    hint: did you mean `r-multiverse`?
    ");
    assert_eq!(ran.code, 2);
    let ran = run("next r-multiverse-stagin");
    insta::assert_snapshot!(ran.err, @r"
    error: there is no job `r-multiverse-stagin`
    hint: did you mean `r-multiverse-staging`?
    ");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_cycle_before_every_known_r_is_an_error() {
    let ran = run("calendar r-multiverse --at 1999-12-31");
    insta::assert_snapshot!(ran.err, @r"
    error: this cycle has no targets: no release of R on or before 1999-10-15 is listed under [[r.release]]
    hint: see distributions/r-multiverse.toml
    ");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_time_that_is_none_is_a_mistake_of_usage() {
    for time in ["yesterday", "2026-13-01", "2026-09-15T02:00", "99999-01-01", "-001000-01-01"] {
        let ran = run(&format!("calendar r-multiverse --at={time}"));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{time}");
        assert!(ran.err.contains("--at"), "{}", ran.err);
    }
}

#[test]
fn schema_prints_what_is_published() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/promote.json");
    assert_eq!(printed("schema promote"), std::fs::read_to_string(published).unwrap());
    assert_eq!(run("schema promotion").code, 2);
}
