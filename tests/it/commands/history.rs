//! `status`, `runs`, `show` and `replay`: what is, what was, and the same decision again.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate::store::{BootId, PullRequest, PullRequestState, RunEnd, Snapshot, SnapshotState};

use super::sample_state::{PROMOTION, SNAPSHOT, SampleState, begin, promotion_facts};

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

#[test]
fn runs_are_listed_newest_first() {
    let state = SampleState::new();
    insta::assert_snapshot!(state.run("runs").printed(), @r"
    3  2026-09-15T02:00:00Z  r-multiverse-snapshot  done          0ms  4 packages
    2  2026-08-20T10:17:00Z  r-multiverse-staging   done          0ms  4 packages
    1  2026-08-20T09:17:00Z  r-multiverse-staging   done          0ms  4 packages
    ");
    assert_eq!(state.run("runs -n 1").printed().lines().count(), 1);
    let json = state.run("runs r-multiverse-snapshot --json").json();
    assert_eq!((json[0]["job"].as_str(), json[0]["state"].as_str()), (Some(SNAPSHOT), Some("done")));
}

#[test]
fn runs_of_a_job_that_nobody_knows_are_a_mistake() {
    let ran = SampleState::new().run("runs r-multiverse-stagin");
    insta::assert_snapshot!(ran.err, @r"
    error: there is no job `r-multiverse-stagin`
    hint: did you mean `r-multiverse-staging`?
    ");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_run_is_shown_with_its_digests_and_actions() {
    let state = SampleState::new();
    state.change(async |store| {
        let run = begin(store, PROMOTION, at("2026-09-15T02:17:00Z")).await;
        let now = at("2026-09-15T02:17:01Z");
        store.intend("pr:apart", "pull-request", &json!({"key": "apart"}), run, now).await.unwrap();
        store.finish("pr:apart", &json!({"number": 7}), now).await.unwrap();
        store.intend("pr:base", "pull-request", &json!({"key": "base"}), run, now).await.unwrap();
        store.fail("pr:base", "HTTP 502\u{7}", now).await.unwrap();
        let end = RunEnd::Failed { error: "HTTP 502".into(), retry_at: None };
        store.finish_run(run, &end, now).await.unwrap();
    });
    insta::assert_snapshot!(state.run("show 4").printed(), @r#"
    run 4 of r-multiverse-staging: failed
      nominal      2026-09-15T02:17:00Z
      attempt      1
      began        2026-09-15T02:17:00Z
      ended        2026-09-15T02:17:01Z, after 1s
      error        HTTP 502
      input        none
      plan         none

    actions
      done      pull-request  pr:apart
                receipt {"number":7}
      failed    pull-request  pr:base: HTTP 502
    "#);
    insta::assert_snapshot!(state.run("show 2").printed(), @r"
    run 2 of r-multiverse-staging: done
      nominal      2026-08-20T10:17:00Z
      attempt      1
      began        2026-08-20T10:17:00Z
      ended        2026-08-20T10:17:00Z, after 0ms
      summary      4 packages
      input        sha256 DIGEST
      plan         sha256 DIGEST
    ");
    let json = state.run("show 4 --json").json();
    assert_eq!(json["actions"][0]["receipt"]["number"], 7);
    assert_eq!(json["error"], "HTTP 502");
}

#[test]
fn the_input_of_a_run_is_printed_as_it_was_stored() {
    let state = SampleState::new();
    let printed: serde_json::Value =
        serde_json::from_str(&state.run("show 2 --part input").printed()).unwrap();
    let facts = promotion_facts(at("2026-08-20T10:17:00Z"), &["base"]);
    assert_eq!(printed, serde_json::to_value(facts).unwrap());
}

#[test]
fn a_run_that_is_not_there_is_told_as_such() {
    let ran = SampleState::new().run("show 99");
    insta::assert_snapshot!(ran.err, @r"
    error: there is no run 99
    hint: the newest run is 3; `tidegate runs` lists them
    ");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_promotion_and_a_snapshot_are_decided_again_in_the_same_way() {
    let state = SampleState::new();
    for run in 1..=3 {
        let said = state.run(&format!("replay {run}")).printed();
        assert!(said.starts_with(&format!("run {run} of r-multiverse-")), "{said}");
        assert!(said.contains("the same plan again, sha256 DIGEST"), "{said}");
    }
    assert_eq!(state.run("replay 3 --json").json()["identical"], true);
}

#[test]
fn a_plan_that_does_not_follow_from_its_input_is_shown_with_the_difference() {
    let state = SampleState::new();
    state.change(async |store| {
        let now = at("2026-09-15T02:17:00Z");
        let run = begin(store, PROMOTION, now).await;
        let facts = promotion_facts(at("2026-08-20T10:17:00Z"), &["base"]);
        let mut plan = tidegate::decide::promote::promote(&facts);
        plan.verdicts.get_mut("apart").unwrap().reason = "It was written by another version.".into();
        let input = store.put_blob(&serde_json::to_vec(&facts).unwrap(), now).await.unwrap();
        let plan = store.put_blob(&serde_json::to_vec(&plan).unwrap(), now).await.unwrap();
        let end = RunEnd::Done { summary: "x".into(), input_digest: Some(input), plan_digest: Some(plan) };
        store.finish_run(run, &end, now).await.unwrap();
    });
    let ran = state.run("replay 4");
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out, @r#"
    --- stored
    +++ decided again
    @@ -4,7 +4,7 @@
           "kind": "frozen",
           "version": "1.1",
           "commit": "0000000000000000000000006170617274312e31",
    -      "reason": "It was written by another version.",
    +      "reason": "It is healthy, and the candidate freeze keeps healthy packages still.",
           "next": "It is considered again on 2026-10-15.",
           "actor": "nobody"
         },
    "#);
    insta::assert_snapshot!(ran.err, @r"
    error: run 4 of r-multiverse-staging would decide differently now
    hint: the rules changed since, in another version of tidegate
    ");
}

#[test]
fn a_run_that_decided_nothing_cannot_be_replayed() {
    let state = SampleState::new();
    state.change(async |store| {
        let now = at("2026-09-15T02:17:00Z");
        let run = begin(store, PROMOTION, now).await;
        store.finish_run(run, &RunEnd::Unchanged { summary: "nothing new".into() }, now).await.unwrap();
    });
    let ran = state.run("replay 4");
    insta::assert_snapshot!(ran.err, @r"
    error: run 4 of r-multiverse-staging kept no input: it ended unchanged
    hint: only runs that decided on packages and ended well keep one
    ");
    assert_eq!(ran.code, 1);
}

#[test]
fn status_shows_jobs_without_a_daemon() {
    insta::assert_snapshot!(SampleState::new().run("status").printed(), @r"
    no daemon ever ran on this state

    jobs
      r-multiverse-community-status  never ran                       next 2026-08-20T12:07:00Z
      r-multiverse-releases          never ran                       next 2026-08-20T12:02:00Z
      r-multiverse-snapshot          done 2026-09-15T02:00:00Z       next 2026-09-15T02:00:00Z
      r-multiverse-staging           done 2026-08-20T10:17:00Z       next 2026-08-20T12:17:00Z
      r-multiverse-staging-status    never ran                       next 2026-08-20T12:12:00Z
    ");
}

#[test]
fn status_shows_what_needs_a_person() {
    let state = SampleState::new();
    state.change(async |store| {
        let now = at("2026-08-20T11:00:00Z");
        store.daemon_started(&BootId("b".into()), 123, now).await.unwrap();
        store.config_refused("error: two mistakes\n  in jobs/a.toml", now).await.unwrap();
        store.pause_job(PROMOTION, "ada", "GitHub is moving", now).await.unwrap();
        store.skip_next(SNAPSHOT, "bob", "a public holiday", now).await.unwrap();
        let status = json!({"r_series": "4.6", "frozen_date": "2026-07-15", "packages": {}, "held": ["`license` appeared on 40 packages at once."]});
        let status = serde_json::to_vec(&status).unwrap();
        store.record_seen("status:r-multiverse/staging", &status, now).await.unwrap();
        let held = Snapshot {
            distribution: "r-multiverse".into(),
            date: "2026-06-15".parse().unwrap(),
            state: SnapshotState::Held,
            reason: Some("30 of the 100 packages of the snapshot before are missing.".into()),
            suite: None,
            manifest_digest: None,
            packages: 0,
            published_at: None,
            generation: 1,
        };
        store.save_snapshot(&held).await.unwrap();
        store.save_pull_request(&pull_request(12, PullRequestState::Open)).await.unwrap();
        store.save_pull_request(&pull_request(9, PullRequestState::Merged)).await.unwrap();
    });
    insta::assert_snapshot!(state.run("status").printed(), @r"
    no daemon answers; process 123 began 2026-08-20T11:00:00Z and did not stop in order
    since 2026-08-20T11:00:00Z the files on disk are refused, and older ones are in force:
      error: two mistakes
        in jobs/a.toml

    jobs
      r-multiverse-community-status  never ran                       next 2026-08-20T12:07:00Z
      r-multiverse-releases          never ran                       next 2026-08-20T12:02:00Z
      r-multiverse-snapshot          done 2026-09-15T02:00:00Z       next 2026-09-15T02:00:00Z
        the next one is skipped, asked for by bob: a public holiday
      r-multiverse-staging           done 2026-08-20T10:17:00Z       next 2026-08-20T12:17:00Z
        paused since 2026-08-20T11:00:00Z by ada: GitHub is moving
      r-multiverse-staging-status    never ran                       next 2026-08-20T12:12:00Z

    held
      r-multiverse, staging: `license` appeared on 40 packages at once. (since 2026-08-20T11:00:00Z)
      r-multiverse, snapshot 2026-06-15: 30 of the 100 packages of the snapshot before are missing.

    open pull requests
      r-multiverse/staging #12  Promote apart 1.1 to staging  since 2026-08-20T11:00:00Z
    ");
    let json = state.run("status --json").json();
    assert_eq!(json["daemon_answers"], false);
    assert_eq!(json["open_pull_requests"][0]["number"], 12);
    assert_eq!(json["held"].as_array().unwrap().len(), 2);
}

fn pull_request(number: i64, state: PullRequestState) -> PullRequest {
    let now = at("2026-08-20T11:00:00Z");
    PullRequest {
        repository: "r-multiverse/staging".into(),
        branch: format!("tidegate/{number}"),
        number: Some(number),
        key: "apart".into(),
        versions: BTreeMap::new(),
        commits: BTreeMap::new(),
        fingerprint: String::new(),
        text_digest: String::new(),
        state,
        head_oid: "1".into(),
        base_oid: "0".into(),
        title: "Promote apart 1.1 to staging".into(),
        opened_at: now,
        updated_at: now,
        finished_at: None,
        is_dressed: true,
        told: BTreeMap::new(),
    }
}
