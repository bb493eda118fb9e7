//! Connections that are lost after the effect, permissions that are lost, and refusals: nothing twice, nothing
//! forgotten, and one failure holds up no other package.

use tidegate::store::RunState;

use super::scene::Scene;

async fn wanted(packages: &[&str]) -> Scene {
    let mut scene = Scene::of(packages).await;
    scene.pull_request = "labels = [\"freeze\"]".to_owned();
    for package in packages {
        scene.release(package, "1.1");
    }
    scene
}

#[tokio::test]
async fn whatever_answer_is_lost_there_is_one_pull_request_for_each_package() {
    for call in [
        "graphql View",
        "graphql Head",
        "graphql Base",
        "POST /repos/demo/staging/git/trees",
        "POST /repos/demo/staging/git/commits",
        "graphql Move",
        "POST /repos/demo/staging/pulls",
        "POST /repos/demo/staging/issues/1/labels",
        "PATCH /repos/demo/staging/pulls/1",
    ] {
        for how in ["drop-before", "drop-after"] {
            let fault = format!("{call} nth 1 {how}");
            let scene = wanted(&["alpha", "beta"]).await;
            scene.faults(&[&fault]);
            scene.pass().await;
            scene.settle().await;
            let mut pulls: Vec<String> =
                scene.pulls().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
            pulls.sort();
            assert_eq!(
                pulls,
                ["open: Promote alpha 1.1 to staging", "open: Promote beta 1.1 to staging"],
                "{fault}"
            );
            assert!((1..=2).all(|number| scene.pull(number).labels == ["freeze"]), "{fault}");
            let told = scene.told("pull-request").await;
            assert_eq!(told.iter().filter(|event| event.body["action"] == "opened").count(), 2, "{fault}");
        }
    }
}

#[tokio::test]
async fn one_action_that_fails_holds_up_no_other() {
    let scene = wanted(&["alpha", "beta"]).await;
    scene.faults(&["POST /repos/demo/staging/pulls nth 1 status 404"]);
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Failed);
    let error = run.error.unwrap();
    assert!(error.contains("the pull request staging/alpha: POST"), "{error}");
    assert!(error.contains("the token may not write there"), "{error}");
    assert_eq!(scene.pulls(), ["#1 open: Promote beta 1.1 to staging"]);
    scene.settle().await;
    assert_eq!(scene.pulls()[1], "#2 open: Promote alpha 1.1 to staging");
}

#[tokio::test]
async fn a_permission_that_was_lost_is_told_with_what_to_do_and_not_tried_again() {
    let scene = wanted(&["alpha", "beta"]).await;
    scene.faults(&["POST /repos/demo/staging/pulls every 1 status 403"]);
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Failed);
    let error = run.error.unwrap();
    assert!(error.contains("the pull request staging/alpha, the pull request staging/beta: POST"), "{error}");
    assert!(error.contains("the token lacks a permission"), "{error}");
    let occurrences = scene.store.open_actions().await.unwrap();
    assert!(occurrences.is_empty(), "what failed for good is ended in the journal");
    scene.faults(&[]);
    scene.settle().await;
    assert_eq!(scene.pulls().len(), 2);
}

#[tokio::test]
async fn a_limit_that_is_reached_between_two_pull_requests_costs_time_and_nothing_else() {
    let scene = wanted(&["alpha", "beta", "gamma"]).await;
    scene.faults(&["POST /repos/demo/staging/pulls nth 2 retry-after 120"]);
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Failed, "it is tried again when GitHub said so: {:?}", run.error);
    scene.settle().await;
    let mut pulls: Vec<String> =
        scene.pulls().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    pulls.sort();
    let open = |package: &str| format!("open: Promote {package} 1.1 to staging");
    assert_eq!(pulls, [open("alpha"), open("beta"), open("gamma")]);
    assert!((1..=3).all(|number| scene.pull(number).labels == ["freeze"]));
    let told = scene.told("pull-request").await;
    assert_eq!(told.iter().filter(|event| event.body["action"] == "opened").count(), 3);
}

#[tokio::test]
async fn a_label_that_is_refused_is_a_warning_and_blocks_nothing() {
    let scene = wanted(&["alpha", "beta"]).await;
    scene.faults(&["POST /repos/demo/staging/issues every 1 status 422"]);
    assert_eq!(scene.pass().await.state, RunState::Done);
    scene.settle().await;
    assert_eq!(scene.pulls().len(), 2);
    let warnings = scene.told("warning").await;
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[0].body["refused"], "labels");
}

#[tokio::test]
async fn a_label_that_fails_for_now_is_set_later() {
    let scene = wanted(&["alpha"]).await;
    scene.faults(&["POST /repos/demo/staging/issues nth 1 status 502"]);
    assert_eq!(scene.pass().await.state, RunState::Failed);
    scene.settle().await;
    assert_eq!(scene.pull(1).labels, ["freeze"]);
    assert!(scene.told("warning").await.is_empty());
}

#[tokio::test]
async fn one_that_exists_already_is_adopted() {
    let scene = wanted(&["alpha"]).await;
    scene.faults(&["POST /repos/demo/staging/pulls nth 1 status 502"]);
    assert_eq!(scene.pass().await.state, RunState::Failed);
    // The branch stands, and the pull request is there after all, without the text it was meant to have.
    scene.open_as("tidegate-bot", "tidegate/staging/alpha", "", None);
    scene.settle().await;
    assert_eq!(scene.pulls(), ["#1 open: Promote alpha 1.1 to staging"]);
}

#[tokio::test]
async fn one_that_another_program_opened_just_before_is_adopted_though_github_answers_422() {
    let scene = wanted(&["alpha", "beta"]).await;
    scene.faults(&["POST /repos/demo/staging/pulls nth 1 twice"]);
    assert_eq!(scene.pass().await.state, RunState::Done);
    scene.settle().await;
    assert_eq!(
        scene.pulls(),
        ["#1 open: Promote alpha 1.1 to staging", "#2 open: Promote beta 1.1 to staging"]
    );
    assert!((1..=2).all(|number| scene.pull(number).labels == ["freeze"]));
    let told = scene.told("pull-request").await;
    assert_eq!(told.iter().filter(|event| event.body["action"] == "opened").count(), 2, "{told:?}");
}

#[tokio::test]
async fn one_that_a_person_opened_from_the_same_branch_is_adopted() {
    let scene = wanted(&["alpha"]).await;
    scene.faults(&["POST /repos/demo/staging/pulls every 1 status 502"]);
    assert_eq!(scene.pass().await.state, RunState::Failed);
    scene.faults(&[]);
    // The branch stands, and somebody opens the pull request that GitHub did not.
    scene.open("tidegate/staging/alpha", "From the branch that was there", None);
    scene.pass().await;
    scene.settle().await;
    assert_eq!(scene.pulls().len(), 1, "{:?}", scene.pulls());
    assert!(scene.verdict("alpha").await.starts_with("proposed: "), "{}", scene.verdict("alpha").await);
}
