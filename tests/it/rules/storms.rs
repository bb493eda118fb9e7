//! Days on which a real distribution's evidence broke, in their recorded shape: under `guarded` no staging
//! decision changes, and under `faithful` exactly that happens what happened then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::decide::guard::{GuardMemory, GuardPolicy, review};
use tidegate::decide::snapshot::snapshot;
use tidegate::decide::status::{channel_status, own_findings};
use tidegate::domain::{
    ChannelStatus, DependencyGraph, Evidence, EvidencePolicy, Fact, HeldUntil, IssueKind, Listing,
    StagingModel, StatusFacts, Verdict,
};

use super::facts::{CANDIDATE_FREEZE, Scene, commit, listing};
use super::status::universe;
use EvidencePolicy::{Faithful, Guarded};

/// A channel that is looked at every hour.
struct Channel {
    policy: EvidencePolicy,
    memory: GuardMemory,
    now: Timestamp,
    status: ChannelStatus,
}

impl Channel {
    fn new(policy: EvidencePolicy) -> Self {
        Self {
            policy,
            memory: GuardMemory::default(),
            now: Timestamp::UNIX_EPOCH,
            status: ChannelStatus::default(),
        }
    }

    fn look(&mut self, facts: &StatusFacts) -> &mut Self {
        self.now += SignedDuration::from_hours(1);
        let mut findings = own_findings(facts, self.policy);
        let mut held = Vec::new();
        if self.policy == Guarded {
            let policy = GuardPolicy { mass_change: 0.25, confirm_after: 3 };
            let reviewed = review(&self.memory, self.now, facts, findings, (policy, None));
            (self.memory, findings, held) = (reviewed.memory, reviewed.findings, reviewed.held);
        }
        self.status = ChannelStatus { held, ..channel_status(facts, &findings, self.policy) };
        self
    }

    fn count(&self, evidence: Evidence) -> usize {
        self.status.packages.values().filter(|known| known.evidence == evidence).count()
    }

    /// The promotion of the candidate freeze with this status, of packages that staging holds already
    /// (`pinned`) or that follow (`follow`), each with a newer release.
    fn promotion(&self, model: StagingModel) -> Scene {
        let mut scene = match model {
            StagingModel::Pinned => Scene::on(CANDIDATE_FREEZE),
            StagingModel::Follow => Scene::follow(CANDIDATE_FREEZE).by_commit(),
        };
        if self.policy == Faithful {
            scene = scene.faithful();
        }
        let names: Vec<String> = self.status.packages.keys().cloned().collect();
        for name in &names {
            scene = scene.package(name, "1.0").releases(name, "1.1");
        }
        let mut status = self.status.clone();
        for (name, known) in &mut status.packages {
            known.commit = Some(commit(name, "1.0"));
        }
        scene.facts.status = Fact::Known(status);
        scene
    }

    /// The packages that the candidate freeze would move or pin now.
    fn moves(&self, model: StagingModel) -> BTreeSet<String> {
        let plan = self.promotion(model).plan();
        let changes = super::facts::changes(&plan);
        changes.into_iter().flat_map(|change| &change.moves).map(|moved| moved.package.clone()).collect()
    }

    fn verdict(&self, package: &str) -> Verdict {
        self.promotion(StagingModel::Pinned).plan().verdicts[package].clone()
    }
}

/// `root` and 34 packages that depend on it, directly or through one another.
fn family() -> StatusFacts {
    let names: Vec<String> = (1..=34).map(|number| format!("p{number:02}")).collect();
    let on: Vec<Vec<&str>> = (0..names.len())
        .map(|place| if place % 3 == 0 { vec!["root"] } else { vec![names[place - 1].as_str(), "cli"] })
        .collect();
    let mut rows: Vec<(&str, &[&str])> = vec![("root", &[])];
    rows.extend(names.iter().map(String::as_str).zip(on.iter().map(Vec::as_slice)));
    universe(&rows)
}

fn building_root() -> StatusFacts {
    let run = ("root".to_owned(), "https://github.com/r-universe/demo/actions/runs/1".to_owned());
    StatusFacts { builds: Fact::Known([run].into()), ..family() }
}

