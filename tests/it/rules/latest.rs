//! Which snapshot `latest` shows.

use jiff::civil::Date;
use proptest::prelude::*;
use tidegate::decide::latest::{Candidate, latest};
use tidegate::domain::LatestChoice;

fn day(day: i8) -> Date {
    jiff::civil::date(2026, 6, day)
}

fn snapshots(days: &[(i8, bool)]) -> Vec<Candidate> {
    days.iter().map(|(at, is_withdrawn)| Candidate { date: day(*at), is_withdrawn: *is_withdrawn }).collect()
}

fn choice(of: i8, newest: i8) -> LatestChoice {
    let (by, reason) = ("ada".to_owned(), "a reason".to_owned());
    LatestChoice { date: day(of), newest: day(newest), at: jiff::Timestamp::UNIX_EPOCH, by, reason }
}

#[test]
fn without_a_choice_it_is_the_newest_that_was_not_withdrawn() {
    assert_eq!(latest(&[], None), None);
    assert_eq!(latest(&snapshots(&[(1, false), (3, false), (2, false)]), None), Some(day(3)));
    assert_eq!(latest(&snapshots(&[(1, false), (3, true), (2, false)]), None), Some(day(2)));
    assert_eq!(latest(&snapshots(&[(1, true)]), None), None, "it stays where it is");
}

#[test]
fn a_choice_holds_until_a_newer_one_is_published() {
    let three = snapshots(&[(1, false), (2, false), (3, false)]);
    assert_eq!(latest(&three, Some(&choice(1, 3))), Some(day(1)));
    assert_eq!(latest(&three, Some(&choice(1, 2))), Some(day(3)), "the third came after it");
    assert_eq!(latest(&three, Some(&choice(3, 3))), Some(day(3)), "forward again");
    // A newer one that was withdrawn was published all the same.
    assert_eq!(latest(&snapshots(&[(1, false), (2, false), (3, true)]), Some(&choice(1, 2))), Some(day(2)));
}

#[test]
fn where_the_chosen_one_is_withdrawn_what_was_left_on_purpose_does_not_come_back() {
    let withdrawn = snapshots(&[(1, false), (2, true), (3, false)]);
    assert_eq!(latest(&withdrawn, Some(&choice(2, 3))), Some(day(1)));
    let none_before = snapshots(&[(2, true), (3, false)]);
    assert_eq!(latest(&none_before, Some(&choice(2, 3))), Some(day(3)), "there is nothing else");
}

proptest! {
    #[test]
    fn it_is_never_one_that_was_withdrawn_and_the_order_of_rows_does_not_matter(
        days in prop::collection::btree_map(1_i8..28, any::<bool>(), 0..6),
        chosen in prop::option::of((1_i8..28, 1_i8..28)),
    ) {
        let mut rows: Vec<(i8, bool)> = days.into_iter().collect();
        let chosen = chosen.map(|(of, newest)| choice(of, newest));
        let shown = latest(&snapshots(&rows), chosen.as_ref());
        let in_use = |date| rows.iter().any(|(at, withdrawn)| day(*at) == date && !withdrawn);
        prop_assert!(shown.is_none_or(in_use));
        prop_assert_eq!(shown.is_none(), rows.iter().all(|(_, withdrawn)| *withdrawn));
        rows.reverse();
        prop_assert_eq!(latest(&snapshots(&rows), chosen.as_ref()), shown);
    }
}
