//! `events`: the timeline as a person reads it.

use serde_json::{Value, json};
use tidegate::decide::event_words::KINDS;
use tidegate::store::NewEvent;

use super::sample_state::SampleState;

/// An event of each kind as its job writes it, several where they read differently: kind, package, body.
fn each_kind() -> Vec<(&'static str, Option<&'static str>, Value)> {
    let commit = "a88d0e09e7c4a7a3b5e9d1f00000000000000000";
    let file =
        |name: &str| json!({ "channel": "staged", "subdir": "noarch", "file_name": name, "sha256": "0" });
    let spec =
        |name: &str| format!("{name}[version=\"==1.0\", build=\"0\", subdir=\"noarch\", sha256=\"0\"]");
    let failed = json!({
        "verdict": "fail", "step": { "command": { "number": 1, "command": "x", "exit": 1 } }, "detail": "no",
    });
    let pull_request = |action: &str, number: u64| json!({ "action": action, "number": number, "title": "Promote mirai 2.7.0 to staging", "version": "2.7.0" });
    vec![
        ("phase", None, json!({ "phase": "candidate-freeze" })),
        ("release", Some("mirai"), json!({ "version": "2.7.0", "commit": commit, "tag": "v2.7.0" })),
        ("pull-request", Some("mirai"), pull_request("opened", 13)),
        ("pull-request", Some("mirai"), pull_request("touched", 13)),
        ("pull-request", Some("mirai"), pull_request("adopted", 14)),
        (
            "pull-request",
            None,
            json!({
                "action": "merged", "number": 1, "title": "Begin the dependency freeze: pin 2 packages",
                "packages": ["mirai", "nanonext"],
            }),
        ),
        ("upstream", Some("mirai"), json!({ "what": "renamed to r-lib/mirai2" })),
        ("removal", Some("mirai"), json!({ "action": "removed", "by": "ann", "reason": "asked for" })),
        ("removal", Some("mirai"), json!({ "action": "undone", "by": "ann", "reason": "a mistake" })),
        ("staged", Some("mirai"), json!({ "version": "2.7.0", "commit": commit, "channel": "staging" })),
        (
            "commit",
            None,
            json!({ "repository": "r-multiverse/staging", "title": "Pin 1 package", "packages": ["mirai"] }),
        ),
        (
            "own-check",
            Some("polars"),
            json!({ "version": "1.0", "result": "failed", "said": "1 ERROR", "r": "4.6.0", "platform": "linux-64" }),
        ),
        (
            "guard-confirmed",
            None,
            json!({
                "channel": "staging", "by": "ana", "reason": "the service is back",
                "changes": [{ "vanished": "license" }],
            }),
        ),
        ("snapshot", None, json!({ "date": "2026-06-15", "packages": 66, "left_out": 27 })),
        (
            "refused",
            Some("q2-types"),
            json!({
                "repository": "qiime2/q2-types", "run": 7, "artifact": "linux-64",
                "why": "the artifact did not appear in 12 looks; start a new run",
                "do": "mend the build, give it another build number, and let a new run tell of it",
            }),
        ),
        (
            "refused",
            None,
            json!({
                "file": "/srv/drop/numpy-1.0-0.conda", "why": "numpy-1.0-0.conda: numpy is no member of tiny",
                "do": "take the file out of the folder; mend the build and give it another build number",
            }),
        ),
        (
            "expired",
            Some("q2-types"),
            json!({
                "version": "1.0", "why": "osx-64 did not come within 24h",
                "do": "build the package again for all platforms, with the same version and build number on each",
            }),
        ),
        ("admitted", Some("q2-types"), json!({ "version": "1.0", "channel": "tested" })),
        (
            "told-staged",
            None,
            json!({
                "distribution": "tiny", "run": 9, "artifact": "tiny-linux",
                "notice": { "version": "2023.08.14.20.23.00", "package_versions": { "q2-types": "1.0" } },
            }),
        ),
        (
            "told-passed",
            None,
            json!({ "distribution": "tiny", "run": 10, "notice": { "version": "2023.08.14.20.23.00" } }),
        ),
        (
            "conflict",
            Some("qiime2-tiny"),
            json!({
                "linux-64": {
                    "at_fault": [spec("q2-demux"), spec("q2-types")], "explanation": "…",
                    "integrates": [spec("q2-types"), spec("q2cli")], "left_out": [spec("q2-demux")],
                },
                "osx-64": { "at_fault": null, "explanation": "…", "integrates": null, "left_out": null },
            }),
        ),
        ("metapackage", Some("qiime2-tiny"), json!({ "version": "2026.03.05.10.25.00", "members": 6 })),
        ("passed", Some("qiime2-tiny"), json!({ "version": "2026.03.05.10.25.00" })),
        (
            "recheck",
            Some("q2-types"),
            json!({
                "version": "1.0", "from": "green", "to": "red", "platform": "linux-64", "mode": "latest",
                "result": failed,
            }),
        ),
        (
            "recheck",
            Some("q2cli"),
            json!({ "version": "1.0", "from": null, "to": "no-tests", "platform": "linux-64", "mode": "pinned" }),
        ),
        ("culprit", Some("q2-types"), json!({ "version": "1.0", "culprit": ["framelib 1.0 → 2.0"] })),
        (
            "culprit",
            Some("q2-types"),
            json!({ "version": "1.0", "suspected": { "left": ["a 1 → 2", "b 1 → 2"], "why": "inseparable" } }),
        ),
        (
            "report",
            Some("q2-types"),
            json!({ "repository": "qiime2/q2-types", "refused": "it has issues switched off" }),
        ),
        (
            "warning",
            None,
            json!({ "number": 13, "key": "staging/mirai", "refused": "the label `x`", "message": "not found" }),
        ),
        (
            "withdrawn",
            None,
            json!({ "by": "ana", "reason": "wrong\nlicence", "files": [file("q2-types-1.0-0.conda"), file("qiime2-tiny-1-0.conda")] }),
        ),
        (
            "reinstated",
            None,
            json!({ "by": "ana", "reason": "mended", "files": [file("q2-types-1.0-0.conda")] }),
        ),
        (
            "culprit-wish",
            Some("q2cli"),
            json!({ "action": "asked", "by": "ana", "platform": null, "said": "it is red since Monday" }),
        ),
        (
            "culprit-wish",
            Some("q2cli"),
            json!({ "action": "answered", "by": "ana", "platform": "linux-64", "said": "on linux-64 (latest): at fault is a 1 → 2" }),
        ),
        (
            "publication",
            None,
            json!({ "date": "2026-06-15", "target": "archive", "generation": 1, "address": "ghcr.io/demo/r:2026-06-15" }),
        ),
        (
            "publication",
            None,
            json!({ "date": "2026-06-15", "target": "archive", "generation": 2, "error": "no answer", "given_up": false }),
        ),
        (
            "publication",
            None,
            json!({ "date": "2026-06-15", "target": "archive", "generation": 1, "error": "another content", "given_up": true }),
        ),
        (
            "publication",
            None,
            json!({ "date": "2026-06-15", "target": "archive", "generation": 1, "latest": true }),
        ),
        (
            "latest",
            None,
            json!({ "from": "2026-06-15", "to": "2026-03-15", "by": "ana", "reason": "arrow loses rows" }),
        ),
        (
            "snapshot-withdrawn",
            Some("tidypolars"),
            json!({ "dates": ["2026-03-15", "2026-06-15"], "bytes": "drop", "by": "ana", "reason": "its licence" }),
        ),
        (
            "snapshot-withdrawn",
            None,
            json!({ "dates": ["2026-06-15"], "bytes": "keep", "by": "ana", "reason": "a broken compiler" }),
        ),
    ]
}

