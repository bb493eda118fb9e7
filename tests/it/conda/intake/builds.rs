//! Builds on their way into the channel: all platforms, some of them, none yet.

use serde_json::json;
use tidegate::clock::Clock as _;
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::jobs::Pass;
use tidegate::store::{NoticeKind, NoticeState, RunState};
use tidegate::web::WebServer;

use super::super::made::made;
use super::scene::{REPOSITORY, Scene, TOKEN, artifact_of, build};

#[tokio::test]
async fn a_build_is_published_once_all_platforms_have_told_of_it() {
    let scene = Scene::new().await;
    scene.artifacts(&[
        (1, "linux-64", artifact_of(&[build("1.0", "linux-64")])),
        (2, "osx-64", artifact_of(&[build("1.0", "osx-64")])),
    ]);
    scene.notice("1.0", 1, "linux-64").await;
    assert_eq!(scene.summary().await, "fetched: 1, waiting: 1");
    assert!(scene.published().is_empty(), "nothing partial is to be seen");
    assert_eq!(scene.notices().await[0].state, NoticeState::Fetched);

    scene.notice("1.0", 2, "osx-64").await;
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 1");
    let both = ["linux-64/q2-types-1.0-py38_0.tar.bz2", "osx-64/q2-types-1.0-py38_0.tar.bz2"];
    assert_eq!(scene.published(), both);
    assert!(scene.notices().await.iter().all(|notice| notice.state == NoticeState::Admitted));
    insta::assert_snapshot!(scene.told().await, @r#"admitted q2-types: "1.0" ["linux-64/q2-types-1.0-py38_0.tar.bz2","osx-64/q2-types-1.0-py38_0.tar.bz2"]"#);

    let settled = scene.notices().await.remove(0);
    assert!(scene.store.postpone_notice(settled.id, 1, settled.not_before).await.is_err(), "it is final");

    assert_eq!(scene.summary().await, "nothing came in");
    scene.notice("1.1", 3, "osx-64").await;
    scene.artifacts(&[(3, "osx-64", artifact_of(&[build("1.1", "osx-64"), build("1.1", "linux-64")]))]);
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 2");
    assert_eq!(scene.published().len(), 4, "what was there stays");
}

#[tokio::test]
async fn what_a_workflow_tells_over_http_ends_as_a_package_that_clients_read_over_http() {
    let scene = Scene::new().await;
    tidegate::tls::prepare();
    let web = WebServer::start(&scene.configuration(), scene.store.clone(), scene.clock.clone()).await;
    let web = web.unwrap().unwrap();
    let address = |path: &str| format!("http://{}{path}", web.address());
    let version = "2023.7.0.dev0+3.gb8de86d";
    let body = format!(
        "token={TOKEN}&version={version}&package_name=q2-types&repository={REPOSITORY}&run_id=1&\
         artifact_name=linux-64&build_target=dev"
    );
    let request = reqwest::Client::new().post(address("/api/v1/packages/integrate/")).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.unwrap().status(), 200);

    let both = [build(version, "linux-64"), build(version, "osx-64")];
    scene.artifacts(&[(1, "linux-64", artifact_of(&both))]);
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 2");
    let file = format!("/tiny/tested/osx-64/q2-types-{version}-py38_0.tar.bz2");
    let read = reqwest::get(address(&file.replace('+', "%2B"))).await.unwrap();
    assert_eq!(read.status(), 200);
    assert_eq!(read.bytes().await.unwrap(), both[1].bytes(ArchiveFormat::TarBz2));
}

#[tokio::test]
async fn a_build_for_all_platforms_needs_no_other() {
    let scene = Scene::new().await;
    scene.artifacts(&[(1, "noarch-build", artifact_of(&[made("q2-types", "1.0", "py_0")]))]);
    scene.notice("1.0", 1, "noarch-build").await;
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 1");
    assert_eq!(scene.published(), ["noarch/q2-types-1.0-py_0.tar.bz2"]);
}