#[test]
fn one_running_build_of_a_root_moves_nobody_and_upstream_fails_its_34_dependents() {
    let mut guarded = Channel::new(Guarded);
    guarded.look(&family());
    let before = guarded.moves(StagingModel::Pinned);
    guarded.look(&building_root());
    assert_eq!((guarded.count(Evidence::Pending), guarded.count(Evidence::Failing)), (1, 0));
    assert_eq!(guarded.moves(StagingModel::Pinned), before, "no healthy package moves");
    assert_eq!(before, BTreeSet::new());
    // The dependents stay what they were, so they are pinned as on any other day.
    assert_eq!(guarded.moves(StagingModel::Follow).len(), 34);
    guarded.look(&family());
    assert_eq!(guarded.count(Evidence::Passing), 35);

    let mut faithful = Channel::new(Faithful);
    faithful.look(&family());
    assert_eq!(faithful.count(Evidence::Passing), 35);
    faithful.look(&building_root());
    assert_eq!(faithful.count(Evidence::Failing), 35, "the build and 34 through it");
    assert_eq!(faithful.moves(StagingModel::Follow), BTreeSet::new(), "an hour in which nothing is staged");
}

/// A channel of 40 packages, of which 34 were fine on 2025-05-16.
fn forty(free_licences_known: bool) -> StatusFacts {
    let names: Vec<String> = (0..40).map(|number| format!("p{number:02}")).collect();
    let rows: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut facts = universe(&rows);
    for (place, package) in facts.packages.values_mut().enumerate() {
        if place >= 34 {
            package.remotes = vec!["x/y".to_owned()];
        }
        if !free_licences_known {
            package.foss = Some(false);
        }
    }
    facts
}

#[test]
fn a_licence_source_that_empties_and_recovers_nine_times_a_day_changes_no_decision() {
    let mut guarded = Channel::new(Guarded);
    guarded.look(&forty(true));
    let failing_before = guarded.moves(StagingModel::Pinned);
    let mut pinned_so_far = guarded.moves(StagingModel::Follow);
    assert_eq!((failing_before.len(), pinned_so_far.len()), (6, 34));
    for round in 0..9 {
        guarded.look(&forty(false));
        assert_eq!(guarded.count(Evidence::Failing), 6, "round {round}: those that failed before");
        assert_eq!(guarded.moves(StagingModel::Pinned), failing_before, "round {round}");
        pinned_so_far.extend(guarded.moves(StagingModel::Follow));
        guarded.look(&forty(true));
        assert_eq!(guarded.moves(StagingModel::Pinned), failing_before, "round {round}");
        pinned_so_far.extend(guarded.moves(StagingModel::Follow));
    }
    assert_eq!(pinned_so_far.len(), 34, "nobody is pinned who was not fine");

    let mut faithful = Channel::new(Faithful);
    for _ in 0..9 {
        faithful.look(&forty(true));
        assert_eq!(faithful.moves(StagingModel::Follow).len(), 34);
        faithful.look(&forty(false));
        assert_eq!((faithful.count(Evidence::Failing), faithful.moves(StagingModel::Follow).len()), (40, 0));
    }
}

#[test]
fn who_is_held_by_the_guard_is_told_what_would_release_it() {
    let mut guarded = Channel::new(Guarded);
    guarded.look(&forty(true)).look(&forty(false));
    assert_eq!(guarded.status.packages["p00"].held_until, [HeldUntil::Confirmed].into());
    insta::assert_snapshot!(guarded.verdict("p00").next, @"It stays as it is until the source says again what it said before, or an operator confirms the change with `tidegate guard confirm`.");
}

/// 93 packages, of which 9 have a version below CRAN's of the new date and 44 depend on one of these.
fn shocked(frozen_date: &str, conflicts: usize) -> StatusFacts {
    let names: Vec<String> = (0..93).map(|number| format!("p{number:02}")).collect();
    let on: Vec<Vec<&str>> = (0..93)
        .map(|place| if (9..53).contains(&place) { vec![names[place % 9].as_str()] } else { Vec::new() })
        .collect();
    let rows: Vec<(&str, &[&str])> =
        names.iter().map(String::as_str).zip(on.iter().map(Vec::as_slice)).collect();
    let mut facts = universe(&rows);
    facts.frozen_date = frozen_date.to_owned();
    facts.cran =
        Fact::Known(names[..conflicts].iter().map(|name| (name.clone(), "2.0".to_owned())).collect());
    facts
}

