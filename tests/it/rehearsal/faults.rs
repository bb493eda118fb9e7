//! Answers of GitHub that get lost, and GitHub in trouble: nothing happens twice, and the end is the
//! same as without.

use std::collections::BTreeSet;

use super::crashes::Place;
use super::invented::Tempers;
use super::stage::LeftBehind;

/// True for a line that tells what was known when it was written: times, and the checks of a new version, which a
/// pull request that was soon replaced may not have lived to see.
fn is_of_its_hour(line: &str) -> bool {
    let tells_time = line.contains(" on 2026-") && !line.contains("snapshot");
    let tells_checks = line.contains(" in community") || line.contains("  - R CMD check: ");
    tells_time || tells_checks && !line.contains("| in community |")
}

/// What stands in the end: title, body and state of every pull request, and every published byte. Times
/// may differ, since what failed is tried again a minute later.
fn assert_same_end(one: &LeftBehind, other: &LeftBehind) {
    let without_times = |left: &LeftBehind| -> Vec<String> {
        let lines = left.pages_as_lines().into_iter().filter(|line| !is_of_its_hour(line));
        // The digest of the whole text changes with any of its lines.
        let without_digest = |line: String| match line.split_once("\"text\":") {
            Some((marker, _)) => marker.to_owned(),
            None => line,
        };
        lines.map(without_digest).collect()
    };
    assert_eq!(without_times(one), without_times(other));
    for key in ["snapshots", "held_snapshots", "pull_requests"] {
        assert_eq!(one.summary()[key], other.summary()[key], "{key}");
    }
    assert!(one.published() == other.published(), "published bytes differ");
}

fn nothing_happens_twice(left: &LeftBehind) {
    let mut opened = BTreeSet::new();
    for event in left.pull_requests("opened") {
        assert!(opened.insert(event["number"].as_u64().unwrap()), "opened twice: {event}");
    }
    assert_eq!(opened.len(), left.pages().len());
    let mut staged = BTreeSet::new();
    for event in left.events("staged") {
        let moved = format!("{} {}", event["package"], event["commit"]);
        assert!(staged.insert(moved), "staged twice: {event}");
    }
}

fn comes_to_the_same_end(seed: u64, way: &[&str], faults: &[&str]) {
    let place = Place::new(seed, Tempers::Contrary);
    let undisturbed = place.finish(&place.out("undisturbed"), way);
    for (number, fault) in faults.iter().enumerate() {
        let out = place.out(&format!("faulty-{number}"));
        let mut more = way.to_vec();
        more.extend(["--faults", fault]);
        let faulty = place.finish(&out, &more);
        eprintln!("{fault}");
        nothing_happens_twice(&faulty);
        assert_same_end(&undisturbed, &faulty);
    }
}

#[test]
fn a_lost_answer_to_a_proposal_opens_no_second_one() {
    comes_to_the_same_end(
        11,
        &[],
        &[
            "POST /repos/tide/staging/pulls every 2 drop-after",
            "graphql updateRefs every 2 drop-after",
            "graphql createCommitOnBranch every 2 drop-after",
            "POST /graphql every 7 status 502",
        ],
    );
}

#[test]
fn a_lost_answer_to_a_commit_makes_no_second_one() {
    comes_to_the_same_end(
        12,
        &["--via", "commit"],
        &[
            "graphql createCommitOnBranch every 2 drop-after",
            "graphql createCommitOnBranch every 3 drop-before",
        ],
    );
}
