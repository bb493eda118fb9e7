//! What workflows tell: who is heard, and what everybody else is told.

use serde_json::json;
use tidegate::store::{NewEvent, NoticeKind, NoticeState};

use super::place::{FEATURE, GLOBAL, Place, TYPES, configuration, configuration_with};

const V1: &str = "/api/v1/packages/integrate/";
const V2: &str = "/api/v2/packages/integrate/";

/// The body that the real action sends: its fields in its order, nothing encoded. The `+` of the version
/// reaches every reader of forms as a space.
fn body(token: &str) -> String {
    format!(
        "token={token}&version=2023.7.0.dev0+3.gb8de86d&package_name=q2-types&\
         repository=qiime2/q2-types&run_id=5786539219&artifact_name=linux-64&build_target=dev"
    )
}

#[tokio::test]
async fn a_notice_of_the_real_action_is_kept_for_every_distribution_of_the_package() {
    let place = Place::new().await;
    let answer = place.form(V1, body(TYPES)).await;
    assert_eq!(answer, (200, r#"{"status":"ok"}"#.to_owned()));
    for distribution in ["tiny", "large"] {
        let notices = place.store.notices(distribution, 10).await.unwrap();
        assert_eq!(notices.len(), 1, "{distribution}");
        let notice = &notices[0];
        assert_eq!((notice.kind, notice.state), (NoticeKind::Integrate, NoticeState::Waiting));
        assert_eq!((notice.repository.as_str(), notice.run_id), ("qiime2/q2-types", 5_786_539_219));
        insta::allow_duplicates! {
            insta::assert_snapshot!(notice.payload, @r#"{"version":"2023.7.0.dev0+3.gb8de86d","package_name":"q2-types","repository":"qiime2/q2-types","run_id":5786539219,"artifact_name":"linux-64","build_target":"dev"}"#);
        }
    }
}

#[tokio::test]
async fn the_second_version_names_one_distribution_and_json_counts_as_a_form() {
    let place = Place::new().await;
    let notice = json!({
        "token": TYPES, "version": "2023.7.0.dev0+3.gb8de86d", "package_name": "q2-types",
        "repository": "QIIME2/q2-types", "run_id": 7, "artifact_name": "osx-64", "distro": "tiny",
    });
    let json = |notice: &serde_json::Value| notice.to_string();
    for path in [V2, V2.trim_end_matches('/')] {
        let (status, text) = place.post(path, "application/json; charset=utf-8", json(&notice)).await;
        assert_eq!((status, text.as_str()), (200, r#"{"status":"ok"}"#), "{path}");
    }
    assert_eq!(place.notices().await.len(), 1, "the same notice is one notice");
    assert!(place.store.notices("large", 10).await.unwrap().is_empty());
    let (status, text) = place.form(V2, body(TYPES) + "&distro=amplicon").await;
    insta::assert_snapshot!(format!("{status} {text}"), @r#"400 {"status":"error","errors":{"distro":["There is no such distribution for it; there are: large, tiny."]}}"#);
    let (status, text) = place.form(V2, body(TYPES)).await;
    insta::assert_snapshot!(format!("{status} {text}"), @r#"400 {"status":"error","errors":{"distro":["This field is required."]}}"#);
}

#[tokio::test]
async fn whoever_may_not_send_a_notice_is_told_so() {
    let place = Place::new().await;
    let mut told = Vec::new();
    let without_token = body(TYPES).replace(&format!("token={TYPES}&"), "");
    let cases = [
        ("no token", without_token),
        ("an unknown token", body("0b9a8f60-6c83-4c39-8e1b-000000000000")),
        ("the token for distributions", body(GLOBAL)),
        ("the token of another package", body(FEATURE)),
        ("an unknown package", body(TYPES).replace("q2-types&", "q2-nothing&")),
        ("another repository", body(TYPES).replace("qiime2/q2-types", "mallory/q2-types")),
    ];
    for (case, body) in cases {
        let (status, text) = place.form(V1, body).await;
        told.push(format!("{case}: {status} {text}"));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    no token: 400 {"status":"error","errors":{"token":["This field is required."]}}
    an unknown token: 401 {"status":"error","message":"the token is unknown; `tidegate token new` makes one, and its digest belongs in the configuration"}
    the token for distributions: 401 {"status":"error","message":"the token is unknown; `tidegate token new` makes one, and its digest belongs in the configuration"}
    the token of another package: 403 {"status":"error","message":"this token is not that of `q2-types`"}
    an unknown package: 403 {"status":"error","message":"this token is not that of `q2-nothing`"}
    another repository: 403 {"status":"error","message":"`q2-types` is built by another repository than this one"}
    "#);
    assert!(place.notices().await.is_empty());
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let place = Place::new().await;
    let wrong = format!(
        "token={TYPES}&version=..&package_name=../q2&repository=q2-types&run_id=-1&artifact_name=a/b&build_target=a b"
    );
    let (status, text) = place.form(V1, wrong).await;
    assert_eq!(status, 400);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer["errors"]).unwrap(), @r#"
    {
      "artifact_name": [
        "Only letters, digits and `.`, `_` and `-` are allowed."
      ],
      "build_target": [
        "It is `dev` or `release`."
      ],
      "package_name": [
        "This is no name that a conda package can have."
      ],
      "repository": [
        "\"q2-types\" is not a repository name (owner/name)."
      ],
      "run_id": [
        "Enter a positive whole number."
      ],
      "version": [
        "This is no version that conda can read."
      ]
    }
    "#);
    let (_, twice) = place.form(V1, body(TYPES) + "&run_id=8").await;
    insta::assert_snapshot!(twice, @r#"{"status":"error","errors":{"run_id":["This field is given twice."]}}"#);
    let (_, empty) = place.form(V1, format!("token={TYPES}")).await;
    insta::assert_snapshot!(empty, @r#"{"status":"error","errors":{"artifact_name":["This field is required."],"package_name":["This field is required."],"repository":["This field is required."],"run_id":["This field is required."],"version":["This field is required."]}}"#);
    assert!(place.notices().await.is_empty());
}

#[tokio::test]
async fn another_notice_about_the_same_artifact_is_a_conflict() {
    let place = Place::new().await;
    assert_eq!(place.form(V1, body(TYPES)).await.0, 200);
    let (status, text) = place.form(V1, body(TYPES).replace("2023.7.0", "2023.7.1")).await;
    insta::assert_snapshot!(format!("{status} {text}"), @r#"409 {"status":"error","message":"another notice about this artifact of this run says something else; the first one counts"}"#);
    assert_eq!(place.notices().await.len(), 1);
}

#[tokio::test]
async fn a_repeated_run_whose_notice_was_refused_is_told_so() {
    let place = Place::new().await;
    let notice = body(FEATURE).replace("q2-types", "q2-feature-table");
    assert_eq!(place.form(V1, notice.clone()).await.0, 200);
    let event = NewEvent {
        at: "2026-11-20T05:00:00Z".parse().unwrap(),
        kind: "refused".to_owned(),
        job: "intake".to_owned(),
        package: None,
        body: json!({}),
        dedup_key: "a".to_owned(),
    };
    let kept = place.notices().await.remove(0);
    place.store.refuse_notice(kept.id, "the artifact is no zip file", &event).await.unwrap();
    let (status, text) = place.form(V1, notice).await;
    insta::assert_snapshot!(format!("{status} {text}"), @r#"409 {"status":"error","message":"this notice is settled: the artifact is no zip file; a repeated run counts as the same one, so start a new run"}"#);
}

#[tokio::test]
async fn other_methods_kinds_and_sizes_are_refused() {
    let place = Place::new().await;
    for path in [V1, V2, "/api/v1/packages/stage/", "/api/v1/packages/pass"] {
        assert_eq!(place.get(path).send().await.unwrap().status(), 405, "{path}");
        assert_eq!(place.post(path, "text/plain", body(TYPES)).await.0, 415, "{path}");
        assert_eq!(place.form(path, body(TYPES) + &"&x=".repeat(100_000)).await.0, 413, "{path}");
    }
    let without_length = reqwest::Body::wrap_stream(futures_util::stream::iter(
        (0..300).map(|_| Ok::<_, std::io::Error>("x".repeat(1024))),
    ));
    let request = place.request(reqwest::Method::POST, V1).header("content-type", "application/json");
    assert_eq!(request.body(without_length).send().await.unwrap().status(), 413);
    assert_eq!(
        place.form("/api/v3/packages/integrate/", body(TYPES)).await.0,
        405,
        "nothing is posted there"
    );
}

#[tokio::test]
async fn notices_about_whole_distributions_have_a_token_of_their_own() {
    let place = Place::new().await;
    let staged = |token: &str| {
        let versions = "%7B%22q2-types%22%3A%20%222023.7.0%22%7D";
        format!(
            "token={token}&version=2023.08.14.20.23.00&package_versions={versions}&run_id=9&distro=tiny&\
             epoch=2023.7&artifact_name=tiny-linux&pr_number=12"
        )
    };
    assert_eq!(place.form("/api/v1/packages/stage/", staged(TYPES)).await.0, 401);
    assert_eq!(place.form("/api/v1/packages/stage/", staged(GLOBAL)).await.0, 200);
    let passed = staged(GLOBAL).replace("&pr_number=12", "");
    assert_eq!(place.form("/api/v1/packages/pass/", passed.clone()).await.0, 200);
    let other_epoch = passed.replace("epoch=2023.7", "epoch=2022.2");
    assert_eq!(place.form("/api/v1/packages/pass/", other_epoch).await.0, 400);
    let notices = place.notices().await;
    let kinds: Vec<NoticeKind> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [NoticeKind::Stage, NoticeKind::Pass]);
    assert_eq!(notices[0].payload["package_versions"]["q2-types"], "2023.7.0");
}

#[tokio::test]
async fn a_reload_puts_new_tokens_in_force() {
    let place = Place::new().await;
    let reload = place.web.reloader();
    reload(&configuration(place.folder.path().to_owned(), "another-token"));
    assert_eq!(place.form(V1, body(TYPES)).await.0, 401);
    assert_eq!(place.form(V1, body("another-token")).await.0, 200);
}

#[tokio::test]
async fn a_build_is_for_the_distributions_that_take_its_target() {
    let place = Place::new().await;
    let reload = place.web.reloader();
    let target = |name: &str| match name {
        "tiny" => "build_target = \"release\"",
        _ => "build_target = \"dev\"",
    };
    reload(&configuration_with(place.folder.path().to_owned(), TYPES, target));
    assert_eq!(place.form(V1, body(TYPES)).await.0, 200);
    assert!(place.notices().await.is_empty(), "a build for the epoch in development");
    assert_eq!(place.store.notices("large", 10).await.unwrap().len(), 1);

    let released = body(TYPES).replace("build_target=dev", "build_target=release").replace("9219", "9220");
    assert_eq!(place.form(V1, released).await.0, 200);
    assert_eq!(place.notices().await.len(), 1);
    assert_eq!(place.store.notices("large", 10).await.unwrap().len(), 1);

    let (status, named) = place.form(V2, body(TYPES) + "&distro=tiny").await;
    insta::assert_snapshot!(format!("{status} {named}"), @r#"400 {"status":"error","errors":{"build_target":["Its distributions take builds for these targets only: release."]}}"#);
    let (status, none) = place.form(V1, body(TYPES).replace("&build_target=dev", "")).await;
    insta::assert_snapshot!(format!("{status} {none}"), @r#"400 {"status":"error","errors":{"build_target":["Its distributions take builds for these targets only: dev, release."]}}"#);
}
