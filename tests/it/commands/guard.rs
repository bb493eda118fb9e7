//! `guard`: what is held is confirmed or released, and evidence overridden, by a row and its reason.

use jiff::Timestamp;
use serde_json::json;
use tidegate::store::{Durability, Snapshot, SnapshotState, Store};

use super::place::Place;
use super::sample_state::block_on;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Changes the state of a place, or reads it.
fn state<T>(place: &Place, work: impl AsyncFnOnce(&Store) -> T) -> T {
    block_on(async {
        let now = at("2026-08-20T11:00:00Z");
        let store = Store::open_state(&place.state(), Durability::ProcessCrash, now).await.unwrap();
        let worked = work(&store).await;
        store.close().await;
        worked
    })
}

/// A place whose guard holds bad checks of staging, which has polars 1.0.
fn held() -> Place {
    let place = Place::apart();
    let memory = json!({"r_series": "4.6", "frozen_date": "2026-07-15", "cran_known": true, "accepted": {},
                        "suspicion": {"counted_at": "2026-08-20T10:12:00Z", "changes": [{"appeared": "r_cmd_check"}],
                                      "seen": 1}});
    let status = json!({"r_series": "4.6", "frozen_date": "2026-07-15",
                        "packages": {"polars": {"version": "1.0", "commit": "1".repeat(40), "published": null,
                                                "evidence": "unknown", "issues": [], "unknown": ["a guard holds it"]}},
                        "held": ["`r_cmd_check` appeared on 40 packages at once; held until 2 more looks agree."]});
    state(&place, async |store| {
        let now = at("2026-08-20T10:12:00Z");
        for (source, fact) in [("guard", memory), ("status", status)] {
            let source = format!("{source}:r-multiverse/staging");
            store.record_seen(&source, fact.to_string().as_bytes(), now).await.unwrap();
        }
    });
    place
}

#[test]
fn what_is_held_is_listed_and_confirmed_with_a_reason() {
    let place = held();
    insta::assert_snapshot!(place.run(["guard", "list"]).printed(), @"r-multiverse, staging: `r_cmd_check` appeared on 40 packages at once; held until 2 more looks agree.");
    let confirm = ["guard", "confirm", "r-multiverse", "staging", "--by", "ada", "--reason"];
    let ran = place.run(confirm.into_iter().chain(["R 4.6.1 came out"]));
    insta::assert_snapshot!(ran.printed(), @"what is held of r-multiverse/staging counts from the next look on");
    let (given, changes) = state(&place, async |store| {
        store.guard_confirmation("r-multiverse", "staging").await.unwrap().unwrap()
    });
    assert_eq!((given, changes.len()), (at("2026-08-20T12:00:00Z"), 1));

    let ran = place.run(confirm.into_iter().chain([" "]));
    assert_eq!((ran.code, ran.err.trim()), (1, "error: a reason is needed: it is kept and shown"));
    let ran = place.run(["guard", "confirm", "r-multiverse", "community", "--reason", "x"]);
    assert_eq!((ran.code, ran.err.trim()), (1, "error: nothing of r-multiverse/community is held"));
}

fn override_polars<'a>(place: &Place, says: &'a str, until: &'a str) -> super::Ran {
    let line = [
        "guard",
        "override",
        "r-multiverse",
        "staging",
        "polars",
        "--by",
        "ada",
        "--reason",
        "it passes by hand",
    ];
    place.run(line.into_iter().chain(["--as", says, "--until", until]))
}

#[test]
fn evidence_is_overridden_for_the_version_that_is_there() {
    let place = held();
    insta::assert_snapshot!(override_polars(&place, "passing", "2026-09-15").printed(), @"polars 1.0 of r-multiverse/staging counts as passing from the next look on, until 2026-09-15 or the next version");
    let listed = place.run(["guard", "list"]).printed();
    insta::assert_snapshot!(listed.lines().last().unwrap(), @"r-multiverse, staging: polars: ada says that 1.0 counts as passing until 2026-09-15 (it passes by hand)");
    let status = place.run(["status"]).printed();
    assert!(status.contains("overrides\n  r-multiverse, staging: polars: ada says"), "{status}");
    let words =
        state(&place, async |store| store.evidence_overrides("r-multiverse", "staging").await.unwrap());
    assert_eq!((words["polars"].version.as_str(), words["polars"].at), ("1.0", at("2026-08-20T12:00:00Z")));

    // Another version comes: the word is void, and said to be.
    state(&place, async |store| {
        let status = json!({"r_series": "4.6", "frozen_date": "2026-07-15", "packages": {}});
        let now = at("2026-08-20T11:12:00Z");
        store.record_seen("status:r-multiverse/staging", status.to_string().as_bytes(), now).await.unwrap();
    });
    assert!(place.run(["guard", "list"]).printed().contains("; void, since"));
    let later = place.run_at("2026-09-16T00:00:00Z", ["guard", "list"]).printed();
    assert!(!later.contains("polars"), "its last day is over: {later}");
}

#[test]
fn what_would_never_act_is_refused() {
    let place = held();
    let ran = override_polars(&place, "passing", "2026-08-19");
    insta::assert_snapshot!(ran.err, @"error: 2026-08-19 is over: it would never count");
    assert_eq!(ran.code, 2);
    let line = ["guard", "override", "r-multiverse", "staging", "pollars", "--as", "failing"];
    let ran = place.run(line.into_iter().chain(["--until", "2026-09-15", "--reason", "x"]));
    assert!(ran.err.contains("did you mean `polars`?"), "{}", ran.err);

    let path = "config/distributions/r-multiverse.toml";
    let text = std::fs::read_to_string(place.path(path)).unwrap();
    std::fs::write(place.path(path), text.replace("evidence = \"guarded\"", "evidence = \"faithful\""))
        .unwrap();
    let ran = override_polars(&place, "passing", "2026-09-15");
    insta::assert_snapshot!(ran.err, @"error: `faithful` follows upstream's rules exactly, which know no override");
}

#[test]
fn a_held_snapshot_is_released_with_a_reason() {
    let place = held();
    let release = ["guard", "release", "r-multiverse", "2026-09-15", "--by", "ada", "--reason", "they left"];
    let ran = place.run(release);
    insta::assert_snapshot!(ran.err, @"error: the snapshot 2026-09-15 of r-multiverse is not held");
    let date = "2026-09-15".parse().unwrap();
    state(&place, async |store| {
        let row = Snapshot {
            distribution: "r-multiverse".to_owned(),
            date,
            state: SnapshotState::Held,
            reason: Some("30 of the 73 packages are missing.".to_owned()),
            suite: None,
            manifest_digest: None,
            packages: 0,
            published_at: None,
            generation: 1,
        };
        store.save_snapshot(&row).await.unwrap();
    });
    insta::assert_snapshot!(place.run(release).printed(), @"the snapshot 2026-09-15 of r-multiverse is published by the next run of its job, if it is held for the same");
    let released = state(&place, async |store| store.snapshot_release("r-multiverse", date).await.unwrap());
    assert_eq!(released.unwrap().held, "30 of the 73 packages are missing.");
}