fn state() -> SampleState {
    let state = SampleState::new();
    state.change(async |store| {
        for (place, (kind, package, body)) in each_kind().into_iter().enumerate() {
            let at: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
            let event = NewEvent {
                at: at + jiff::SignedDuration::from_hours(place as i64),
                kind: kind.to_owned(),
                job: "a-job".to_owned(),
                package: package.map(str::to_owned),
                body,
                dedup_key: place.to_string(),
            };
            assert!(store.add_event(&event).await.unwrap());
        }
    });
    state
}

#[test]
fn every_kind_of_event_reads_as_a_clause_of_its_own() {
    let told: Vec<&str> = each_kind().iter().map(|(kind, _, _)| *kind).collect();
    for kind in KINDS {
        assert!(told.contains(&kind), "{kind}: show how it reads");
    }
    insta::assert_snapshot!(state().run("events -n 100").printed());
}

#[test]
fn events_are_chosen_by_package_kind_and_time_and_the_newest_count() {
    let state = state();
    insta::assert_snapshot!(state.run("events --package q2-types --after 2026-06-02 -n 4").printed(), @r"
    2026-06-02 02:00  q2-types 1.0: the fault lies among a 1 → 2, b 1 → 2
    2026-06-02 03:00  the report on q2-types was not taken by qiime2/q2-types: it has issues switched off; it is asked again once there is something new to tell, or after a week
    2026-06-02 05:00  ana took out staged/noarch/q2-types-1.0-0.conda and staged/noarch/qiime2-tiny-1-0.conda: wrong licence
    2026-06-02 06:00  ana put back staged/noarch/q2-types-1.0-0.conda: mended
    ");
    insta::assert_snapshot!(state.run("events --kind refused --kind expired").printed(), @r"
    2026-06-01 14:00  q2-types from run 7 of qiime2/q2-types, artifact linux-64, was refused: the artifact did not appear in 12 looks; start a new run; to do: mend the build, give it another build number, and let a new run tell of it
    2026-06-01 15:00  an archive at /srv/drop/numpy-1.0-0.conda was refused: numpy-1.0-0.conda: numpy is no member of tiny; to do: take the file out of the folder; mend the build and give it another build number
    2026-06-01 16:00  q2-types 1.0 was given up: osx-64 did not come within 24h; to do: build the package again for all platforms, with the same version and build number on each
    ");
    insta::assert_snapshot!(state.run("events --package nanonext").printed(), @"2026-06-01 05:00  pull request #1 merged: Begin the dependency freeze: pin 2 packages");
    assert_eq!(state.run("events").printed().lines().count(), 20);
    assert_eq!(state.run("events --package q2").printed(), "no such event\n");
    let wrong = state.run("events --kind refuse");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("'refused'"), "{}", wrong.err);
}

#[test]
fn a_program_gets_the_whole_event_with_its_words() {
    let json = state().run("events --kind snapshot --json").json();
    insta::assert_snapshot!(json, @r#"[{"id":14,"at":"2026-06-01T13:00:00Z","kind":"snapshot","job":"a-job","package":null,"body":{"date":"2026-06-15","packages":66,"left_out":27},"told":"the snapshot of 2026-06-15 is published: 66 packages, 27 left out"}]"#);
}
