//! The bundled quarter of R-multiverse: what a rehearsal makes of what really happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidegate::clock::ManualClock;
use tidegate::daemon::{RunContext, RunOutcome};
use tidegate::domain::{EvidencePolicy, Listing, StagingModel, Via};
use tidegate::ecosystem::cran::files::PackagesFile;
use tidegate::jobs::{Pass, Services, runnable};
use tidegate::rehearse::world::World;
use tidegate::store::{Durability, RunId, Store};
use tokio_util::sync::CancellationToken;

use super::stage::{DISTRIBUTION, Played, Way, configuration};

/// Just after the quarter's snapshot.
const AFTER_THE_SNAPSHOT: &str = "2026-06-15T03:00:00Z";

/// Where the recorded world ends, in the candidate freeze of the quarter after.
const END_OF_THE_WORLD: &str = "2026-08-22T00:00:00Z";

fn quarter(hours: &str, way: Way) -> Played {
    played_to(AFTER_THE_SNAPSHOT, hours, way)
}

/// Plays the bundled world to a time that is after its one snapshot.
fn played_to(end: &str, hours: &str, way: Way) -> Played {
    let played = Played::of(World::bundled().unwrap(), hours, way, Some(end));
    let occurrences = &played.outcome.summary.occurrences;
    assert!(occurrences.keys().all(|state| ["done", "held"].contains(&state.as_str())), "{occurrences:?}");
    assert_eq!(played.outcome.summary.snapshots.len(), 1);
    as_published(&played);
    played
}

/// What was published verifies, as anybody can see who has the state.
fn as_published(played: &Played) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command
        .arg("--state")
        .arg(&played.left.0)
        .args(["snapshot", "verify", "2026-06-15"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let shelf = played.left.0.join("published").join(DISTRIBUTION);
    let read = |path: &str| std::fs::read_to_string(shelf.join(path)).unwrap();
    assert_eq!(read("latest/manifest.json"), read("2026-06-15/manifest.json"));
    // As upstream's `jq -cs add */snapshot.json` has it: the same records, on one line.
    let record: Value = serde_json::from_str(&read("2026-06-15/snapshot.json")).unwrap();
    assert_eq!(read("snapshots.json"), record.to_string() + "\n");
    let page = read("2026-06-15/index.html");
    for package in played.outcome.summary.snapshots[0].packages.iter() {
        assert!(
            page.contains(&format!(">{}</a></th><td>{}", package.name, package.version)),
            "{}",
            package.name
        );
    }
    assert!(read("index.html").contains("2026-06-15/index.html") && read("feed.xml").contains("2026-06-15"));
}

/// A snapshot job that is run for its day once more.
fn taken_again(played: &Played) -> RunOutcome {
    let mut configuration = configuration("*");
    configuration.settings.state = played.left.0.clone();
    configuration.settings.publish = None;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let nominal = time(&Value::from("2026-06-15T02:00:00Z"));
        let clock = ManualClock::new(time(&Value::from("2026-06-20T00:00:00Z")));
        let state = &configuration.settings.state;
        let store = Store::open_state(state, Durability::ProcessCrash, nominal).await.unwrap();
        let services = Arc::new(Services::apart(&configuration, store.clone(), clock.clone()).unwrap());
        let jobs = runnable(&configuration, &services, Pass::Full);
        let job = jobs.into_iter().find(|job| job.definition.kind == "snapshot").unwrap();
        let context = RunContext {
            run_id: RunId(1),
            job: job.definition.name,
            nominal,
            clock,
            store: store.clone(),
            cancel: CancellationToken::new(),
        };
        let outcome = job.work.run(context).await.unwrap();
        store.close().await;
        outcome
    })
}

#[test]
fn a_date_is_published_once_and_a_second_time_is_refused_with_the_reason() {
    let played = quarter("*/12", Way::SHIPPED);
    let before = played.left.published();
    let summary = "the snapshot of 2026-06-15 is published already; a date is published once".to_owned();
    assert_eq!(taken_again(&played), RunOutcome::Unchanged { summary });
    assert!(played.left.published() == before, "what is published has changed");
}

fn members(played: &Played) -> BTreeMap<String, String> {
    let packages = &played.outcome.summary.snapshots[0].packages;
    packages.iter().map(|package| (package.name.clone(), package.commit.clone())).collect()
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../data/r-multiverse/worlds/2026-04-to-08.expected.json")).unwrap()
}

/// Two dependency freezes, two candidate freezes and a snapshot. A pass every three hours is enough for what was
/// staged and when, and for those who wait for the test.
#[test]
fn as_upstream_played_it_snapshot_and_stagings_are_the_recorded_ones_but_for_mirai() {
    let way = Way { staging: StagingModel::Follow, via: Via::Commit, policy: EvidencePolicy::Faithful };
    let played = played_to(END_OF_THE_WORLD, "*/3", way);
    let recorded = recorded();
    let theirs: BTreeMap<String, String> =
        serde_json::from_value(recorded["snapshots"]["2026-06-15"].clone()).unwrap();
    let ours = members(&played);
    assert_eq!(ours.len(), 73);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let differing: Vec<&String> = ours.keys().filter(|name| ours[*name] != theirs[*name]).collect();
    assert_eq!(differing, ["mirai"]);
    every_recorded_staging_is_played_within_five_hours(&played, &recorded);
    at_the_end_staging_pins_what_it_pinned(&played);
}

