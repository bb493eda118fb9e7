//! What is said of the files of a channel, and when `config.json` goes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use tidegate::calendar::Targets;
use tidegate::decide::channel_files::{FileNews, config_is_over, words};

fn targets() -> Targets {
    Targets {
        dependency_freeze: date(2026, 4, 15),
        candidate_freeze: date(2026, 5, 15),
        snapshot: date(2026, 6, 15),
        r: "4.5".to_owned(),
        cran: String::new(),
        production: String::new(),
    }
}

#[test]
fn the_frozen_cran_ends_so_many_days_after_the_snapshot_and_until_the_next_cycle() {
    let over = |frozen: Date, today: Date| config_is_over(&targets(), frozen, today, 7);
    let frozen = date(2026, 4, 15);
    assert!(!over(frozen, date(2026, 5, 1)) && !over(frozen, date(2026, 6, 21)));
    assert!(over(frozen, date(2026, 6, 22)) && over(frozen, date(2026, 7, 14)));
    assert!(over(date(2026, 1, 15), date(2026, 6, 22)), "one that was left over from an earlier cycle");
    assert!(!over(date(2026, 7, 15), date(2026, 7, 14)), "one of the next cycle, which a late pass meets");
    assert!(config_is_over(&targets(), frozen, date(2026, 6, 15), 0));
}

fn packages(rows: &[(&str, bool)]) -> BTreeMap<String, bool> {
    rows.iter().map(|(package, success)| ((*package).to_owned(), *success)).collect()
}

fn names(files: &[&str]) -> BTreeSet<String> {
    files.iter().map(|file| (*file).to_owned()).collect()
}

fn shown(news: &FileNews) -> String {
    let (headline, body) = words(news);
    format!("{headline}\n\n{body}").trim().to_owned()
}

#[test]
fn a_commit_reads_like_what_happened() {
    let before =
        packages(&[("arrow", true), ("Beta", true), ("cli", false), ("duckdb", true), ("old", true)]);
    let after =
        packages(&[("arrow", false), ("Beta", false), ("cli", true), ("duckdb", true), ("new", true)]);
    let news = FileNews {
        channel: "staging".to_owned(),
        before: Some(before),
        after,
        files: names(&["status.json", "versions.json"]),
        foreign: names(&["versions.json"]),
        config_after: None,
    };
    insta::assert_snapshot!(shown(&news), @r"
    Update the status of staging: 2 now failing, 1 recovered, 1 new, 1 gone

    Now failing: arrow, Beta.
    Recovered: cli.
    New: new.
    Gone: old.
    Somebody else has changed versions.json since. Such files follow from the checks, so they say again what these say.
    ");
}

#[test]
fn many_names_are_counted() {
    let rows: Vec<(String, bool)> = (0..40).map(|number| (format!("p{number:02}"), true)).collect();
    let before: BTreeMap<String, bool> = rows.iter().cloned().collect();
    let after = before.keys().map(|package| (package.clone(), false)).collect();
    let files = names(&["status.json"]);
    let news =
        FileNews { channel: "staging".to_owned(), before: Some(before), after, files, ..FileNews::default() };
    insta::assert_snapshot!(shown(&news), @r"
    Update the status of staging: 40 now failing

    Now failing: p00, p01, p02, p03, p04 and 35 more.
    ");
}

#[test]
fn what_changes_beside_the_status_has_a_headline_of_its_own() {
    let same = packages(&[("arrow", true)]);
    let headline = |files: &[&str], config_after: Option<Date>| {
        let news = FileNews {
            channel: "staging".to_owned(),
            before: Some(same.clone()),
            after: same.clone(),
            files: names(files),
            foreign: BTreeSet::new(),
            config_after,
        };
        words(&news).0
    };
    let headlines = [
        headline(&["status.json"], None),
        headline(&["versions.json", "nonstandard_licenses.json"], None),
        headline(&["nonstandard_licenses.json"], None),
        headline(&["config.json"], Some(date(2026, 6, 15))),
        headline(&["config.json", "status.json"], Some(date(2026, 6, 15))),
    ];
    insta::assert_snapshot!(headlines.join("\n"), @r"
    Update the status of staging: details only
    Update the versions of staging
    Update the licences of staging
    Delete config.json after the snapshot of 2026-06-15
    Update the status of staging: details only
    ");
}
