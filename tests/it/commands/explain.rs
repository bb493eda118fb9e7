//! `explain`: one sentence for everybody, the chain of causes, and when it became so.

use serde_json::json;
use tidegate::store::VerdictRow;

use super::run;
use super::sample_state::{SNAPSHOT, SampleState, begin};

#[test]
fn a_package_is_explained_in_every_channel_and_snapshot() {
    let state = SampleState::new();
    insta::assert_snapshot!(state.run("explain middle").printed(), @r"
    middle in r-multiverse, staging
      Something it depends on fails; the maintainers of what is named need to act.

      why          It depends on base, which fails.
      since        2026-08-20T10:17:00Z
      changed      decision current → blocked by dependency, at fault nothing → base; before: Nothing speaks against it.
      next         It recovers by itself once that passes: base.
      who acts     the maintainers of the packages behind it
      version      1.0 at 00000000000000000000006d6964646c65312e30
      decided by   run 2
      from input   sha256 DIGEST

      behind it
        base  failing: Its licence is not a free one ( [31mSecret licence).

    middle in the snapshot 2026-09-15 of r-multiverse
      It is not part of the snapshot of 2026-09-15.

      why          It depends on base, which fails.
      since        2026-09-15T02:00:00Z
      next         Published snapshots never change; the next one decides anew.
      who acts     the maintainers of the packages behind it
      version      1.0
      decided by   run 3
      from input   sha256 DIGEST

      behind it
        base  left out: Its licence is not a free one ( [31mSecret licence).
    ");
    insta::assert_snapshot!(state.run("explain apart").printed(), @r"
    apart in r-multiverse, staging
      The freeze keeps it still until the next cycle; no action is needed.

      why          It is healthy, and the candidate freeze keeps healthy packages still.
      since        2026-08-20T09:17:00Z
      next         It is considered again on 2026-10-15.
      who acts     nobody
      version      1.1 at 0000000000000000000000006170617274312e31
      decided by   run 1
      from input   sha256 DIGEST

    apart in the snapshot 2026-09-15 of r-multiverse
      It is part of the snapshot; no action is needed.

      why          It passed on the day.
      since        2026-09-15T02:00:00Z
      next         Published snapshots never change.
      who acts     nobody
      version      1.0 at 0000000000000000000000006170617274312e30
      decided by   run 3
      from input   sha256 DIGEST
    ");
}

#[test]
fn what_was_in_force_at_a_time_is_told_as_it_was() {
    let state = SampleState::new();
    insta::assert_snapshot!(state.run("explain base --at 2026-08-20T10:00:00Z").printed(), @r"
    base in r-multiverse, staging
      The channel holds its newest admissible release; no action is needed.

      why          Nothing speaks against it.
      since        2026-08-20T09:17:00Z
      next         It goes into the snapshot of 2026-09-15 if this stays so.
      who acts     nobody
      version      1.0 at 0000000000000000000000000062617365312e30
      decided by   run 1
      from input   sha256 DIGEST
    ");
    insta::assert_snapshot!(state.run("explain base --at 2026-08-20").printed(), @"Nothing was decided on base at 2026-08-20T00:00:00Z yet; the first decision is of 2026-08-20T09:17:00Z.");
    insta::assert_snapshot!(state.run("explain base --distribution qiime2").printed(), @"Nothing was ever decided on base in this distribution.");
}

#[test]
fn text_from_outside_cannot_reach_the_terminal() {
    let state = SampleState::new();
    for arguments in
        ["explain base", "explain base --history", "explain top --chain", "explain base --markdown"]
    {
        let shown = state.run(arguments).printed();
        assert!(!shown.contains('\u{1b}'), "{arguments}");
        assert!(shown.contains("Secret licence"), "{arguments}: {shown}");
    }
}

#[test]
fn the_chain_of_causes_can_be_followed_to_its_end() {
    let state = SampleState::new();
    let shown = state.run("explain top --chain").printed();
    insta::assert_snapshot!(shown, @r"
    top in r-multiverse, staging
      Something it depends on fails; the maintainers of what is named need to act.

      why          It depends on base, which fails.
      since        2026-08-20T10:17:00Z
      changed      decision current → blocked by dependency, at fault nothing → base; before: Nothing speaks against it.
      next         It recovers by itself once that passes: base.
      who acts     the maintainers of the packages behind it
      version      1.0 at 0000000000000000000000000000746f70312e30
      decided by   run 2
      from input   sha256 DIGEST

      behind it
        base  failing: Its licence is not a free one ( [31mSecret licence).

    top in the snapshot 2026-09-15 of r-multiverse
      It is not part of the snapshot of 2026-09-15.

      why          It depends on base, which fails.
      since        2026-09-15T02:00:00Z
      next         Published snapshots never change; the next one decides anew.
      who acts     the maintainers of the packages behind it
      version      1.0
      decided by   run 3
      from input   sha256 DIGEST

      behind it
        base  left out: Its licence is not a free one ( [31mSecret licence).
    ");
}

#[test]
fn every_change_is_kept() {
    let state = SampleState::new();
    let shown = state.run("explain base --history").printed();
    let history = &shown[shown.find("\nhistory").unwrap()..];
    insta::assert_snapshot!(history, @r"
    history
      2026-08-20T09:17:00Z to 2026-08-20T10:17:00Z  r-multiverse/staging  current  1.0  Nothing speaks against it.
      2026-08-20T10:17:00Z to now  r-multiverse/staging  failing  1.0  Its licence is not a free one ( [31mSecret licence).
      2026-09-15T02:00:00Z to now  r-multiverse/snapshot  left-out  1.0  Its licence is not a free one ( [31mSecret licence).
    ");
}

#[test]
fn markdown_is_for_an_issue() {
    let state = SampleState::new();
    insta::assert_snapshot!(state.run("explain middle --markdown --history").printed(), @r"
    ### `middle` in r-multiverse, staging

    **Something it depends on fails; the maintainers of what is named need to act.**

    It depends on base, which fails.

    Behind it:

    - `base` failing: Its licence is not a free one ( &#91;31mSecret licence).

    - Since: 2026-08-20T10:17:00Z
    - Changed: decision current → blocked by dependency, at fault nothing → base; before: Nothing speaks against it.
    - Next: It recovers by itself once that passes: base.
    - Who acts: the maintainers of the packages behind it
    - Version: `1.0 at 00000000000000000000006d6964646c65312e30`
    - Decided by run 2 from input `DIGEST`

    ### `middle` in the snapshot 2026-09-15 of r-multiverse

    **It is not part of the snapshot of 2026-09-15.**

    It depends on base, which fails.

    Behind it:

    - `base` left out: Its licence is not a free one ( &#91;31mSecret licence).

    - Since: 2026-09-15T02:00:00Z
    - Next: Published snapshots never change; the next one decides anew.
    - Who acts: the maintainers of the packages behind it
    - Version: `1.0`
    - Decided by run 3 from input `DIGEST`

    ### History

    | since | until | where | decision | version | why |
    | --- | --- | --- | --- | --- | --- |
    | 2026-08-20T09:17:00Z | 2026-08-20T10:17:00Z | staging | current | `1.0` | Nothing speaks against it. |
    | 2026-08-20T10:17:00Z | now | staging | blocked-by-dependency | `1.0` | It depends on base, which fails. |
    | 2026-09-15T02:00:00Z | now | snapshot | left-out | `1.0` | It depends on base, which fails. |
    ");
}

#[test]
fn json_has_everything_with_exact_digests() {
    let state = SampleState::new();
    let json = state.run("explain middle --json").json();
    let staging = &json["verdicts"][0];
    assert_eq!(staging["kind"], "blocked-by-dependency");
    assert_eq!(staging["root_causes"][0]["package"], "base");
    assert_eq!(staging["since"], "2026-08-20T10:17:00Z");
    assert_eq!(staging["input_digest"].as_str().unwrap().len(), 64);
    assert_eq!(json["verdicts"][1]["snapshot"], "2026-09-15");
    assert!(json.get("history").is_none());
}

#[test]
fn a_name_that_no_decision_knows_is_answered_with_the_nearest() {
    let state = SampleState::new();
    let ran = state.run("explain midle");
    insta::assert_snapshot!(ran.err, @r"
    error: there is no package `midle`
    hint: did you mean `middle`?
    ");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

#[test]
fn a_folder_without_state_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let ran = run(["--state", state, "explain", "abc"]);
    insta::assert_snapshot!(ran.err.replace(state, "STATE"), @r"
    error: there is no state in STATE: nothing ran there yet
    hint: `tidegate run` makes it; `--state DIR` names another folder, such as a rehearsal's
    ");
    assert_eq!(ran.code, 1);
}

#[test]
fn an_own_check_is_shown_with_the_command_that_reproduces_it() {
    let state = SampleState::new();
    let command = ["R", "CMD", "check", "--no-manual", "middle_1.0.tar.gz"];
    let check = serde_json::json!({
        "version": "1.0", "commit": "00000000000000000000006d6964646c65312e30",
        "source": {
            "url": "https://staging.r-multiverse.org/src/contrib/middle_1.0.tar.gz",
            "file": "middle_1.0.tar.gz", "sha256": "5".repeat(64),
        },
        "dependencies": {}, "platform": "linux-64", "result": "failed", "said": "1 ERROR", "r": "4.6.0",
        "at": "2026-08-20T10:30:00Z", "tries": 2, "counts": "clears",
        "recipe": {"command": command, "network": false},
    });
    let checks = serde_json::json!({ "middle": check, "apart": check }).to_string();
    state.change(async |store| {
        let at = "2026-08-20T10:30:00Z".parse().unwrap();
        store.record_seen("own-checks:r-multiverse/staging", checks.as_bytes(), at).await.unwrap();
    });
    let own = |said: String| said[said.find("own check").or(said.find("### Own")).unwrap()..].to_owned();
    insta::assert_snapshot!(own(state.run("explain middle").printed()), @r"
    own check of middle in r-multiverse, staging
      result       tidegate's own R CMD check failed at 2026-08-20T10:30:00Z in R 4.6.0 on linux-64 (status 1 ERROR, 2 tries)
      version      1.0 at 00000000000000000000006d6964646c65312e30
      counts       where it passes in the targeted R, it clears bad checks on Linux
      reproduce    curl -fsSL -o middle_1.0.tar.gz https://staging.r-multiverse.org/src/contrib/middle_1.0.tar.gz && echo 'DIGEST  middle_1.0.tar.gz' | sha256sum -c && R CMD check --no-manual middle_1.0.tar.gz
    ");
    insta::assert_snapshot!(own(state.run("explain middle --markdown").printed()), @r"
    ### Own check of `middle` in r-multiverse, staging

    - Result: tidegate's own R CMD check failed at 2026-08-20T10:30:00Z in R 4.6.0 on linux-64 (status 1 ERROR, 2 tries)
    - Version: `1.0 at 00000000000000000000006d6964646c65312e30`
    - Counts: where it passes in the targeted R, it clears bad checks on Linux
    - To reproduce it: `curl -fsSL -o middle_1.0.tar.gz https://staging.r-multiverse.org/src/contrib/middle_1.0.tar.gz && echo 'DIGEST  middle_1.0.tar.gz' | sha256sum -c && R CMD check --no-manual middle_1.0.tar.gz`
    ");
    let json: serde_json::Value =
        serde_json::from_str(&state.run("explain middle --json").printed()).unwrap();
    let shown = &json["own_checks"][0];
    assert_eq!((shown["channel"].as_str(), shown["result"].as_str()), (Some("staging"), Some("failed")));
    assert!(shown["reproduce"].as_str().unwrap().ends_with("R CMD check --no-manual middle_1.0.tar.gz"));
    assert!(!state.run("explain base").printed().contains("own check"));
    let before = state.run("explain middle --at 2026-08-20T10:20:00Z").printed();
    assert!(!before.contains("own check"), "{before}");
}

#[test]
fn left_out_since_nobody_could_tell_it_is_shown_through_whom_and_is_the_operators() {
    let state = SampleState::new();
    state.change(async |store| {
        let now = "2026-09-15T02:30:00Z".parse().unwrap();
        let row = |package: &str, reason: &str, causes: &[&str]| {
            let left_out = json!({
                "package": package, "version": "1.0", "reason": reason, "root_causes": causes, "evidence": "unknown",
            });
            let body = json!({"date": "2026-09-15", "left_out": left_out});
            (package.to_owned(), VerdictRow { kind: "left-out".to_owned(), body })
        };
        let rows = [
            row("base", "No check with R 4.6 exists for this build.", &[]),
            row("middle", "It depends on base, of which nobody can tell.", &["base"]),
        ];
        let run = begin(store, SNAPSHOT, now).await;
        store.replace_verdicts("r-multiverse", "snapshot", &rows.into(), now, run).await.unwrap();
    });
    let told = state.run("explain middle").printed();
    let of_the_snapshot = told.split("middle in the snapshot").nth(1).unwrap();
    let (_, behind_it) = of_the_snapshot.split_once("behind it\n").unwrap();
    insta::assert_snapshot!(behind_it, @"    base  left out: No check with R 4.6 exists for this build.");
    for package in ["base", "middle"] {
        let told = state.run(&format!("--json explain {package}")).json();
        let of_the_snapshot =
            told["verdicts"].as_array().unwrap().iter().find(|one| one["scope"] == "snapshot");
        assert_eq!(of_the_snapshot.unwrap()["actor"], "operator", "{package}");
    }
}
