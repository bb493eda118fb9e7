//! What holds in every rehearsal of every made-up world, whatever the dice say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use tidegate::domain::{Evidence, RVersion, StagingModel, Via};
use tidegate::rehearse::world::{Seen, World};
use tidegate::store::OccurrenceState;

use super::stage::{Played, Way, configuration};

/// The days on which a phase of the three cycles begins, in order.
const CANDIDATE_FREEZES: [&str; 3] = ["2026-05-15", "2026-08-15", "2026-11-15"];
const SNAPSHOTS: [&str; 3] = ["2026-06-15", "2026-09-15", "2026-12-15"];
const CYCLES: [&str; 4] = ["2026-04-15", "2026-07-15", "2026-10-15", "2027-01-15"];

pub fn hold(world: &World, played: &Played, hours: &str, way: Way) {
    every_occurrence_ends_in_one_row(world, played, hours);
    three_snapshots_are_published(played);
    nothing_begins_between_a_snapshot_and_the_next_cycle(played);
    if way.staging == StagingModel::Pinned {
        snapshots_are_closed_and_pass(world, played);
        no_version_goes_down(played);
        only_what_fails_moves_in_a_candidate_freeze(played, way);
    }
    if way.via == Via::PullRequest {
        a_refused_version_is_not_proposed_again(played);
        a_touched_pull_request_is_left_alone(played);
    }
}

fn every_occurrence_ends_in_one_row(world: &World, played: &Played, hours: &str) {
    let mut rows: BTreeMap<(String, Timestamp), usize> = BTreeMap::new();
    for row in played.left.occurrences() {
        let ended =
            matches!(row.state, OccurrenceState::Done | OccurrenceState::Held | OccurrenceState::Skipped);
        assert!(ended, "{} of {}: {:?}, {:?}", row.job, row.scheduled_for, row.state, row.reason);
        *rows.entry((row.job, row.scheduled_for)).or_default() += 1;
    }
    for job in configuration(hours).jobs.values().filter(|job| job.enabled) {
        for time in job.schedule.between(world.start, world.end) {
            assert_eq!(rows.remove(&(job.name.clone(), time)), Some(1), "{} of {time}", job.name);
        }
    }
    assert!(rows.is_empty(), "nobody scheduled {rows:?}");
}

fn three_snapshots_are_published(played: &Played) {
    let summary = &played.outcome.summary;
    let dates: Vec<String> = summary.snapshots.iter().map(|snapshot| snapshot.date.to_string()).collect();
    assert_eq!((dates, &summary.held_snapshots[..]), (SNAPSHOTS.map(str::to_owned).into(), &[][..]));
}

fn nothing_begins_between_a_snapshot_and_the_next_cycle(played: &Played) {
    for event in played.left.timeline() {
        let standstill = (0..3).any(|cycle| is_between(&event, SNAPSHOTS[cycle], CYCLES[cycle + 1]));
        let begins = event["kind"] == "commit" || event["action"] == "opened" || event["action"] == "updated";
        assert!(!(standstill && begins), "{event}");
    }
}

fn snapshots_are_closed_and_pass(world: &World, played: &Played) {
    for date in SNAPSHOTS {
        let manifest = played.left.manifest(date);
        let members: BTreeMap<&str, &str> = manifest["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["name"].as_str().unwrap(), package["commit"].as_str().unwrap()))
            .collect();
        for package in manifest["packages"].as_array().unwrap() {
            assert_eq!(package["evidence"], "passing", "{date}: {package}");
        }
        let day: Timestamp = format!("{date}T02:00:00Z").parse().unwrap();
        for (package, commit) in &members {
            for needed in world.dependencies_of(package) {
                assert!(members.contains_key(needed.as_str()), "{date}: {package} needs {needed}");
            }
            let seen = last_word(world, package, commit, day);
            let series = manifest["r"].as_str().unwrap();
            let fails = seen.checks.iter().any(|check| check.r.minor_series() == series);
            let clean =
                !fails && seen.remotes.is_empty() && seen.license.is_none() && seen.advisories.is_empty();
            assert!(clean, "{date}: {package} is in with {seen:?}");
        }
    }
}

/// What a world says last of a commit: staging's universe, else community's.
fn last_word<'a>(world: &'a World, package: &str, commit: &str, at: Timestamp) -> &'a Seen {
    let in_universe = |universe: &str| {
        let rows = world.evidence.iter().filter(|row| row.universe == universe && row.at <= at);
        let mut rows = rows.filter(|row| row.package == package).filter_map(|row| row.seen.as_ref());
        rows.rfind(|seen| seen.commit == commit)
    };
    in_universe("staging").or_else(|| in_universe("community")).unwrap()
}

