//! `check-status` against a universe, a GitHub and an advisory database that are simulated: what it asks, what
//! it remembers, and what becomes of a source that fails.

use jiff::civil::date;
use serde_json::json;
use tidegate::domain::{Evidence, HeldUntil, IssueKind, OverriddenAs, OverrideWish};
use tidegate::ecosystem::cran::advisories::Advisories;
use tidegate::store::RunState;

use super::data;
use super::status_scene::{Scene, Told, commit, seen};

const ADVISORY: &str =
    "https://github.com/RConsortium/r-advisory-database/blob/main/vulns/base/RSEC-2026-1.yaml";

/// `base` 1.0.0 has an advisory against it, and 1.1.0 came out at noon.
fn advised() -> Told {
    let advised = json!({"created": "2026-04-01 09:50:00.000 UTC", "published": "2026-04-01 10:00:00.000 UTC",
                         "advisories": [ADVISORY]});
    let next = json!({"created": "2026-04-16 11:50:00.000 UTC", "published": "2026-04-16 12:00:00.000 UTC"});
    Told {
        evidence: vec![
            seen("2026-04-02T00:00:01Z", "base", "1.0.0", advised),
            seen("2026-04-16T12:00:00Z", "base", "1.1.0", next),
        ],
        ..Told::default()
    }
}

