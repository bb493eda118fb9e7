//! Upstream as it is: states of repositories over several looks, and the release that counts.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::decide::promote::promote;
use tidegate::decide::upstream::{Chosen, Extent, Followed, Offered, choose, followed, look};
use tidegate::domain::{
    Absence, Absent, Belief, Confirmation, DeletionPolicy, Listing, RVersion, ReleaseCandidate, ReleasesFrom,
    RepositorySeen, Sighting, TaggedRelease, UpstreamFacts, VerdictKind,
};

use super::facts::{DEPENDENCY_FREEZE, Scene};

const LISTED: &str = "owner/alpha";
const CONFIRMATION: Confirmation = Confirmation { looks: 3, time: SignedDuration::from_hours(24) };

fn hour(hour: i64) -> Timestamp {
    "2026-04-20T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour)
}

fn there(name: &str) -> Sighting {
    Sighting::There { name: name.to_owned(), archived: Some(false) }
}

/// What is known after these looks, one each six hours.
fn after(looks: &[Sighting]) -> Option<RepositorySeen> {
    let mut known = None;
    for (number, sighting) in looks.iter().enumerate() {
        known = look(known.as_ref(), LISTED, sighting, hour(6 * number as i64), CONFIRMATION);
    }
    known
}

fn missing() -> Sighting {
    Sighting::Absent(Absent::NotFound)
}

#[test]
fn a_repository_under_its_name_in_another_case_is_nothing_to_tell_of() {
    assert_eq!(after(&[there("Owner/Alpha")]), None);
}

#[test]
fn looks_and_time_are_both_needed_to_believe_that_it_is_gone() {
    let confirmed = |looks: &[Sighting]| after(looks).unwrap().missing.unwrap().confirmed_at.is_some();
    assert!(!confirmed(&vec![missing(); 4]));
    assert!(confirmed(&vec![missing(); 5]));
    let quick = Confirmation { looks: 3, time: SignedDuration::ZERO };
    let second =
        look(look(None, LISTED, &missing(), hour(0), quick).as_ref(), LISTED, &missing(), hour(48), quick);
    assert_eq!(second.unwrap().missing.unwrap().confirmed_at, None);
}

#[test]
fn one_look_that_sees_it_begins_all_anew() {
    let mut looks = vec![missing(); 4];
    looks.push(there(LISTED));
    assert_eq!(after(&looks), None);
    looks.extend(vec![missing(); 4]);
    assert_eq!(after(&looks).unwrap().missing.unwrap().confirmed_at, None);
}

#[test]
fn what_is_confirmed_does_not_change_any_more_by_being_looked_at() {
    let confirmed = after(&vec![missing(); 5]);
    assert_eq!(after(&vec![missing(); 50]), confirmed);
}

#[test]
fn a_move_is_believed_at_once_and_kept_while_the_repository_is_missing() {
    let seen = after(&[there("owner/beta"), missing()]).unwrap();
    assert_eq!(seen.moved.unwrap().to, "owner/beta");
    assert_eq!(seen.missing.unwrap().looks, 1);
    assert_eq!(after(&[there("owner/beta"), there(LISTED)]), None);
}

#[test]
fn a_row_with_another_address_begins_anew() {
    let gone = after(&vec![missing(); 5]);
    let seen = look(gone.as_ref(), "owner/elsewhere", &missing(), hour(99), CONFIRMATION).unwrap();
    assert_eq!(seen.missing.unwrap().looks, 1);
}

#[test]
fn the_branch_of_a_row_says_what_is_followed() {
    let row = |branch: Option<&str>| Listing {
        package: "alpha".to_owned(),
        url: "https://github.com/owner/alpha".to_owned(),
        branch: branch.map(str::to_owned),
        subdir: None,
    };
    let of = |branch, releases| followed(&row(branch), releases);
    assert_eq!(of(Some("*release"), ReleasesFrom::Published), Followed::Releases);
    assert_eq!(of(Some("*release"), ReleasesFrom::Tags), Followed::Tags);
    assert_eq!(of(None, ReleasesFrom::Tags), Followed::DefaultBranch);
    assert_eq!(of(Some("main"), ReleasesFrom::Published), Followed::Named("main".to_owned()));
    let commit = "a".repeat(40);
    assert_eq!(of(Some(&commit), ReleasesFrom::Published), Followed::Commit(commit.clone()));
}

fn candidate(tag: &str, version: &str, at: i64) -> ReleaseCandidate {
    ReleaseCandidate {
        tag: tag.to_owned(),
        commit: format!("{tag:0>40}"),
        at: Some(hour(at)),
        version: version.to_owned(),
        problems: Vec::new(),
    }
}

fn bad(tag: &str, version: &str, at: i64) -> ReleaseCandidate {
    ReleaseCandidate { problems: vec!["it has Remotes".to_owned()], ..candidate(tag, version, at) }
}

fn chosen(candidates: Vec<ReleaseCandidate>) -> TaggedRelease {
    choose(&Chosen::default(), Offered::Releases(candidates, Extent::Whole), hour(0)).release.unwrap()
}

#[test]
fn versions_are_compared_as_r_does() {
    let release = chosen(vec![candidate("a", "1.9.0", 2), candidate("b", "1.10.0", 1)]);
    assert_eq!(release.version, "1.10.0");
}

#[test]
fn without_any_admissible_release_the_highest_one_says_what_is_wrong() {
    let release = chosen(vec![bad("a", "1.0.0", 2), bad("b", "2.0.0", 1)]);
    assert_eq!((release.version.as_str(), release.problems.len()), ("2.0.0", 1));
}