fn no_version_goes_down(played: &Played) {
    let mut held: BTreeMap<String, RVersion> = BTreeMap::new();
    for event in played.left.events("staged") {
        let package = event["package"].as_str().unwrap().to_owned();
        let version = RVersion::parse(event["version"].as_str().unwrap()).unwrap();
        if let Some(before) = held.get(&package) {
            assert!(*before < version, "{before} was held before {event}");
        }
        held.insert(package, version);
    }
}

fn only_what_fails_moves_in_a_candidate_freeze(played: &Played, way: Way) {
    let starts_a_move = |event: &Value| match way.via {
        Via::Commit => event["kind"] == "commit",
        Via::PullRequest => event["action"] == "opened" || event["action"] == "updated",
    };
    for event in played.left.timeline().iter().filter(|event| starts_a_move(event)) {
        if !(0..3).any(|cycle| is_between(event, CANDIDATE_FREEZES[cycle], SNAPSHOTS[cycle])) {
            continue;
        }
        let status = played.left.status("staging", event["at"].as_str().unwrap().parse().unwrap());
        let moves = about(event);
        let fails = |package: &&String| status.packages[*package].evidence == Evidence::Failing;
        // What one commit released goes together.
        let released = |package: &String| released_by(played, package, event["at"].as_str().unwrap());
        let leading: BTreeSet<Option<String>> =
            moves.iter().filter(fails).map(released).filter(Option::is_some).collect();
        for package in moves.iter().filter(|package| !fails(package)) {
            assert!(leading.contains(&released(package)), "{package} in {event}");
        }
    }
}

/// The commit of the newest release of a package that was known at a time.
fn released_by(played: &Played, package: &str, at: &str) -> Option<String> {
    let at: Timestamp = at.parse().unwrap();
    let known = |event: &&Value| {
        event["package"] == package && event["at"].as_str().unwrap().parse::<Timestamp>().unwrap() <= at
    };
    let releases = played.left.events("release");
    releases.iter().rfind(known).map(|event| event["commit"].as_str().unwrap().to_owned())
}

/// The packages that an event is about.
fn about(event: &Value) -> Vec<String> {
    match event["package"].as_str() {
        Some(package) => vec![package.to_owned()],
        None => serde_json::from_value(event["packages"].clone()).unwrap(),
    }
}

pub fn a_refused_version_is_not_proposed_again(played: &Played) {
    let mut refused: BTreeSet<(String, String)> = BTreeSet::new();
    for event in played.left.timeline().iter().filter(|event| event["kind"] == "pull-request") {
        let about: Vec<(String, String)> = match event["package"].as_str() {
            Some(package) => vec![(package.to_owned(), event["version"].as_str().unwrap().to_owned())],
            None => serde_json::from_value::<BTreeMap<_, _>>(event["versions"].clone())
                .unwrap()
                .into_iter()
                .collect(),
        };
        match event["action"].as_str().unwrap() {
            "closed" => refused.extend(about),
            "opened" | "updated" => {
                let again: Vec<_> = about.iter().filter(|move_| refused.contains(move_)).collect();
                assert!(again.is_empty(), "refused before: {again:?} in {event}");
            }
            _ => {}
        }
    }
}

fn a_touched_pull_request_is_left_alone(played: &Played) {
    let mut touched = BTreeSet::new();
    for event in played.left.timeline().iter().filter(|event| event["kind"] == "pull-request") {
        let number = event["number"].as_u64().unwrap();
        match event["action"].as_str().unwrap() {
            "touched" => drop(touched.insert(number)),
            "updated" => assert!(!touched.contains(&number), "{event}"),
            _ => {}
        }
    }
    for number in touched {
        assert!(played.left.page(number).contains("commits by maintainer on its branch"));
    }
}

fn is_between(event: &Value, from: &str, to: &str) -> bool {
    (from..to).contains(&event["at"].as_str().unwrap())
}
