//! Decisions that R-multiverse's history records, decided again with the shipped distribution.

use tidegate::config::shipped;
use tidegate::decide::promote::promote;
use tidegate::domain::{Action, Listing, NewContents};
use tidegate::ecosystem::cran::files::{ConfigFile, PackagesFile, SnapshotRecord, write_snapshot};

use super::facts::Scene;

fn text(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/r-multiverse/dependency-freeze");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn listings(name: &str) -> Vec<Listing> {
    PackagesFile::read(name, text(name).as_bytes()).unwrap().listings
}

/// Staging as it was on 2026-07-15, before the first pass of the freeze, and community's list of that hour.
fn the_first_pass_of_a_dependency_freeze() -> Scene {
    let configuration = shipped();
    let distribution = &configuration.distributions["r-multiverse"];
    let point = distribution.point("2026-07-15T00:17:00Z".parse().unwrap());
    let mut scene = Scene::follow("2026-07-15").by_commit().faithful();
    scene.facts.targets = distribution.targets(&point).unwrap();
    scene.facts.point = point;
    scene.facts.source = listings("after.packages.json");
    scene.facts.head.listings = listings("before.packages.json");
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
    assert_eq!(config.write(), text("after.config.json"));
    assert_eq!(write_snapshot(&SnapshotRecord::from(&targets)), text("after.snapshot.json"));
}

#[test]
fn the_second_pass_of_that_freeze_finds_nothing_to_do() {
    let mut scene = the_first_pass_of_a_dependency_freeze();
    scene.facts.head.listings = scene.facts.source.clone();
    scene.facts.head.targets = Some(scene.facts.targets.clone());
    assert_eq!(promote(&scene.facts).actions, []);
}
