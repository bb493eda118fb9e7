//! When people are called: never twice for the same, never not at all.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use tidegate::decide::report::{News, Trouble, Troubles, carry, key, moved, moved_key, news};

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(day * 86_400).unwrap()
}

fn trouble(since: i64, revision: &str, fault: &[&str]) -> Trouble {
    let fault = fault.iter().map(|text| (*text).to_owned()).collect();
    Trouble { since: day(since), revision: revision.to_owned(), fault }
}

fn troubles(entries: &[(&str, Trouble)]) -> Troubles {
    entries.iter().map(|(place, trouble)| ((*place).to_owned(), trouble.clone())).collect()
}

#[test]
fn what_begins_and_what_ends_is_told_once_and_what_stays_is_not() {
    let red = troubles(&[("linux-64/latest", trouble(1, "1.0 0", &[]))]);
    assert!(news(&Troubles::new(), &red).is_empty(), "the report itself says it");
    let later = carry(&red, troubles(&[("linux-64/latest", trouble(5, "1.0 0", &[]))]));
    assert_eq!(later["linux-64/latest"].since, day(1), "it has been since the first day");
    assert!(news(&red, &later).is_empty());
    assert_eq!(news(&later, &Troubles::new()), [News::Over]);
}

#[test]
fn a_fault_is_told_once_wherever_it_is_and_kept_when_a_search_ends_without_one() {
    let red = troubles(&[("a", trouble(1, "1", &[])), ("b", trouble(1, "1", &[]))]);
    let found =
        carry(&red, troubles(&[("a", trouble(2, "1", &["x 1 → 2"])), ("b", trouble(2, "1", &["x 1 → 2"]))]));
    let places = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(news(&red, &found), [News::Fault { changes: vec!["x 1 → 2".to_owned()], places }]);
    let lost = carry(&found, red.clone());
    assert!(news(&found, &lost).is_empty());
    let again = carry(&lost, found.clone());
    assert!(news(&lost, &again).is_empty());
}

#[test]
fn another_place_and_another_build_are_news() {
    let red = troubles(&[("a", trouble(1, "1", &[]))]);
    let more = carry(&red, troubles(&[("a", trouble(3, "2", &[])), ("b", trouble(3, "2", &[]))]));
    assert_eq!(
        news(&red, &more),
        [
            News::Elsewhere { place: "b".to_owned(), since: day(3) },
            News::OtherRevision { revision: "2".to_owned() }
        ]
    );
    let back: BTreeSet<String> = [key(&news(&red, &more)), key(&news(&more, &Troubles::new()))].into();
    assert_eq!(back.len(), 2, "each has its own key");
    assert_eq!(moved(&red, &more), (vec!["b"], vec![]));
    assert_eq!(moved(&more, &red), (vec![], vec!["b"]));
}

/// What is wrong on one day: places with a build and perhaps a fault.
fn day_of_troubles() -> impl Strategy<Value = BTreeMap<&'static str, (&'static str, Option<&'static str>)>> {
    let place = prop::sample::select(vec!["a", "b", "c"]);
    let build = prop::sample::select(vec!["1", "2"]);
    let fault = prop::option::of(prop::sample::select(vec!["x", "y"]));
    prop::collection::btree_map(place, (build, fault), 0..3)
}

proptest! {
    /// Every pass is decided twice, as after a crash; who reads what was told knows where it is red.
    #[test]
    fn over_any_history_readers_know_and_are_called_for_each_thing_once(
        history in prop::collection::vec(day_of_troubles(), 1..25)
    ) {
        let mut told = Troubles::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut keys: BTreeSet<String> = BTreeSet::new();
        for (at, today) in history.iter().enumerate() {
            let at = i64::try_from(at).unwrap();
            let seen = today.iter().map(|(place, (build, fault))| {
                ((*place).to_owned(), trouble(at, build, fault.as_slice()))
            });
            let now = carry(&told, seen.collect());
            let new = news(&told, &now);
            prop_assert!(news(&now, &now).is_empty(), "what was told is no news");
            if told.is_empty() {
                // A report begins, and says all there is.
                known = now.keys().cloned().collect();
                keys.clear();
            }
            for one in &new {
                match one {
                    News::Elsewhere { place, .. } => prop_assert!(!told.contains_key(place)),
                    News::Over => prop_assert!(now.is_empty() && !told.is_empty()),
                    News::Fault { changes, .. } => {
                        prop_assert!(now.values().any(|trouble| trouble.fault == *changes));
                    }
                    News::OtherRevision { revision } => {
                        prop_assert!(told.values().all(|trouble| trouble.revision != *revision));
                    }
                }
                if let News::Elsewhere { place, .. } = one {
                    known.insert(place.clone());
                }
            }
            if new.iter().any(|one| matches!(one, News::Elsewhere { .. } | News::Over)) {
                prop_assert!(keys.insert(key(&new)), "a change has its own key");
            }
            prop_assert!(now.keys().all(|place| known.contains(place)), "nothing red is untold");
            if moved(&told, &now) != (vec![], vec![]) {
                prop_assert_ne!(moved_key(&told, &now), moved_key(&now, &told));
            }
            known.retain(|place| now.contains_key(place));
            told = now;
        }
    }
}