#[test]
fn the_shock_of_a_new_frozen_date_is_not_held() {
    let mut guarded = Channel::new(Guarded);
    guarded.look(&shocked("2026-01-15", 0));
    assert_eq!(guarded.count(Evidence::Passing), 93);
    guarded.look(&shocked("2026-04-15", 9));
    assert_eq!(guarded.status.held, Vec::<String>::new());
    assert_eq!((guarded.count(Evidence::Failing), guarded.count(Evidence::Unknown)), (53, 0));
    guarded.look(&shocked("2026-04-15", 9));
    assert_eq!(guarded.count(Evidence::Failing), 53, "and it stays so");
    guarded.look(&shocked("2026-04-15", 0));
    assert_eq!(guarded.count(Evidence::Unknown), 53, "that the same date's index forgets them is no news");
    assert!(guarded.status.held[0].contains("`cran` vanished from 9 packages"), "{:?}", guarded.status.held);
}

#[test]
fn advisories_that_cannot_be_read_for_an_hour_let_nobody_pass() {
    let advised = |count: usize| {
        let mut facts = forty(true);
        let against = |number: usize| {
            let address = format!("https://example.org/RSEC-2026-{number}.yaml");
            (format!("p{number:02}"), BTreeMap::from([("1.0".to_owned(), vec![address])]))
        };
        facts.advisories = Fact::Known((0..count).map(against).collect());
        facts
    };
    let silent = StatusFacts { advisories: Fact::unknown("the advisories could not be read"), ..advised(0) };
    let mut guarded = Channel::new(Guarded);
    guarded.look(&advised(5)).look(&silent);
    assert_eq!(guarded.status.held, Vec::<String>::new(), "a silent source is no change");
    assert_eq!((guarded.count(Evidence::Failing), guarded.count(Evidence::Passing)), (6, 0));
    guarded.look(&advised(5));
    assert_eq!((guarded.count(Evidence::Failing), guarded.count(Evidence::Unknown)), (11, 0));
    guarded.look(&advised(0));
    assert_eq!(guarded.count(Evidence::Unknown), 5, "a database that lost them is held");
    let kinds = |package: &str| guarded.status.packages[package].issues.len();
    assert_eq!(kinds("p00"), 0);
}

