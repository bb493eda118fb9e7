//! New builds, and how an integration repository learns of a metapackage: the rules by themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::decide::admission::{Admission, ArchiveFacts, admissions};
use tidegate::decide::build_config::{KnownProposal, ProposalStep, step};
use tidegate::decide::recheck::version_to_test;
use tidegate::domain::Build;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + hour * 3600).unwrap()
}

fn archive(version: &str, subdir: &str, hour: i64) -> ArchiveFacts {
    let build = ("q2-types".to_owned(), version.to_owned(), 0);
    ArchiveFacts { build, subdir: subdir.to_owned(), arrived_at: at(hour) }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn both() -> BTreeSet<String> {
    names(&["linux-64", "osx-arm64"])
}

#[test]
fn a_build_is_whole_once_every_platform_is_there_and_noarch_counts_for_all() {
    let archives = [
        archive("1.0", "linux-64", 0),
        archive("1.0", "osx-arm64", 5),
        archive("1.1", "linux-64", 5),
        archive("1.2", "noarch", 6),
    ];
    let found: Vec<Admission> = admissions(&archives, &both(), DAY, at(7)).into_values().collect();
    let waits = Admission::Waiting(names(&["osx-arm64"]));
    assert_eq!(found, [Admission::Whole, waits, Admission::Whole]);
}

#[test]
fn the_first_archive_of_a_build_begins_its_time_and_the_end_of_it_is_too_late() {
    let archives = [archive("1.0", "linux-64", 0), archive("1.0", "linux-aarch64", 20)];
    let platforms = names(&["linux-64", "linux-aarch64", "osx-arm64"]);
    let lacking = names(&["osx-arm64"]);
    let at_hour = |hour| admissions(&archives, &platforms, DAY, at(hour)).into_values().next().unwrap();
    assert_eq!(at_hour(23), Admission::Waiting(lacking.clone()));
    assert_eq!(at_hour(24), Admission::Expired(lacking));
    let whole = [&archives[..], &[archive("1.0", "osx-arm64", 30)]].concat();
    let late = admissions(&whole, &platforms, DAY, at(40)).into_values().next().unwrap();
    assert_eq!(late, Admission::Whole, "what is whole is never too late");
}

proptest! {
    #[test]
    fn the_order_in_which_archives_came_in_changes_nothing(
        mut archives in prop::collection::vec(
            (0..3u8, prop::sample::select(vec!["linux-64", "osx-arm64", "noarch"]), 0..48i64), 0..12
        )
    ) {
        let decide = |archives: &[(u8, &str, i64)]| {
            let facts: Vec<ArchiveFacts> =
                archives.iter().map(|(version, subdir, hour)| archive(&version.to_string(), subdir, *hour)).collect();
            admissions(&facts, &both(), DAY, at(48))
        };
        let found = decide(&archives);
        archives.reverse();
        prop_assert_eq!(found, decide(&archives));
    }
}

fn proposal(number: u64, state: &str, fingerprint: &str) -> KnownProposal {
    KnownProposal {
        number,
        open: state == "open",
        refused: state == "closed",
        fingerprint: Some(fingerprint.to_owned()),
    }
}

#[test]
fn a_closed_pull_request_is_a_no_for_exactly_its_files_and_an_open_one_is_brought_up_to_date() {
    assert_eq!(step(&[], "new"), ProposalStep::Open);
    assert_eq!(step(&[proposal(1, "open", "new")], "new"), ProposalStep::Stands);
    assert_eq!(step(&[proposal(1, "open", "old")], "new"), ProposalStep::Update(1));
    assert_eq!(step(&[proposal(1, "closed", "new")], "new"), ProposalStep::Refused(1));
    assert_eq!(step(&[proposal(1, "closed", "old")], "new"), ProposalStep::Open);
    assert_eq!(step(&[proposal(1, "merged", "new")], "new"), ProposalStep::Open);
    let both = [proposal(1, "closed", "new"), proposal(2, "open", "old")];
    assert_eq!(step(&both, "new"), ProposalStep::Refused(1), "an older wish that is open changes no refusal");
}

#[test]
fn a_metapackage_is_tested_once_its_newest_version_is_the_same_on_all_platforms() {
    let build = |version: &str| Build {
        name: "qiime2-tiny".to_owned(),
        version: version.to_owned(),
        build: "0".to_owned(),
        build_number: 0,
        subdir: "linux-64".to_owned(),
        file_name: String::new(),
        sha256: String::new(),
        channel: String::new(),
    };
    let (old, new) = (build("1"), build("2"));
    let ask = |linux, osx| {
        version_to_test(&BTreeMap::from([("linux-64", linux), ("osx-64", osx)])).map(str::to_owned)
    };
    assert_eq!(ask(Some(&new), Some(&new)), Ok("2".to_owned()));
    assert_eq!(ask(Some(&new), None), Err("there is none for osx-64".to_owned()));
    let differs = "the newest one differs by platform: 1 for osx-64, 2 for linux-64".to_owned();
    assert_eq!(ask(Some(&new), Some(&old)), Err(differs));
}
