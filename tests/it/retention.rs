//! What is deleted with its age, and that what is kept is as it was.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::daemon::{Retention, keep_house};
use tidegate::store::{
    BootId, CacheKey, Durability, KeptAnswer, LatestObservation, RunEnd, RunId, RunState, SeenFact, Store,
    VerdictRow,
};

/// Hours after the beginning.
fn at(hours: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_hours(hours)
}

async fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("tidegate.db"), Durability::ProcessCrash).await.unwrap()
}

/// What a source said at a time: nothing, if the look failed.
type Look = (usize, i64, Option<u8>);

const SOURCES: [&str; 2] = ["universe:demo", "cran:demo"];

async fn known(store: &Store, hours: &[i64]) -> (Vec<Option<SeenFact>>, Vec<LatestObservation>) {
    let (mut past, mut latest) = (Vec::new(), Vec::new());
    for source in SOURCES {
        for hour in hours {
            past.push(store.seen_at(source, at(*hour)).await.unwrap());
        }
        latest.push(store.latest(source).await.unwrap());
    }
    (past, latest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_known_since_then_stays_known(
        looks in prop::collection::vec((0..SOURCES.len(), 0_i64..40, prop::option::weighted(0.8, 0_u8..4)), 0..40),
        before in 0_i64..800,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = open(&folder).await;
            let mut hour = 0;
            for (source, later, said) in looks as Vec<Look> {
                hour += later;
                match said {
                    Some(said) => drop(store.record_seen(SOURCES[source], &[said], at(hour)).await.unwrap()),
                    None => store.record_failed(SOURCES[source], "no answer", at(hour)).await.unwrap(),
                }
            }
            let hours: Vec<i64> = (before..before + 900).step_by(37).collect();
            let was = known(&store, &hours).await;
            let pruned = store.prune(at(before), at(10_000)).await.unwrap();
            assert_eq!(known(&store, &hours).await, was, "{pruned:?}");
            assert_eq!(store.prune(at(before), at(10_000)).await.unwrap(), Default::default(), "once is enough");
        });
    }
}

/// A run of `job` that decided on two packages.
async fn decided(store: &Store, job: &str, hour: i64, verdict: &str) -> RunId {
    let occurrence = store.request_run(job, at(hour), "a test", at(hour)).await.unwrap();
    let run = store.claim_occurrence(occurrence, &BootId("b".into()), at(hour)).await.unwrap().run;
    let input_digest = Some(store.put_blob(format!("input {hour}").as_bytes(), at(hour)).await.unwrap());
    let plan_digest = Some(store.put_blob(verdict.as_bytes(), at(hour)).await.unwrap());
    let row =
        |body: &str| VerdictRow { kind: "current".to_owned(), body: serde_json::json!({ "reason": body }) };
    let rows: BTreeMap<String, VerdictRow> =
        [("a".to_owned(), row(verdict)), ("b".to_owned(), row("always"))].into();
    store.replace_verdicts("demo", "staging", &rows, at(hour), run).await.unwrap();
    let end = RunEnd::Done { summary: "2 packages".to_owned(), input_digest, plan_digest };
    store.finish_run(run, &end, at(hour)).await.unwrap();
    run
}

async fn has_blobs(store: &Store, run: RunId) -> bool {
    let run = store.run(run).await.unwrap().unwrap();
    let input = store.blob(run.input_digest.as_ref().unwrap()).await.unwrap();
    input.is_some() && store.blob(run.plan_digest.as_ref().unwrap()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_run_goes_once_nothing_in_force_names_it_and_one_that_stays_has_all_it_decided_from() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let first = decided(&store, "staging", 0, "one").await;
    let second = decided(&store, "staging", 10, "two").await;
    let acted = decided(&store, "staging", 20, "three").await;
    store.intend("commit/demo/1", "commit", &serde_json::json!({}), acted, at(20)).await.unwrap();
    let fourth = decided(&store, "staging", 30, "four").await;
    let other = decided(&store, "other", 31, "two").await;
    let last = decided(&store, "staging", 40, "five").await;

    let pruned = store.prune(at(500), at(1_000)).await.unwrap();
    assert_eq!((pruned.runs, pruned.verdicts), (2, 5), "{pruned:?}");
    for gone in [second, fourth] {
        assert_eq!(store.run(gone).await.unwrap(), None);
    }
    // The verdict on `b` is in force since the first one, the journal names another, and each job has its last.
    for kept in [first, acted, other, last] {
        assert!(has_blobs(&store, kept).await, "{kept}");
    }
    let input = "input 10".as_bytes();
    let digest = tidegate::digest::sha256_hex(input);
    assert_eq!(store.blob(&digest).await.unwrap(), None, "nobody needs that any more");
    let verdicts = store.verdicts_at("demo", "staging", at(1_000)).await.unwrap();
    assert_eq!(verdicts.len(), 2);
}

#[tokio::test]
async fn nothing_of_the_last_day_goes_whatever_age_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let young = decided(&store, "staging", 0, "one").await;
    decided(&store, "staging", 10, "two").await;
    store.prune(at(30), at(20)).await.unwrap();
    assert_eq!(store.run(young).await.unwrap().unwrap().state, RunState::Done);
}

#[tokio::test]
async fn bytes_that_are_kept_again_are_young_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let digest = store.put_blob(b"a plan", at(0)).await.unwrap();
    // A run under way decides the same as one long ago, and has not written so down yet.
    store.put_blob(b"a plan", at(990)).await.unwrap();
    store.put_blob(b"left over", at(0)).await.unwrap();
    let told = store.put_blob_for_good(b"a solution", at(0)).await.unwrap();
    assert_eq!(store.prune(at(500), at(1_000)).await.unwrap().blobs, 1);
    assert!(store.blob(&digest).await.unwrap().is_some());
    assert!(store.blob(&told).await.unwrap().is_some());
}

#[tokio::test]
async fn kept_answers_go_after_a_month_though_history_is_kept_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let key = |url: &str| CacheKey { url: url.to_owned(), token: "t".to_owned(), accept: "a".to_owned() };
    let answer = KeptAnswer { etag: "\"1\"".to_owned(), body: Vec::new().into() };
    store.keep_answer(&key("old"), &answer, at(0)).await.unwrap();
    store.keep_answer(&key("new"), &answer, at(900)).await.unwrap();
    let old = decided(&store, "staging", 0, "one").await;
    decided(&store, "staging", 10, "two").await;
    let kept = keep_house(&store, Retention { runs: None }, at(1_000)).await.unwrap();
    assert_eq!((kept.answers, kept.history), (1, None));
    assert!(store.run(old).await.unwrap().is_some());
}
