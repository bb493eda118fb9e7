//! `forecast`: from stored facts alone, and what is missing said.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate::domain::{Check, Checks, Listing, PackageFacts};
use tidegate::jobs::check_status::{SeenPackage, SeenUniverse};
use tidegate::store::Store;

use super::run_at;
use super::sample_state::SampleState;

const DAY: &str = "2026-09-28T06:47:00Z";

/// `wk` ← `geoarrow`, and `rextendr` by itself, all checked with the R of both cycles.
fn seen(packages: &[(&str, &[&str])]) -> SeenUniverse {
    let facts = |needs: &[&str]| PackageFacts {
        version: Some("1.0".to_owned()),
        commit: Some("c".repeat(40)),
        foss: Some(true),
        checks: Checks::All(vec![Check {
            check: "OK".to_owned(),
            config: "linux-release".to_owned(),
            r: "4.6.1".to_owned(),
            url: String::new(),
        }]),
        dependencies: needs.iter().map(|name| (*name).to_owned()).collect(),
        ..PackageFacts::default()
    };
    let package = |(name, needs): &(&str, &[&str])| {
        ((*name).to_owned(), SeenPackage { facts: facts(needs), source: None, binaries: Vec::new() })
    };
    packages.iter().map(package).collect()
}

fn listings(packages: &SeenUniverse) -> Vec<Listing> {
    let listing = |package: &String| Listing {
        package: package.clone(),
        url: format!("https://github.com/upstream/{package}"),
        branch: Some("*release".to_owned()),
        subdir: None,
    };
    packages.keys().map(listing).collect()
}

async fn store_all(store: &Store) {
    let now = DAY.parse().unwrap();
    let staging = seen(&[("geoarrow", &["wk"]), ("rextendr", &[]), ("wk", &[])]);
    let community = seen(&[("fresh", &[]), ("geoarrow", &["wk"]), ("wk", &[])]);
    let versions = BTreeMap::from([("wk", "1.1")]);
    for (source, value) in [
        ("universe:r-multiverse/staging", json!(staging)),
        ("universe:r-multiverse/community", json!(community)),
        ("listing:r-multiverse/staging", json!(listings(&staging))),
        ("listing:r-multiverse/community", json!(listings(&community))),
        ("cran:r-multiverse/staging/2026-07-15", json!({"wk": "1.0"})),
        ("cran:r-multiverse/staging/newest", json!({"date": "2026-09-28", "versions": versions})),
    ] {
        store.record_seen(source, value.to_string().as_bytes(), now).await.unwrap();
    }
}

fn forecast(state: &SampleState, arguments: &str) -> super::Ran {
    let folder = state.path().to_str().unwrap();
    let line =
        ["--state", folder, "forecast", "r-multiverse"].into_iter().chain(arguments.split_whitespace());
    run_at("2026-09-28T09:00:00Z", line)
}

#[test]
fn a_forecast_is_drawn_from_what_jobs_have_stored() {
    let state = SampleState::new();
    state.change(async |store| store_all(store).await);
    insta::assert_snapshot!(forecast(&state, "").printed());
    let told = forecast(&state, "--json").json();
    assert_eq!(told["freeze"], "2026-10-15");
    assert_eq!(told["forecast"]["falls"][0]["through"], json!(["wk"]));
    assert_eq!(told["forecast"]["leaves"], json!(["rextendr"]));
    let markdown = forecast(&state, "--markdown").printed();
    assert!(
        markdown.starts_with("If the dependency freeze of 2026-10-15 began today, **2 of the 3 packages")
    );
}

#[test]
fn where_nothing_is_stored_it_says_what_is_missing() {
    let state = SampleState::new();
    insta::assert_snapshot!(forecast(&state, "").printed());
    state.change(async |store| store_all(store).await);
    // What was stored later was not known then, and what was stored too long before does not count.
    let early = forecast(&state, "--at 2026-09-28T05:00:00Z").printed();
    assert!(early.contains("the universe of r-multiverse/staging was not read by"), "{early}");
    let late = forecast(&state, "--at 2026-10-02T00:00:00Z").printed();
    assert!(late.contains("the universe of r-multiverse/staging was last read at"), "{late}");
}