#[tokio::test]
async fn an_advisory_is_read_over_the_network_and_counts_for_exactly_its_version() {
    let scene = Scene::new(advised()).await;
    scene.look("2026-04-16T08:00:00Z").await;
    let base = scene.of("base").await;
    assert_eq!(base.evidence, Evidence::Failing);
    assert_eq!(base.issues[0].kind(), IssueKind::Advisories);
    assert!(format!("{:?}", base.issues).contains(ADVISORY), "{:?}", base.issues);
    assert_eq!(scene.of("top").await.issues[0].kind(), IssueKind::Dependencies);

    scene.look("2026-04-16T13:00:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Passing, "1.1.0 is another version");
}

#[tokio::test]
async fn a_database_that_fails_counts_for_a_while_and_then_nobody_can_tell() {
    let outages = vec![("advisories", "2026-04-16T09:00:00Z", "2026-04-16T20:00:00Z")];
    let scene = Scene::new(Told { outages, ..Told::default() }).await;
    scene.look("2026-04-16T08:00:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Passing);

    scene.look("2026-04-16T10:00:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Passing, "what it said two hours ago still counts");
    scene.look("2026-04-16T15:00:00Z").await;
    let base = scene.of("base").await;
    assert_eq!((base.evidence, base.settled), (Evidence::Unknown, Some(Evidence::Passing)));
    assert_eq!(base.held_until, [HeldUntil::SourcesAnswer].into());
    assert!(
        base.unknown[0]
            .starts_with("the advisories for demo/staging could not be read since 2026-04-16T10:00:00Z"),
        "{}",
        base.unknown[0]
    );

    scene.look("2026-04-16T20:30:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Passing, "it recovered");
}

#[tokio::test]
async fn a_database_that_never_answered_holds_and_is_never_taken_for_an_empty_one() {
    let outages = vec![("advisories", "2026-04-16T00:00:00Z", "2026-04-17T00:00:00Z")];
    let scene = Scene::new(Told { outages, ..advised() }).await;
    scene.look("2026-04-16T08:00:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Unknown);
}

#[tokio::test]
async fn upstreams_job_ends_where_it_cannot_read_the_advisories() {
    let outages = vec![("advisories", "2026-04-16T00:00:00Z", "2026-04-17T00:00:00Z")];
    let told = Told { outages, policy: "evidence = \"faithful\"", ..Told::default() };
    let scene = Scene::new(told).await;
    let run = scene.look("2026-04-16T08:00:00Z").await;
    assert_eq!(run.state, RunState::Failed, "{:?}", run);
    assert!(scene.store.latest_seen("status:demo/staging").await.unwrap().is_none());
}

#[tokio::test]
async fn a_database_that_did_not_change_is_not_sent_again() {
    let scene = Scene::new(advised()).await;
    scene.look("2026-04-16T08:00:00Z").await;
    // The second look finds every source as it was; an archive that came anew would have other times only.
    let run = scene.look("2026-04-16T09:00:00Z").await;
    assert_eq!(run.state, RunState::Unchanged, "{run:?}");
}

#[tokio::test]
async fn a_folder_on_this_machine_is_read_as_well() {
    let folder = data("advisories");
    let against = Advisories::read_database(&folder).unwrap();
    assert!(against.iter().count() > 10);
    let scene =
        Scene::new(Told { advisories: Some(folder.to_str().unwrap().to_owned()), ..Told::default() }).await;
    scene.look("2026-04-16T08:00:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Passing);
    let gone = Scene::new(Told { advisories: Some("/nowhere/at/all".to_owned()), ..Told::default() }).await;
    gone.look("2026-04-16T08:00:00Z").await;
    assert_eq!(gone.of("base").await.evidence, Evidence::Unknown);
}

#[tokio::test]
async fn an_update_makes_older_checks_pending_until_the_rebuild() {
    let next = json!({"created": "2026-04-16 11:50:00.000 UTC", "published": "2026-04-16 12:00:00.000 UTC"});
    let rebuilt =
        json!({"created": "2026-04-16 14:50:00.000 UTC", "published": "2026-04-16 15:00:00.000 UTC"});
    let evidence = vec![
        seen("2026-04-16T12:00:00Z", "base", "1.1.0", next),
        seen("2026-04-16T15:00:00Z", "top", "1.0.0", rebuilt),
    ];
    let scene = Scene::new(Told { evidence, ..Told::default() }).await;
    scene.look("2026-04-16T08:00:00Z").await;
    assert_eq!(scene.of("top").await.evidence, Evidence::Passing);
    scene.look("2026-04-16T13:00:00Z").await;
    let top = scene.of("top").await;
    assert_eq!((top.evidence, top.settled), (Evidence::Pending, None));
    assert_eq!(top.outdated_by[0].package, "base");
    assert_eq!(scene.of("base").await.evidence, Evidence::Passing);
    scene.look("2026-04-16T16:00:00Z").await;
    assert_eq!(scene.of("top").await.evidence, Evidence::Passing, "it was checked with 1.1.0");
}

#[tokio::test]
async fn what_the_channel_lists_and_its_universe_lacks_is_noticed() {
    let scene = Scene::new(Told { listed_only: vec!["lost"], ..Told::default() }).await;
    scene.look("2026-04-16T08:00:00Z").await;
    let status = scene.status().await;
    assert_eq!(status.packages.len(), 2);
    assert!(status.odd_dependencies.is_empty(), "nobody depends on it");
    let listed = scene.store.latest_seen("listed:demo/staging").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(listed.bytes).unwrap(), r#"{"base":null,"lost":null,"top":null}"#);
}

#[tokio::test]
async fn an_override_acts_until_its_last_day_and_void_with_the_next_version() {
    let scene = Scene::new(advised()).await;
    scene.look("2026-04-16T08:00:00Z").await;
    let wish = OverrideWish {
        distribution: "demo".to_owned(),
        channel: "staging".to_owned(),
        package: "base".to_owned(),
        version: "1.0.0".to_owned(),
        commit: commit("base", "1.0.0"),
        says: OverriddenAs::Passing,
        until: date(2026, 4, 16),
        by: "ada".to_owned(),
        reason: "it does not concern us".to_owned(),
    };
    scene.store.override_evidence(&wish, "2026-04-16T08:30:00Z".parse().unwrap()).await.unwrap();
    scene.look("2026-04-16T09:00:00Z").await;
    let base = scene.of("base").await;
    assert_eq!((base.evidence, base.overridden.unwrap().by.as_str()), (Evidence::Passing, "ada"));
    assert_eq!(scene.of("top").await.evidence, Evidence::Passing);

    let failing = OverrideWish { says: OverriddenAs::Failing, until: date(2026, 4, 18), ..wish };
    scene.store.override_evidence(&failing, "2026-04-16T09:30:00Z".parse().unwrap()).await.unwrap();
    scene.look("2026-04-16T10:00:00Z").await;
    assert_eq!(scene.of("base").await.evidence, Evidence::Failing, "the later word counts");
    scene.look("2026-04-16T13:00:00Z").await;
    assert_eq!(scene.of("base").await.overridden, None, "1.1.0 is another version");
}