fn every_recorded_staging_is_played_within_five_hours(played: &Played, recorded: &Value) {
    // A commit may be staged in both quarters.
    let mut ours: BTreeMap<(String, String), Vec<Timestamp>> = BTreeMap::new();
    for event in played.left.events("staged") {
        let key = (text(&event["package"]), text(&event["commit"]));
        ours.entry(key).or_default().push(time(&event["at"]));
    }
    let theirs = recorded["staged"].as_array().unwrap();
    assert_eq!(theirs.len(), 141);
    let of_mirai = |row: &&Value| row["package"] == "mirai" && text(&row["at"]).starts_with("2026-05");
    assert_eq!(theirs.iter().filter(of_mirai).count(), 1);
    for row in theirs.iter().filter(|row| !of_mirai(row)) {
        let at = ours.get(&(text(&row["package"]), text(&row["commit"])));
        let at = at.unwrap_or_else(|| panic!("never staged: {row}"));
        let apart = at.iter().map(|at| at.duration_since(time(&row["at"])).abs()).min().unwrap();
        assert!(apart <= SignedDuration::from_hours(5), "staged at {at:?}: {row}");
    }
}

/// The pins of the quarter that the world ends in, beside those of staging's real list of that day.
fn at_the_end_staging_pins_what_it_pinned(played: &Played) {
    let real = include_bytes!("../../data/r-multiverse/current/staging/packages.json");
    let real = PackagesFile::read("packages.json", real).unwrap().listings;
    let pin = |listing: &Listing| Some((listing.package.clone(), listing.pin()?.to_owned()));
    let theirs: BTreeMap<String, String> = real.iter().filter_map(pin).collect();
    let of_this_quarter = |event: &Value| text(&event["at"]).as_str() >= "2026-07-15";
    let staged = played.left.events("staged").into_iter().filter(of_this_quarter);
    let ours: BTreeMap<String, String> =
        staged.map(|event| (text(&event["package"]), text(&event["commit"]))).collect();
    assert_eq!(theirs.len(), 68);
    assert_eq!(ours, theirs);
}

#[test]
fn guarded_what_upstream_staged_by_mistake_stays_out_of_the_snapshot() {
    let way = Way { staging: StagingModel::Follow, via: Via::Commit, policy: EvidencePolicy::Guarded };
    // Every other hour is enough for what is in, and for those who wait for the test.
    let members = members(&quarter("*/2", way));
    for package in ["IMD", "asylum", "adbcbigquery", "adbcdrivermanager", "adbcflightsql", "adbcsnowflake"] {
        assert!(!members.contains_key(package), "{package} is in");
    }
    assert!(members.len() > 60, "{} are in", members.len());
}

#[test]
fn as_shipped_the_quarter_takes_twenty_pull_requests() {
    let played = quarter("*", Way::SHIPPED);
    let opened = played.left.pull_requests("opened");
    let in_phase = |from: &str, to: &str| -> Vec<&Value> {
        opened.iter().filter(|event| (from..to).contains(&event["at"].as_str().unwrap())).collect()
    };
    let first_day = in_phase("2026-04-15", "2026-04-16");
    assert_eq!(first_day.len(), 1);
    assert_eq!(first_day[0]["key"], "staging/freeze-2026-04-15");
    let rest = in_phase("2026-04-16", "2026-05-15").len();
    assert!((15..=16).contains(&rest), "{rest} in the rest of the dependency freeze");
    let candidates: BTreeSet<(String, String)> = in_phase("2026-05-15", "2026-06-15")
        .iter()
        .map(|event| (text(&event["package"]), text(&event["version"])))
        .collect();
    let expected =
        [("bedrockbio", "1.4.0"), ("bridgestan", "2.8.0"), ("geoarrow", "0.4.3"), ("polars", "1.12.0")];
    let expected = expected.map(|(package, version)| (package.to_owned(), version.to_owned()));
    assert_eq!(candidates, expected.into());
    assert_eq!(members(&played).len(), 66);
    assert_eq!(played.left.pages().len(), opened.len());
    let kinds: BTreeSet<String> = played.left.timeline().iter().map(|event| text(&event["kind"])).collect();
    assert_eq!(kinds, ["phase", "pull-request", "release", "snapshot", "staged"].map(str::to_owned).into());
    insta::assert_snapshot!("the_grouped_pull_request", played.left.page(1));
    insta::assert_snapshot!("a_newer_release_in_the_dependency_freeze", played.left.page(2));
    insta::assert_snapshot!(
        "a_failing_package_in_the_candidate_freeze",
        played.left.page(opened.len() as u64)
    );
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
