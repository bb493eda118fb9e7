//! Whoever is named as a root cause is one: what the verdicts of random universes name, beside the same drawn once
//! more, as plainly as possible, from the definition alone.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate::decide::guard::GuardPolicy;
use tidegate::decide::look::{LookFacts, draw};
use tidegate::decide::snapshot::{SnapshotFacts, snapshot};
use tidegate::domain::{ChannelStatus, Checks, EvidencePolicy, Fact, Listing, StatusFacts, VerdictKind};

use super::facts::{CANDIDATE_FREEZE, Scene, check, listing, verdict};
use super::status::universe;

/// What a package is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    Passes,
    Fails,
    /// No check with the targeted R exists.
    Unchecked,
    /// The channel lists it, and its universe lacks it.
    Missing,
}

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

fn packages() -> impl Strategy<Value = Vec<(Own, Vec<usize>)>> {
    let own = prop_oneof![
        6 => Just(Own::Passes),
        2 => Just(Own::Fails),
        1 => Just(Own::Unchecked),
        1 => Just(Own::Missing),
    ];
    // Circles and packages that depend on themselves are allowed.
    let package = (own, prop::collection::vec(0..NAMES.len(), 0..3));
    prop::collection::vec(package, NAMES.len())
}

fn seen(packages: &[(Own, Vec<usize>)]) -> StatusFacts {
    let named: Vec<Vec<&str>> =
        packages.iter().map(|(_, needs)| needs.iter().map(|need| NAMES[*need]).collect()).collect();
    let rows: Vec<(&str, &[&str])> =
        NAMES.iter().zip(&named).map(|(name, needs)| (*name, &needs[..])).collect();
    let mut facts = universe(&rows);
    facts.listed = Fact::Known(NAMES.iter().map(|name| ((*name).to_owned(), None)).collect());
    for (name, (own, _)) in NAMES.iter().zip(packages) {
        let known = facts.packages.get_mut(*name).expect("the universe has it");
        match own {
            Own::Passes => {}
            Own::Fails => known.checks = Checks::All(vec![check("ERROR", "source")]),
            Own::Unchecked => known.checks = Checks::All(Vec::new()),
            Own::Missing => drop(facts.packages.remove(*name)),
        }
    }
    facts
}

/// Everything that a package depends on, directly or not, without itself. What is missing has no dependencies
/// that anybody knows.
fn needs(packages: &[(Own, Vec<usize>)], of: usize) -> BTreeSet<usize> {
    let (mut found, mut next) = (BTreeSet::new(), vec![of]);
    while let Some(package) = next.pop() {
        let (own, direct) = &packages[package];
        for need in direct.iter().filter(|_| *own != Own::Missing) {
            if *need != of && found.insert(*need) {
                next.push(*need);
            }
        }
    }
    found
}

fn names(of: &BTreeSet<usize>, packages: &[(Own, Vec<usize>)], own: &[Own]) -> BTreeSet<String> {
    let are = of.iter().filter(|place| own.contains(&packages[**place].0));
    are.map(|place| NAMES[*place].to_owned()).collect()
}

fn status(seen: StatusFacts) -> ChannelStatus {
    let facts = LookFacts {
        looked_at: "2026-05-20T10:12:00Z".parse().expect("a time"),
        evidence: EvidencePolicy::Guarded,
        guard: GuardPolicy { mass_change: 0.25, confirm_after: 3 },
        seen,
        guard_memory: Default::default(),
        confirmation: None,
        before: ChannelStatus::default(),
    };
    let drawn = draw(&facts).status;
    let again: LookFacts = serde_json::from_slice(&serde_json::to_vec(&facts).expect("it can be written"))
        .expect("it can be read");
    assert_eq!(draw(&again).status, drawn, "what is stored is drawn again in the same way");
    drawn
}

proptest! {
    #[test]
    fn every_root_cause_is_true_and_none_is_left_out(packages in packages()) {
        let facts = seen(&packages);
        let mut scene = Scene::on(CANDIDATE_FREEZE);
        for (name, known) in &facts.packages {
            scene = scene.package(name, "1.0");
            let is_it = |row: &&mut Listing| row.package == *name;
            let row = scene.facts.head.listings.iter_mut().find(is_it).expect("staging lists it");
            row.branch.clone_from(&known.commit);
        }
        for (name, _) in NAMES.iter().zip(&packages).filter(|(_, (own, _))| *own == Own::Missing) {
            scene.facts.source.push(listing(name, Some("*release")));
            scene.facts.head.listings.push(listing(name, Some(&"c".repeat(40))));
        }
        for release in scene.facts.releases.values_mut() {
            if let Fact::Known(Some(release)) = release {
                release.commit = "c".repeat(40);
            }
        }
        let needed = facts.packages.iter().map(|(name, known)| (name.clone(), known.dependencies.clone()));
        let snapshot = snapshot(&SnapshotFacts {
            dependencies: needed.collect(),
            status: Fact::Known(status(facts)),
            ..super::snapshot::facts(&scene, &[])
        });
        scene.facts.status = Fact::Known(status(seen(&packages)));
        let plan = scene.plan();
        for (place, (own, _)) in packages.iter().enumerate().filter(|(_, (own, _))| *own != Own::Missing) {
            let said = verdict(&plan, NAMES[place]);
            let named: BTreeSet<String> = said.root_causes.iter().cloned().collect();
            let left_out = snapshot.left_out.iter().find(|left| left.package == NAMES[place]);
            let out_of_it: BTreeSet<String> =
                left_out.into_iter().flat_map(|left| left.root_causes.iter().cloned()).collect();
            prop_assert_eq!(&out_of_it, &named, "the snapshot names the same");
            let needed = needs(&packages, place);
            let failing = names(&needed, &packages, &[Own::Fails]);
            let unknown = names(&needed, &packages, &[Own::Unchecked, Own::Missing]);
            match (own, failing.is_empty(), unknown.is_empty()) {
                (Own::Fails, ..) => {
                    prop_assert_eq!(said.kind, VerdictKind::Failing);
                    prop_assert!(named.is_empty(), "it is at fault itself: {:?}", said);
                }
                (_, false, _) => {
                    prop_assert_eq!(said.kind, VerdictKind::BlockedByDependency);
                    prop_assert_eq!(named, failing);
                }
                (Own::Unchecked, true, _) => {
                    prop_assert_eq!(said.kind, VerdictKind::CannotDetermine);
                    prop_assert!(named.is_empty(), "nobody can tell of it by itself: {:?}", said);
                }
                (_, true, false) => {
                    prop_assert_eq!(said.kind, VerdictKind::CannotDetermine);
                    prop_assert!(named.len() == 1 && named.is_subset(&unknown), "{:?} of {:?}", said, unknown);
                }
                (_, true, true) => {
                    prop_assert_eq!(said.kind, VerdictKind::Current);
                    prop_assert!(named.is_empty());
                }
            }
        }
    }
}