#[tokio::test]
async fn an_artifact_that_is_not_there_yet_is_looked_for_again_with_longer_and_longer_waits() {
    let scene = Scene::new().await;
    scene.notice("1.0", 1, "linux-64").await;
    assert_eq!(scene.summary().await, "not there yet: 1");
    assert_eq!(scene.summary().await, "nothing came in", "it is not due");
    scene.later(3);
    assert_eq!(scene.summary().await, "not there yet: 1");
    scene.later(3);
    assert_eq!(scene.summary().await, "nothing came in", "now it is six minutes");
    scene.artifacts(&[(1, "linux-64", artifact_of(&[build("1.0", "linux-64")]))]);
    scene.later(6);
    assert_eq!(scene.summary().await, "fetched: 1, waiting: 1");
}

#[tokio::test]
async fn an_artifact_that_never_comes_is_given_up_after_twelve_looks() {
    let scene = Scene::new().await;
    scene.notice("1.0", 1, "linux-64").await;
    let mut waits = Vec::new();
    for look in 1..=12 {
        scene.pass().await;
        let notice = scene.notices().await.remove(0);
        if look < 12 {
            assert_eq!((notice.state, notice.attempts), (NoticeState::Waiting, look));
            waits.push(notice.not_before.duration_since(scene.clock.now()).as_mins());
            scene.later(91);
        } else {
            assert_eq!(notice.state, NoticeState::Refused);
        }
    }
    assert_eq!(waits, [3, 6, 12, 24, 48, 90, 90, 90, 90, 90, 90]);
    insta::assert_snapshot!(scene.told().await, @r#"refused q2-types: "the artifact did not appear in 12 looks; start a new run""#);
}

#[tokio::test]
async fn a_build_that_misses_a_platform_for_too_long_expires_and_is_told_of_once() {
    let scene = Scene::new().await;
    scene.artifacts(&[(1, "linux-64", artifact_of(&[build("1.0", "linux-64")]))]);
    scene.notice("1.0", 1, "linux-64").await;
    scene.pass().await;
    scene.later(24 * 60);
    assert_eq!(scene.summary().await, "expired: 1");
    scene.later(24 * 60);
    assert_eq!(scene.summary().await, "nothing came in");
    insta::assert_snapshot!(scene.told().await, @r#"expired q2-types: "1.0" ["linux-64/q2-types-1.0-py38_0.tar.bz2"] "osx-64 did not come within 1d""#);
    let notice = scene.notices().await.remove(0);
    assert_eq!(notice.state, NoticeState::Expired);

    // Built anew, the file has other bytes; nobody ever saw the first ones.
    let again = build("1.0", "linux-64").with("timestamp", json!(1_700_000_000_001_u64));
    scene.artifacts(&[(2, "both", artifact_of(&[again, build("1.0", "osx-64")]))]);
    scene.notice("1.0", 2, "both").await;
    assert_eq!(scene.summary().await, "admitted: 1, fetched: 2");
}

#[tokio::test]
async fn what_others_did_to_the_whole_distribution_is_told_on_and_nothing_else() {
    let scene = Scene::new().await;
    scene.keep(NoticeKind::Stage, 5, "tiny-linux", json!({ "version": "2026.10.1" })).await;
    scene.keep(NoticeKind::Pass, 6, "tiny-linux", json!({ "version": "2026.10.1" })).await;
    assert_eq!(scene.summary().await, "noted: 2");
    assert_eq!(scene.summary().await, "nothing came in");
    insta::assert_snapshot!(scene.told().await, @r"
    told-staged -:
    told-passed -:
    ");
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let scene = Scene::new().await;
    scene.artifacts(&[(1, "noarch", artifact_of(&[made("q2-types", "1.0", "py_0")]))]);
    scene.notice("1.0", 1, "noarch").await;
    let run = scene.pass_with(Pass::PlanOnly).await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(run.summary.unwrap(), "planned only: notices that are due: 1, builds that wait: 0");
    assert_eq!(scene.notices().await[0].state, NoticeState::Waiting);
    assert!(scene.published().is_empty());
}
