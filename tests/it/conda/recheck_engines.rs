//! A distribution of two platforms whose members no single engine can test: one recheck for each engine, with
//! the same channels.

use std::time::Duration;

use tidegate::clock::Clock as _;
use tidegate::domain::{FailedStep, TestVerdict};
use tidegate::engine::{Assignment, Work};
use tidegate::store::RunState;

use super::real::bubblewrap;
use super::recheck::{metapackage, on_github_actions};
use super::scene::{Package, Scene};
use crate::engine::actions::Actions;

/// `recheck` tests here for linux-64, `recheck-elsewhere` on GitHub Actions for osx-64.
async fn two_engines() -> (Scene, Actions) {
    let (mut scene, actions) = on_github_actions(Scene::new(r#""q2-one""#).await).await;
    scene.platforms = r#""linux-64", "osx-64""#;
    scene.engines = scene.engines.replace("interval = \"1s\"", "interval = \"1s\"\nplatform = \"osx-64\"");
    (scene.engine, scene.elsewhere) = ("local", Some("github-actions"));
    Scene::offer(&scene.forge(), &[Package::new("extdep", "1.0")]);
    let member =
        |platform: &str| Package::new("q2-one", "1.0").depends(&["extdep"]).on(platform).test("true\n");
    let members = [member("linux-64"), member("osx-64"), metapackage("2026.10.01", &["q2-one 1.0 0"])];
    Scene::offer(&scene.staged(), &members);
    (scene, actions)
}

/// What a Mac says of a test that nothing is wrong with.
fn on_a_mac(assignment: &Assignment) -> TestVerdict {
    let Work::CondaTest(test) = &assignment.work else { panic!("{assignment:?}") };
    assert_eq!((&*test.platform, &*test.member.subdir), ("osx-64", "osx-64"));
    TestVerdict::Pass
}

/// One pass of `recheck-elsewhere`, while a Mac carries out what it asks for.
async fn pass_elsewhere(scene: &Scene, actions: &Actions, says: fn(&Assignment) -> TestVerdict) -> String {
    let mac = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            actions.report_all(says);
        }
    };
    tokio::select! {
        run = scene.pass("recheck-elsewhere") => run.summary.unwrap(),
        never = mac => never,
    }
}

async fn state_on(scene: &Scene, platform: &str) -> String {
    let scope = format!("recheck/{platform}/latest");
    let verdicts = scene.store.verdicts_at("tiny", &scope, scene.clock.now()).await.unwrap();
    verdicts["q2-one"].kind.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_platforms_pass_by_two_jobs_whichever_saw_its_half_last() {
    if !bubblewrap() {
        return;
    }
    let (scene, actions) = two_engines().await;
    let here = scene.next_day("recheck").await;
    insta::assert_snapshot!(here.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass: 1 green, 1 unknown");
    assert!(!scene.passed().exists(), "nobody tested on osx-64 yet");
    insta::assert_snapshot!(pass_elsewhere(&scene, &actions, on_a_mac).await, @"qiime2-tiny 2026.10.01 passes: 2 green; 1 not tested again in the same environment");
    assert_eq!(Scene::files(&scene.passed()), Scene::files(&scene.staged()));
    assert_eq!(actions.runs().len(), 1, "only osx-64 was tested there");
    assert_eq!([state_on(&scene, "linux-64").await, state_on(&scene, "osx-64").await], ["green", "green"]);

    // Both have nothing left to do, and neither keeps the other from seeing that.
    let again = scene.next_day("recheck").await;
    insta::assert_snapshot!(again.summary.unwrap(), @"qiime2-tiny 2026.10.01 passes: 2 green; 2 not tested again in the same environment");
    for job in ["recheck-elsewhere", "recheck", "recheck-elsewhere"] {
        assert_eq!(scene.next_day(job).await.state, RunState::Unchanged, "{job}");
    }

    // What drifts is tested elsewhere first, and passes here.
    let both = ["linux-64", "osx-64"]
        .map(|platform| Package::new("q2-one", "1.1").depends(&["extdep"]).on(platform).test("true\n"));
    Scene::offer(&scene.staged(), &both);
    Scene::offer(&scene.staged(), &[metapackage("2026.10.02", &["q2-one 1.1 0"])]);
    let before = Scene::files(&scene.passed());
    insta::assert_snapshot!(pass_elsewhere(&scene, &actions, on_a_mac).await, @"qiime2-tiny 2026.10.02 does not pass: 1 green, 1 unknown");
    assert_eq!(Scene::files(&scene.passed()), before, "nobody tested the new one on linux-64 yet");
    let here = scene.next_day("recheck").await;
    insta::assert_snapshot!(here.summary.unwrap(), @"qiime2-tiny 2026.10.02 passes: 2 green; 1 not tested again in the same environment");
    assert_eq!(Scene::files(&scene.passed()), Scene::files(&scene.staged()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_red_elsewhere_holds_what_is_green_here() {
    if !bubblewrap() {
        return;
    }
    let (scene, actions) = two_engines().await;
    let broken = |_: &Assignment| TestVerdict::Fail {
        step: FailedStep::Command { number: 1, command: "true".to_owned(), exit: Some(1) },
        detail: "no such symbol".to_owned(),
    };
    insta::assert_snapshot!(pass_elsewhere(&scene, &actions, broken).await, @"qiime2-tiny 2026.10.01 does not pass: 1 red, 1 unknown");
    let here = scene.next_day("recheck").await;
    insta::assert_snapshot!(here.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass: 1 green, 1 red; 1 not tested again in the same environment");
    assert_eq!([state_on(&scene, "linux-64").await, state_on(&scene, "osx-64").await], ["green", "red"]);
    assert!(!scene.passed().exists(), "osx-64 is red");
    insta::assert_snapshot!(scene.told().await.join("\n"), @"q2-one: new to red []");
}

/// Yesterday's half of another environment is no half of today's.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_green_elsewhere_in_another_environment_does_not_count() {
    if !bubblewrap() {
        return;
    }
    let (scene, actions) = two_engines().await;
    pass_elsewhere(&scene, &actions, on_a_mac).await;
    Scene::offer(&scene.forge(), &[Package::new("extdep", "2.0")]);
    let here = scene.next_day("recheck").await;
    insta::assert_snapshot!(here.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass: 1 green, 1 unknown");
    assert!(!scene.passed().exists(), "osx-64 was never tested with extdep 2.0");
    let why = scene.says(&["explain", "q2-one"]);
    insta::assert_snapshot!(why.lines().filter(|line| line.contains("why ")).collect::<Vec<_>>().join("\n"), @r"
    why          Every test passed.
    why          No engine here takes its test: this job's engine, `local`, is for linux-64; a recheck with one for osx-64 has to test it.
    ");
}
