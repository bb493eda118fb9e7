//! The engine of GitHub Actions on a simulated GitHub: what comes back, and what is asked for once only.

mod scene;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::domain::TestVerdict;
use tidegate::engine::github_actions::packed::ServedFolder;
use tidegate::engine::{Engine as _, Progress};
use tidegate::failure::Failure;

use super::actions::{REPOSITORY, workflow};
use super::made::{Record, command, conda_test, end_of, recheck_channel, serve, there, until};
use scene::{DISPATCH, INTERVAL, LIST, Scene, passed, report, why_lost};

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_tested_by_the_workflow_and_their_reports_and_logs_come_back() {
    if !there("bwrap") {
        return;
    }
    let mut scene = Scene::new().await;
    let channel = recheck_channel().parent().unwrap().to_path_buf();
    let address = serve(channel.clone()).parse().unwrap();
    scene.served = vec![ServedFolder { folder: channel, address }];
    let engine = scene.engine().await;
    let beside = |name: &str| [name, "extdep-2.0-0.tar.bz2"].map(Record::of_recheck_channel);
    let good = scene.submit(&engine, &conda_test("good", &beside("q2-good-2023.7.0-0.tar.bz2"))).await;
    let bad = scene.submit(&engine, &conda_test("bad", &beside("q2-bad-2023.7.0-0.tar.bz2"))).await;
    assert_eq!(engine.look(&good).await.unwrap(), Progress::Waiting);
    scene.actions.carry_out_all().await;

    passed(&engine, &good).await;
    let Progress::Ended(report) = end_of(&engine, &bad).await else { panic!() };
    assert!(
        matches!(&report.verdict, TestVerdict::Fail { detail, .. } if detail == "about to fail"),
        "{report:?}"
    );
    assert!(scene.log("bad").contains("about to fail"), "{}", scene.log("bad"));
    assert_eq!(scene.asked(DISPATCH), 2);
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_is_too_large_for_a_dispatch_is_kept_as_a_blob_first() {
    if !there("bwrap") {
        return;
    }
    let scene = Scene::new().await;
    let mut large = command("large", "test ${#VARIABLE_99} = 640");
    if let tidegate::engine::Work::Command(work) = &mut large.work {
        // Digits that no compression makes much smaller.
        let digits = |number: u32| {
            (0..10).map(|part| tidegate::digest::sha256_hex(format!("{number} {part}").as_bytes())).collect()
        };
        work.variables = (0..300).map(|number| (format!("VARIABLE_{number}"), digits(number))).collect();
    }
    let engine = scene.engine().await;
    let ticket = scene.submit(&engine, &large).await;
    scene.actions.carry_out_all().await;
    passed(&engine, &ticket).await;
    let inputs = &scene.actions.inputs()[0];
    assert!(inputs.contains_key("blob") && !inputs.contains_key("assignment"), "{:?}", inputs.keys());
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_the_daemon_that_asked_for_it() {
    if !there("bwrap") {
        return;
    }
    let scene = Scene::new().await;
    let ticket = scene.submit(&scene.engine().await, &command("outlives", "echo it goes on")).await;
    scene.actions.carry_out_all().await;
    let engine = scene.engine().await;
    // The recheck hands it over again, since it cannot know whether the first time was noted.
    assert_eq!(scene.submit(&engine, &command("outlives", "echo it goes on")).await, ticket);
    passed(&engine, &ticket).await;
    assert!(scene.log("outlives").contains("it goes on"));
    let again = scene.engine().await;
    let listed = scene.asked(LIST);
    passed(&again, &ticket).await;
    assert_eq!((scene.asked(DISPATCH), scene.asked(LIST)), (1, listed), "the folder knows it by itself");
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_dispatch_makes_no_second_run() {
    if !there("bwrap") {
        return;
    }
    for restarted in [false, true] {
        let scene = Scene::new().await;
        let dispatches = format!("POST /repos/{REPOSITORY}/actions/workflows");
        scene.faults(&[&format!("{dispatches} nth 1 drop-after")]);
        let mut engine = scene.engine().await;
        let ticket = scene.submit(&engine, &command("once", "true")).await;
        assert_eq!(ticket.job, None, "nobody knows the run yet");
        if restarted {
            engine = scene.engine().await;
            assert_eq!(scene.submit(&engine, &command("once", "true")).await, ticket);
        }
        scene.actions.carry_out_all().await;
        passed(&engine, &ticket).await;
        assert_eq!((scene.actions.runs().len(), scene.asked(DISPATCH)), (1, 1));
        scene.is_well_behaved();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_that_never_arrived_is_sent_again_once_its_run_was_looked_for_long_enough() {
    let scene = Scene::new().await;
    let runs = format!("GET /repos/{REPOSITORY}/actions/workflows");
    scene.faults(&[&format!("POST /repos/{REPOSITORY}/actions nth 1 drop-before")]);
    let engine = scene.engine().await;
    let ticket = scene.submit(&engine, &command("late", "true")).await;
    for _ in 0..3 {
        assert_eq!(engine.look(&ticket).await.unwrap(), Progress::Waiting);
        scene.later(3);
        tokio::time::sleep(INTERVAL).await;
    }
    assert_eq!(scene.asked(DISPATCH), 1, "it may only be late");

    // As long as GitHub does not say which runs there are, nothing is known, and nothing is sent.
    scene.faults(&[&format!("{runs} every 1 status 502")]);
    scene.later(60);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(engine.look(&ticket).await.unwrap(), Progress::Waiting);
    let fresh = scene.engine().await;
    assert!(fresh.look(&ticket).await.is_err_and(|failure| failure.is_transient()));
    assert_eq!((scene.actions.runs().len(), scene.asked(DISPATCH)), (0, 1));

    scene.faults(&[]);
    tokio::time::sleep(INTERVAL).await;
    until(&engine, &ticket, |_| scene.asked(DISPATCH) == 2).await;
    assert_eq!(scene.actions.runs().len(), 1);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(engine.look(&ticket).await.unwrap(), Progress::Waiting);
    assert_eq!(scene.asked(DISPATCH), 2);
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listing_in_an_interval_serves_every_assignment() {
    let scene = Scene::new().await;
    let engine = scene.engine_with(8, Duration::from_secs(3_600)).await;
    let mut tickets = Vec::new();
    for number in 0..5 {
        tickets.push(scene.submit(&engine, &command(&format!("one-of-{number}"), "true")).await);
    }
    for _ in 0..20 {
        for ticket in &tickets {
            assert_eq!(engine.look(ticket).await.unwrap(), Progress::Waiting);
        }
    }
    assert_eq!(scene.asked(LIST), 1);
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_runs_are_asked_for_than_may_go_on_at_once() {
    if !there("bwrap") {
        return;
    }
    let scene = Scene::new().await;
    let engine = scene.engine_with(1, INTERVAL).await;
    let first = scene.submit(&engine, &command("first", "true")).await;
    let second = scene.submit(&engine, &command("second", "true")).await;
    assert_eq!(engine.look(&second).await.unwrap(), Progress::Waiting);
    assert_eq!(scene.actions.runs().len(), 1);
    scene.actions.carry_out_all().await;
    passed(&engine, &first).await;
    until(&engine, &second, |_| scene.actions.runs().len() == 2).await;
    scene.actions.carry_out_all().await;
    passed(&engine, &second).await;
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_takes_no_place_even_if_nobody_looks_at_it_again() {
    let scene = Scene::new().await;
    let engine = scene.engine_with(1, INTERVAL).await;
    let first = scene.submit(&engine, &command("given-up", "true")).await;
    engine.cancel(&first).await.unwrap();
    let second = scene.submit(&engine, &command("wanted", "true")).await;
    assert!(second.job.is_some(), "a run was asked for at once");
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_person_cancelled_is_lost_and_is_run_again_when_it_is_wanted_again() {
    if !there("bwrap") {
        return;
    }
    let scene = Scene::new().await;
    let engine = scene.engine().await;
    let ticket = scene.submit(&engine, &command("again", "true")).await;
    scene.actions.end(&scene.actions.runs()[0], "cancelled", None);
    insta::assert_snapshot!(why_lost(&engine, &ticket).await, @"somebody cancelled https://github.com/qiime2/tests/actions/runs/1001, or its time was over");
    assert_eq!(scene.asked(DISPATCH), 1, "nobody wants it again yet");

    let ticket = scene.submit(&engine, &command("again", "true")).await;
    scene.actions.carry_out_all().await;
    passed(&engine, &ticket).await;
    let titles: Vec<String> = scene.actions.runs().into_iter().map(|run| run.display_title).collect();
    assert_ne!(titles[0], titles[1], "each run is known by a title of its own");
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_wanted_is_cancelled_on_github() {
    let scene = Scene::new().await;
    let engine = scene.engine().await;
    let ticket = scene.submit(&engine, &command("unwanted", "true")).await;
    engine.cancel(&ticket).await.unwrap();
    assert_eq!(why_lost(&engine, &ticket).await, "it was cancelled");
    engine.cancel(&ticket).await.unwrap();
    assert_eq!(scene.actions.runs()[0].conclusion.as_deref(), Some("cancelled"));

    // One whose run is not known yet is cancelled as soon as it is found.
    scene.faults(&[&format!("POST /repos/{REPOSITORY}/actions nth 1 drop-after")]);
    let ticket = scene.submit(&engine, &command("unknown", "true")).await;
    engine.cancel(&ticket).await.unwrap();
    assert_eq!(scene.actions.runs()[1].conclusion, None);
    assert_eq!(why_lost(&engine, &ticket).await, "it was cancelled");
    assert_eq!(scene.actions.runs()[1].conclusion.as_deref(), Some("cancelled"));
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_to_the_assignment_is_never_a_verdict_on_the_package() {
    let scene = Scene::new().await;
    let mut told = Vec::new();
    let mut unknown = report("unknown");
    unknown["verdict"]["mood"] = "good".into();
    let mut slow = report("slow");
    slow["verdict"] = json!({ "verdict": "timed-out", "after": 1 });
    let result = |value: Value| [("result.json", value.to_string())];
    told.push(scene.end_with("nothing", "failure", &[]).await);
    told.push(scene.end_with("unstarted", "startup_failure", &[]).await);
    told.push(scene.end_with("late", "timed_out", &[]).await);
    told.push(scene.end_with("log-only", "failure", &[("log.txt", "x".to_owned())]).await);
    told.push(scene.end_with("foreign", "success", &result(report("other"))).await);
    told.push(scene.end_with("unknown", "success", &result(unknown)).await);
    told.push(scene.end_with("slow", "success", &result(slow)).await);
    told.push(scene.end_with("huge", "success", &[("result.json", " ".repeat(300_000))]).await);
    told.push(scene.end_with("large", "success", &[("log.txt", "x".repeat(20 << 20))]).await);
    insta::assert_snapshot!(told.join("\n"));
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_or_an_artifact_that_is_gone_is_lost() {
    let scene = Scene::new().await;
    let engine = scene.engine().await;
    let ticket = scene.submit(&engine, &command("expired", "true")).await;
    scene.actions.end(&scene.actions.runs()[0], "success", Some(vec![1]));
    let mut artifacts =
        scene.actions.simulated.read(|state| state.repository(REPOSITORY).unwrap().artifacts.clone());
    artifacts[0].expired = true;
    scene.actions.simulated.set_artifacts(REPOSITORY, artifacts);
    let expired = why_lost(&engine, &ticket).await;

    let ticket = scene.submit(&engine, &command("deleted", "true")).await;
    scene.actions.simulated.set_runs(REPOSITORY, Vec::new());
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(engine.look(&ticket).await.unwrap(), Progress::Waiting, "it may only not be listed yet");
    scene.later(11);
    tokio::time::sleep(INTERVAL).await;
    let deleted = why_lost(&engine, &ticket).await;
    insta::assert_snapshot!(format!("{expired}\n{deleted}"), @r"
    the artifact of https://github.com/qiime2/tests/actions/runs/1001 has expired, and its report with it
    run 1002 of qiime2/tests was deleted, or the token may not see it
    ");
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_that_is_refused_says_what_to_do_and_is_sent_again_after_that() {
    let scene = Scene::new().await;
    let engine = scene.engine().await;
    let folder = scene.place.assign(&command("refused", "true"));
    let mut told = Vec::new();
    for status in [403, 404, 422] {
        scene.faults(&[&format!("POST /repos/{REPOSITORY}/actions nth 1 status {status}")]);
        match engine.submit(&folder).await {
            Err(Failure::Configuration { message, hint: Some(hint) }) => {
                told.push(format!("{message}\n  {hint}"))
            }
            other => panic!("{other:?}"),
        }
    }
    let host = scene.actions.served.base_url();
    insta::assert_snapshot!(told.join("\n").replace(&host, "HOST"));
    assert_eq!(scene.actions.runs().len(), 0);
    engine.submit(&folder).await.unwrap();
    assert_eq!(scene.actions.runs().len(), 1);
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_taken_away_is_said_and_the_run_is_not_given_up_for_it() {
    if !there("bwrap") {
        return;
    }
    let scene = Scene::new().await;
    let engine = scene.engine().await;
    let ticket = scene.submit(&engine, &command("forbidden", "true")).await;
    scene.actions.carry_out_all().await;
    scene.faults(&[&format!("GET /repos/{REPOSITORY}/actions every 1 status 403")]);
    match engine.look(&ticket).await {
        Err(Failure::Configuration { hint: Some(hint), .. }) => {
            assert!(hint.contains("to follow runs it needs `Actions: read` in qiime2/tests"), "{hint}");
        }
        other => panic!("{other:?}"),
    }
    scene.faults(&[]);
    passed(&engine, &ticket).await;
    assert_eq!(scene.asked(DISPATCH), 1);
    scene.is_well_behaved();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_no_runner_could_fetch_is_said_so_before_anything_is_sent() {
    let mut scene = Scene::new().await;
    scene.served = vec![ServedFolder {
        folder: PathBuf::from("/srv/elsewhere"),
        address: "https://packages.example".parse().unwrap(),
    }];
    let records = [Record::of_recheck_channel("extdep-2.0-0.tar.bz2")];
    let folder = scene.place.assign(&conda_test("unreachable", &records));
    let Err(Failure::Configuration { message, hint }) = scene.engine().await.submit(&folder).await else {
        panic!()
    };
    assert!(message.contains("extdep-2.0-0.tar.bz2, a file of this machine"), "{message}");
    assert!(hint.unwrap().contains("[[engine.github-actions.served]]"));
    assert_eq!(scene.asked(DISPATCH), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_workflow_takes_what_the_engine_sends_and_puts_no_input_into_a_script() {
    let scene = Scene::new().await;
    scene.submit(&scene.engine().await, &command("sent", "true")).await;
    let workflow = workflow();
    let declared = &workflow["on"]["workflow_dispatch"]["inputs"];
    for name in scene.actions.inputs()[0].keys() {
        assert_eq!(declared[name]["type"], "string", "{name}");
    }
    let steps = workflow["jobs"]["test"]["steps"].as_array().unwrap();
    for script in steps.iter().filter_map(|step| step["run"].as_str()) {
        assert!(!script.contains("${{"), "an input would become part of a script: {script}");
    }
    assert_eq!(workflow["permissions"], json!({ "contents": "read" }));
    assert_eq!(workflow["defaults"]["run"]["shell"], "bash", "the runner of these tests has `pipefail`");
    let run = &scene.actions.runs()[0];
    let tag = scene.actions.inputs()[0]["tag"].as_str().unwrap().to_owned();
    assert_eq!(run.display_title, format!("tidegate {tag}"));
    let upload = steps.last().unwrap();
    assert_eq!((&upload["if"], &upload["with"]["name"]), (&json!("always()"), &json!("${{ inputs.tag }}")));
}