#[test]
fn a_release_out_of_sight_is_not_withdrawn() {
    let before = |at| Chosen { release: Some(chosen(vec![candidate("v2", "2.0.0", at)])), withdrawn: None };
    let seen = || vec![candidate("v1", "1.0.1", 10)];
    let after = |before: &Chosen, extent| choose(before, Offered::Releases(seen(), extent), hour(20));
    for (before, extent) in [(before(1), Extent::Since(hour(5))), (before(7), Extent::One)] {
        let chosen = after(&before, extent);
        assert_eq!((chosen.release.unwrap().version.as_str(), chosen.withdrawn), ("2.0.0", None));
    }
    for (before, extent) in [(before(7), Extent::Since(hour(5))), (before(1), Extent::Whole)] {
        let chosen = after(&before, extent);
        assert_eq!(chosen.release.unwrap().version, "1.0.1");
        assert_eq!(chosen.withdrawn.unwrap().version, "2.0.0");
    }
}

#[test]
fn a_withdrawal_is_over_once_the_release_is_back_or_surpassed() {
    let known = Chosen { release: Some(chosen(vec![candidate("v2", "2.0.0", 1)])), withdrawn: None };
    let gone = choose(&known, Offered::Releases(vec![candidate("v1", "1.0.0", 0)], Extent::Whole), hour(2));
    let still = choose(&gone, Offered::Releases(vec![candidate("v1", "1.0.0", 0)], Extent::Whole), hour(9));
    assert_eq!(still, gone);
    let releases = |tag, version| Offered::Releases(vec![candidate(tag, version, 1)], Extent::Whole);
    assert_eq!(choose(&gone, releases("v2", "2.0.0"), hour(3)).withdrawn, None);
    assert_eq!(choose(&gone, releases("v3", "3.0.0"), hour(3)).withdrawn, None);
    assert!(choose(&gone, releases("v3", "1.5.0"), hour(3)).withdrawn.is_some());
}

proptest! {
    /// The release that counts is admissible and no admissible one is higher, in whatever order they came;
    /// and a second look at the same changes nothing.
    #[test]
    fn the_highest_admissible_version_counts(
        releases in prop::collection::vec((0u8..4, 0u8..4, any::<bool>(), 0i64..100), 1..8),
        seed in any::<u64>(),
    ) {
        let candidates: Vec<ReleaseCandidate> = releases.iter().enumerate().map(|(number, (major, minor, fine, at))| {
            let make = if *fine { candidate } else { bad };
            make(&format!("t{number}"), &format!("{major}.{minor}"), *at)
        }).collect();
        let first = chosen(candidates.clone());
        let version = |text: &str| RVersion::parse(text).unwrap();
        let fine = candidates.iter().filter(|one| one.problems.is_empty());
        let highest = fine.map(|one| version(&one.version)).max();
        match &highest {
            Some(highest) => {
                prop_assert!(first.problems.is_empty());
                prop_assert_eq!(&version(&first.version), highest);
            }
            None => prop_assert!(!first.problems.is_empty()),
        }
        let mut shuffled = candidates.clone();
        shuffled.rotate_left((seed % candidates.len() as u64) as usize);
        prop_assert_eq!(&chosen(shuffled), &first);
        let known = Chosen { release: Some(first), withdrawn: None };
        prop_assert_eq!(choose(&known, Offered::Releases(candidates, Extent::Whole), hour(500)), known);
    }

    /// However looks fall out, a repository is never believed to be gone within the time that it takes.
    #[test]
    fn nothing_is_gone_before_its_time(looks in prop::collection::vec(0u8..3, 1..30)) {
        let mut known: Option<RepositorySeen> = None;
        let mut since = None;
        for (number, kind) in looks.into_iter().enumerate() {
            let now = hour(number as i64);
            let sighting = match kind {
                0 => there(LISTED),
                _ => missing(),
            };
            since = match sighting {
                Sighting::There { .. } => None,
                Sighting::Absent(_) => since.or(Some(now)),
            };
            known = look(known.as_ref(), LISTED, &sighting, now, CONFIRMATION);
            let confirmed = known.as_ref().and_then(|seen| seen.missing.as_ref()?.confirmed_at).is_some();
            let long = since.is_some_and(|since| now.duration_since(since) >= CONFIRMATION.time);
            prop_assert_eq!(confirmed, long);
        }
    }
}

fn absent(belief: Belief, deleted: DeletionPolicy) -> UpstreamFacts {
    let absence = Absence { how: Absent::NotFound, since: hour(0), belief, deleted };
    UpstreamFacts { absence: Some(absence), ..UpstreamFacts::default() }
}

#[test]
fn nothing_of_a_vanished_repository_is_promoted() {
    for belief in [Belief::Waiting, Belief::Confirmed] {
        let mut scene = Scene::on(DEPENDENCY_FREEZE).package("alpha", "1.0.0").releases("alpha", "1.1.0");
        let facts = absent(belief, DeletionPolicy::Keep);
        scene.facts.upstream.insert("alpha".to_owned(), facts);
        let plan = promote(&scene.facts);
        let kind = plan.verdicts["alpha"].kind;
        match belief {
            Belief::Waiting => assert_eq!(kind, VerdictKind::CannotDetermine),
            Belief::Confirmed => assert_eq!(kind, VerdictKind::Vanished),
        }
        assert_eq!(plan.actions, Vec::new());
    }
}
