//! Decisions that R-multiverse's history records, decided again with the shipped distribution.

use tidegate::config::shipped;
use tidegate::decide::promote::promote;
use tidegate::domain::{Action, ChannelStatus, Evidence, Fact, Listing, NewContents, VerdictKind};
use tidegate::ecosystem::cran::files::{
    ConfigFile, PackagesFile, SnapshotRecord, StatusFile, write_snapshot,
};

use super::facts::{Scene, assessment};

const DEPENDENCY_FREEZE: &str = "dependency-freeze";
const CANDIDATE_FREEZES: [&str; 4] =
    ["2025-05-15-c42672f8", "2025-06-09-e29a317b", "2026-02-15-378cfbf8", "2026-08-15-b6595a49"];

fn text(folder: &str, name: &str) -> String {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/r-multiverse");
    std::fs::read_to_string(format!("{data}/{folder}/{name}")).unwrap()
}

fn listings(folder: &str, name: &str) -> Vec<Listing> {
    PackagesFile::read(name, text(folder, name).as_bytes()).unwrap().listings
}

/// Staging's list and status as they were on a day, which is played as upstream plays it.
fn on(day: &str, folder: &str, packages: &str, status: &str) -> Scene {
    let configuration = shipped();
    let distribution = &configuration.distributions["r-multiverse"];
    let point = distribution.point(format!("{day}T00:57:00Z").parse().unwrap());
    let mut scene = Scene::follow(day).by_commit().faithful();
    scene.facts.targets = distribution.targets(&point).unwrap();
    scene.facts.point = point;
    scene.facts.head.listings = listings(folder, packages);
    scene.facts.head.targets = None;
    scene.facts.source = scene.facts.head.listings.clone();
    let file = StatusFile::read(status, text(folder, status).as_bytes()).unwrap();
    let packages = file.0.iter().map(|(package, entry)| {
        let mut known = assessment(package, entry.version.as_deref().unwrap_or("0"));
        known.commit.clone_from(&entry.remote_hash);
        known.evidence = if entry.success { Evidence::Passing } else { Evidence::Failing };
        known.issues.clone_from(&entry.issues);
        (package.clone(), known)
    });
    scene.facts.status = Fact::Known(ChannelStatus {
        r_series: scene.facts.targets.r.clone(),
        frozen_date: scene.facts.targets.dependency_freeze.to_string(),
        packages: packages.collect(),
        ..ChannelStatus::default()
    });
    scene
}

#[test]
fn every_recorded_candidate_freeze_pins_what_it_pinned() {
    for freeze in CANDIDATE_FREEZES {
        let folder = format!("candidate-freeze/{freeze}");
        let scene = on(&freeze[..10], &folder, "before.packages.json", "before.status.json");
        let plan = promote(&scene.facts);
        let [Action::Commit(change)] = plan.actions.as_slice() else { panic!("{:?}", plan.actions) };
        let after = change.listings(&scene.facts.head.listings).expect("rows change, and no file is copied");
        assert_eq!(after, listings(&folder, "after.packages.json"), "{freeze}");
        let targets = change.targets.clone().expect("its dates are not written yet");
        let config = ConfigFile { cran_version: targets.dependency_freeze };
        assert_eq!(config.write(), text(&folder, "after.config.json"), "{freeze}");
        assert_eq!(write_snapshot(&SnapshotRecord::from(&targets)), text(&folder, "after.snapshot.json"));

        let mut again = scene;
        again.facts.head.listings = after;
        again.facts.head.targets = Some(targets);
        assert_eq!(promote(&again.facts).actions, [], "{freeze}: once is enough");
    }
}

#[test]
fn in_the_middle_of_a_candidate_freeze_nothing_was_left_to_pin() {
    let mut scene = on("2026-08-22", "current/staging", "packages.json", "status.json");
    scene.facts.head.targets = Some(scene.facts.targets.clone());
    let plan = promote(&scene.facts);
    assert_eq!(plan.actions, []);
    let staged = plan.verdicts.values().filter(|verdict| verdict.kind == VerdictKind::Staged).count();
    assert_eq!(staged, 68);
    assert_eq!(
        write_snapshot(&SnapshotRecord::from(&scene.facts.targets)),
        text("current/staging", "snapshot.json")
    );
}

/// Staging as it was on 2026-07-15, before the first pass of the freeze, and community's list of that hour.
fn the_first_pass_of_a_dependency_freeze() -> Scene {
    let configuration = shipped();
    let distribution = &configuration.distributions["r-multiverse"];
    let point = distribution.point("2026-07-15T00:17:00Z".parse().unwrap());
    let mut scene = Scene::follow("2026-07-15").by_commit().faithful();
    scene.facts.targets = distribution.targets(&point).unwrap();
    scene.facts.point = point;
    scene.facts.source = listings(DEPENDENCY_FREEZE, "after.packages.json");
    scene.facts.head.listings = listings(DEPENDENCY_FREEZE, "before.packages.json");
    scene.facts.head.targets = None;
    scene
}

#[test]
fn the_dependency_freeze_of_july_2026_begins_as_it_did() {
    let scene = the_first_pass_of_a_dependency_freeze();
    let plan = promote(&scene.facts);
    let [Action::Commit(change)] = plan.actions.as_slice() else { panic!("{:?}", plan.actions) };
    assert_eq!(change.contents, NewContents::CopyOfSource);
    let targets = change.targets.clone().expect("the cycle's dates are new");
    let config = ConfigFile { cran_version: targets.dependency_freeze };
    assert_eq!(config.write(), text(DEPENDENCY_FREEZE, "after.config.json"));
    assert_eq!(
        write_snapshot(&SnapshotRecord::from(&targets)),
        text(DEPENDENCY_FREEZE, "after.snapshot.json")
    );
}

#[test]
fn the_second_pass_of_that_freeze_finds_nothing_to_do() {
    let mut scene = the_first_pass_of_a_dependency_freeze();
    scene.facts.head.listings = scene.facts.source.clone();
    scene.facts.head.targets = Some(scene.facts.targets.clone());
    assert_eq!(promote(&scene.facts).actions, []);
}
