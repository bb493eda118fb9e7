//! The version history: what goes down, what comes again, what is forgotten (nothing).

use std::collections::BTreeMap;

use tidegate::decide::ledger::{issue, rises, update};
use tidegate::domain::{Issue, Ledger, LedgerRow, PackageFacts};

fn seen(version: &str, commit: &str) -> BTreeMap<String, PackageFacts> {
    let facts = PackageFacts {
        version: Some(version.to_owned()),
        commit: Some(commit.to_owned()),
        ..Default::default()
    };
    [("a".to_owned(), facts)].into()
}

fn after(looks: &[(&str, &str)]) -> Ledger {
    looks.iter().fold(Ledger::new(), |ledger, (version, commit)| update(&ledger, &seen(version, commit)))
}

fn versions(ledger: &Ledger) -> Option<(String, String)> {
    match issue(&ledger["a"])? {
        Issue::Versions { version_current, version_highest, .. } => {
            Some((version_current?, version_highest?))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_version_that_rises_is_no_issue() {
    assert_eq!(versions(&after(&[("1.9", "x"), ("1.10", "y")])), None);
}

#[test]
fn a_version_that_goes_down_is_one_until_a_higher_one_comes() {
    let down = after(&[("2.0", "x"), ("1.9", "y")]);
    assert_eq!(versions(&down), Some(("1.9".to_owned(), "2.0".to_owned())));
    let still = update(&down, &seen("1.9.1", "z"));
    assert_eq!(versions(&still), Some(("1.9.1".to_owned(), "2.0".to_owned())));
    assert_eq!(versions(&update(&still, &seen("2.1", "w"))), None);
}

#[test]
fn the_same_version_from_another_commit_is_one_too() {
    assert!(versions(&after(&[("1.0", "x"), ("1.0", "y")])).is_some());
    assert_eq!(versions(&after(&[("1.0", "x"), ("1.0", "y"), ("1.0", "x")])), None);
}

#[test]
fn a_history_survives_the_absence_of_its_package() {
    let gone = update(&after(&[("2.0", "x")]), &BTreeMap::new());
    let back = update(&gone, &seen("1.0", "y"));
    assert_eq!(versions(&back), Some(("1.0".to_owned(), "2.0".to_owned())));
}

#[test]
fn a_row_that_has_seen_one_look_only_has_no_highest_version_and_no_issue() {
    let row = LedgerRow {
        version_current: Some("1.0".to_owned()),
        hash_current: Some("x".to_owned()),
        version_highest: None,
        hash_highest: None,
    };
    assert_eq!(issue(&row), None);
    let second = update(&[("a".to_owned(), row)].into(), &seen("0.9", "y"));
    assert_eq!(versions(&second), Some(("0.9".to_owned(), "1.0".to_owned())));
}

#[test]
fn what_is_not_a_version_never_rises() {
    assert!(rises(Some("1.0"), Some("1.0-1")));
    assert!(rises(None, Some("0.1")));
    assert!(!rises(Some("1.0"), Some("devel")));
    assert!(!rises(Some("1.0"), None));
    assert!(!rises(Some("1-0"), Some("1.0")));
}