/// What may be odd about a package of a drawn channel.
#[derive(Clone, Debug)]
struct Drawn {
    on: Vec<usize>,
    failing: bool,
    building: bool,
    unchecked: bool,
    lost: bool,
    behind: bool,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let on = prop::collection::vec(0..12_usize, 0..4);
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    let one = (on, flags, prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    let one = one.prop_map(|(on, (failing, building, unchecked), lost, behind)| Drawn {
        on,
        failing,
        building,
        unchecked,
        lost,
        behind,
    });
    prop::collection::vec(one, 1..12)
}

/// The facts of a drawn channel, put together in the order of `places`.
fn facts_of(drawn: &[Drawn], places: &[usize]) -> StatusFacts {
    let names: Vec<String> = (0..12).map(|number| format!("p{number:02}")).collect();
    let on: Vec<Vec<&str>> =
        drawn.iter().map(|one| one.on.iter().map(|place| names[*place].as_str()).collect()).collect();
    let there = places.iter().filter(|place| !drawn[**place].lost);
    let rows: Vec<(&str, &[&str])> =
        there.map(|place| (names[*place].as_str(), on[*place].as_slice())).collect();
    let mut facts = universe(&rows);
    let (mut builds, mut cran, mut listed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for place in places {
        let (name, one) = (&names[*place], &drawn[*place]);
        listed.insert(name.clone(), None);
        if one.building {
            builds.insert(name.clone(), "https://example.org/run".to_owned());
        }
        if one.behind {
            cran.insert(name.clone(), "2.0".to_owned());
        }
        if let Some(package) = facts.packages.get_mut(name) {
            if one.failing {
                package.remotes = vec!["x/y".to_owned()];
            }
            if one.unchecked {
                package.checks = Default::default();
            }
        }
    }
    (facts.builds, facts.cran, facts.listed) = (Fact::Known(builds), Fact::Known(cran), Fact::Known(listed));
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn status_guard_and_snapshot_do_not_see_the_order_of_their_input(before in drawn(), after in drawn(), seed: u64) {
        let places = |drawn: &[Drawn], seed: u64| {
            let mut places: Vec<usize> = (0..drawn.len()).collect();
            places.sort_by_key(|place| commit(&place.to_string(), &seed.to_string()));
            places
        };
        let decide = |seed: u64| {
            let mut channel = Channel::new(Guarded);
            channel.look(&facts_of(&before, &places(&before, seed)));
            let facts = facts_of(&after, &places(&after, seed));
            channel.look(&facts);
            let mut scene = channel.promotion(StagingModel::Pinned);
            let rows: &mut Vec<Listing> = &mut scene.facts.head.listings;
            rows.push(listing("lost", Some("*release")));
            rows.sort_by_key(|row| commit(&row.package, &seed.to_string()));
            let mut photograph = super::snapshot::facts(&scene, &[]);
            photograph.dependencies =
                facts.packages.iter().map(|(name, package)| (name.clone(), package.dependencies.clone())).collect();
            let plan = snapshot(&photograph);
            (bytes(&channel.status), bytes(&channel.memory), bytes(&plan))
        };
        prop_assert_eq!(decide(0), decide(seed));
    }

    #[test]
    fn circles_are_the_packages_that_reach_each_other(drawn in drawn()) {
        let names: Vec<String> = (0..12).map(|number| format!("p{number:02}")).collect();
        let on: Vec<Vec<String>> = drawn.iter().map(|one| one.on.iter().map(|place| names[*place].clone()).collect()).collect();
        let graph = DependencyGraph::new(names.iter().zip(on.iter().map(Vec::as_slice)));
        let mut reaches = vec![vec![false; drawn.len()]; drawn.len()];
        for (from, one) in drawn.iter().enumerate() {
            one.on.iter().filter(|to| **to < drawn.len()).for_each(|to| reaches[from][*to] = true);
        }
        for through in 0..drawn.len() {
            for from in 0..drawn.len() {
                for to in 0..drawn.len() {
                    reaches[from][to] |= reaches[from][through] && reaches[through][to];
                }
            }
        }
        let circle = |from: usize| -> Vec<&str> {
            let back = (0..drawn.len()).filter(|to| reaches[from][*to] && reaches[*to][from]);
            back.map(|to| names[to].as_str()).collect()
        };
        let expected: BTreeSet<Vec<&str>> =
            (0..drawn.len()).map(circle).filter(|circle| !circle.is_empty()).collect();
        prop_assert_eq!(graph.circles(), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn evidence_follows_from_what_is_said_of_it(drawn in drawn()) {
        let facts = facts_of(&drawn, &(0..drawn.len()).collect::<Vec<_>>());
        let status = channel_status(&facts, &own_findings(&facts, Guarded), Guarded);
        for (name, known) in &status.packages {
            let failing = known.issues.iter().any(|issue| issue.kind() != IssueKind::Synchronization);
            prop_assert_eq!(known.evidence == Evidence::Failing, failing, "{}", name);
            prop_assert_eq!(known.evidence == Evidence::Unknown, !known.held_until.is_empty(), "{}", name);
            // Whoever passes depends on nobody who fails or is missing.
            if known.evidence == Evidence::Passing {
                for on in &facts.packages[name].dependencies {
                    let theirs = status.packages.get(on).map(|known| known.evidence);
                    prop_assert!(!matches!(theirs, Some(Evidence::Failing | Evidence::Unknown)), "{} on {}", name, on);
                    let lost = facts.listed.known().is_some_and(|listed| listed.contains_key(on)) && theirs.is_none();
                    prop_assert!(!lost, "{} on {}", name, on);
                }
            }
        }
    }
}

fn bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it can be written")
}
