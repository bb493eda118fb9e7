//! Sudden changes of many packages that nothing explains.

use jiff::{SignedDuration, Timestamp};
use tidegate::decide::guard::{Confirmation, GuardMemory, GuardPolicy, Reviewed, review};
use tidegate::decide::status::{channel_status, own_findings};
use tidegate::domain::{Check, Checks, Evidence, EvidencePolicy, Fact, StatusFacts};

use super::status::universe;

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

fn ten() -> StatusFacts {
    universe(&NAMES.map(|name| (name, &[][..])))
}

/// The first `count` packages have a licence that is not free.
fn without_licence(count: usize) -> StatusFacts {
    let mut facts = ten();
    for name in &NAMES[..count] {
        facts.packages.get_mut(*name).expect("it is there").foss = Some(false);
    }
    facts
}

/// The first `count` packages have a check that failed.
fn with_bad_checks(count: usize) -> StatusFacts {
    let mut facts = ten();
    for name in &NAMES[..count] {
        let bad = Check {
            check: "ERROR".to_owned(),
            config: "linux-release-x86_64".to_owned(),
            r: "4.5.3".to_owned(),
            url: "https://example.org/log".to_owned(),
        };
        facts.packages.get_mut(*name).expect("it is there").checks = Checks::Bad(vec![bad]);
    }
    facts
}

/// The first `count` packages are behind CRAN.
fn behind_cran(count: usize) -> StatusFacts {
    let mut facts = ten();
    let newer = |name: &&str| ((*name).to_owned(), "2.0".to_owned());
    facts.cran = Fact::Known(NAMES[..count].iter().map(newer).collect());
    facts
}

/// Looks one after the other, from a first one at `start`.
struct Looks {
    memory: GuardMemory,
    now: Timestamp,
    confirmation: Option<Confirmation>,
}

impl Looks {
    fn from(start: &StatusFacts) -> Self {
        let mut looks =
            Self { memory: GuardMemory::default(), now: Timestamp::UNIX_EPOCH, confirmation: None };
        assert_eq!(looks.look(start).0, 0, "the first look is believed");
        looks
    }

    /// How many changes are held, and the evidence on `a`.
    fn look(&mut self, facts: &StatusFacts) -> (usize, Evidence) {
        let (held, evidence, _) = self.look_closely(facts);
        (held, evidence)
    }

    /// An hour later.
    fn look_closely(&mut self, facts: &StatusFacts) -> (usize, Evidence, Vec<String>) {
        self.now += SignedDuration::from_hours(1);
        self.look_again(facts)
    }

    /// An operator says that what is held now is real.
    fn confirm(&mut self) {
        self.confirmation = Some(Confirmation { at: self.now, changes: self.memory.held() });
    }

    /// The same look once more, as after a crash.
    fn look_again(&mut self, facts: &StatusFacts) -> (usize, Evidence, Vec<String>) {
        let own = own_findings(facts, EvidencePolicy::Guarded);
        let policy = GuardPolicy { mass_change: 0.25, confirm_after: 3 };
        let Reviewed { findings, memory, held } =
            review(&self.memory, self.now, facts, own, (policy, self.confirmation.as_ref()));
        // What is remembered is stored between two looks.
        let stored = serde_json::to_vec(&memory).expect("it can be stored");
        self.memory = serde_json::from_slice(&stored).expect("it can be read again");
        let status = channel_status(facts, &findings, EvidencePolicy::Guarded);
        (held.len(), status.packages["a"].evidence, held)
    }
}

#[test]
fn a_mass_loss_is_held_as_unknown_and_said() {
    let mut looks = Looks::from(&ten());
    let (_, evidence, held) = looks.look_closely(&with_bad_checks(4));
    assert_eq!(evidence, Evidence::Unknown);
    insta::assert_snapshot!(held.join("\n"), @"`r_cmd_check` appeared on 4 packages at once without a change of version, commit or calendar; held until 2 more observations agree.");
}

#[test]
fn a_look_that_is_taken_again_after_a_crash_counts_once() {
    let mut looks = Looks::from(&ten());
    looks.look(&with_bad_checks(4));
    for _ in 0..5 {
        assert_eq!(looks.look_again(&with_bad_checks(4)).0, 1, "still held");
    }
    assert_eq!(looks.look(&with_bad_checks(4)).0, 1, "the second look");
    assert_eq!(looks.look(&with_bad_checks(4)).0, 0, "the third one confirms it");
}

#[test]
fn it_counts_once_enough_looks_agree() {
    let mut looks = Looks::from(&ten());
    let seen: Vec<_> = (0..4).map(|_| looks.look(&with_bad_checks(4))).collect();
    let held = (1, Evidence::Unknown);
    assert_eq!(seen, [held, held, (0, Evidence::Failing), (0, Evidence::Failing)]);
}

#[test]
fn a_recovery_needs_no_confirmation() {
    let mut looks = Looks::from(&ten());
    looks.look(&without_licence(10));
    assert_eq!(looks.look(&ten()), (0, Evidence::Passing));
}

#[test]
fn flapping_nine_times_a_day_never_fails_anybody() {
    let mut looks = Looks::from(&ten());
    for _ in 0..9 {
        assert_eq!(looks.look(&without_licence(10)), (1, Evidence::Unknown));
        assert_eq!(looks.look(&ten()), (0, Evidence::Passing));
    }
}

#[test]
fn a_few_packages_are_no_mass() {
    let mut looks = Looks::from(&ten());
    assert_eq!(looks.look(&with_bad_checks(1)), (0, Evidence::Failing));
    let mut looks = Looks::from(&ten());
    assert_eq!(looks.look(&with_bad_checks(2)), (0, Evidence::Failing));
}

#[test]
fn an_issue_kind_that_vanishes_from_several_is_held_and_confirmed() {
    let mut looks = Looks::from(&with_bad_checks(5));
    let (_, evidence, held) = looks.look_closely(&ten());
    assert_eq!(evidence, Evidence::Unknown, "it neither fails nor passes");
    insta::assert_snapshot!(held.join("\n"), @"`r_cmd_check` vanished from 5 packages at once without a change of version, commit or calendar; held until 2 more observations agree.");
    assert_eq!(looks.look(&ten()), (1, Evidence::Unknown));
    assert_eq!(looks.look(&ten()), (0, Evidence::Passing));
}

#[test]
fn what_cannot_change_by_itself_is_not_believed_however_often_it_is_repeated() {
    let mut looks = Looks::from(&ten());
    for _ in 0..24 {
        assert_eq!(looks.look(&without_licence(9)), (1, Evidence::Unknown));
    }
    assert_eq!(looks.look(&ten()), (0, Evidence::Passing));
    let mut looks = Looks::from(&behind_cran(5));
    for _ in 0..24 {
        assert_eq!(looks.look(&ten()), (1, Evidence::Unknown), "the index of a frozen date is frozen");
    }
    let (_, _, held) = looks.look_closely(&ten());
    insta::assert_snapshot!(held.join("\n"), @"`cran` vanished from 5 packages at once without a change of version, commit or calendar; held until its source says again what it said before, or an operator confirms it with `tidegate guard confirm`.");
    assert_eq!(looks.look(&behind_cran(5)), (0, Evidence::Failing));
}

#[test]
fn an_operator_confirms_what_is_held_and_nothing_that_comes_later() {
    let mut looks = Looks::from(&ten());
    looks.look(&without_licence(9));
    looks.confirm();
    assert_eq!(looks.look(&without_licence(9)), (0, Evidence::Failing));
    assert_eq!(looks.look(&without_licence(9)), (0, Evidence::Failing), "it was accepted");
    assert_eq!(looks.look(&ten()).0, 1, "the way back is another change");

    let mut looks = Looks::from(&ten());
    looks.look(&without_licence(9));
    looks.confirm();
    assert_eq!(looks.look(&ten()), (0, Evidence::Passing), "the source was mended meanwhile");
    assert_eq!(looks.look(&without_licence(9)), (1, Evidence::Unknown), "the next fault is not confirmed");
}

#[test]
fn what_later_looks_confirm_is_believed_beside_what_they_cannot() {
    let mut looks = Looks::from(&ten());
    let mut both = with_bad_checks(9);
    for package in both.packages.values_mut() {
        package.foss = Some(false);
    }
    assert_eq!(looks.look(&both).0, 2);
    assert_eq!(looks.look(&both).0, 2);
    assert_eq!(looks.look(&both), (1, Evidence::Failing), "the checks count, the licences do not");
}

#[test]
fn a_look_up_that_fails_for_an_hour_lets_nobody_pass() {
    let mut looks = Looks::from(&behind_cran(5));
    let mut silent = ten();
    silent.cran = Fact::unknown("CRAN did not answer");
    for _ in 0..5 {
        assert_eq!(looks.look(&silent), (0, Evidence::Unknown));
    }
    assert_eq!(looks.look(&behind_cran(5)), (0, Evidence::Failing));
}

#[test]
fn one_package_that_is_mended_is_believed() {
    let mut looks = Looks::from(&behind_cran(5));
    let mut mended = behind_cran(5);
    mended.packages.get_mut("a").expect("it is there").version = Some("2.0".to_owned());
    assert_eq!(looks.look(&mended), (0, Evidence::Passing));
}

#[test]
fn new_versions_explain_themselves() {
    let mut looks = Looks::from(&behind_cran(5));
    let mut released = ten();
    for name in &NAMES[..5] {
        released.packages.get_mut(*name).expect("it is there").version = Some("2.0".to_owned());
    }
    assert_eq!(looks.look(&released), (0, Evidence::Passing));
}

#[test]
fn a_new_frozen_date_or_a_new_r_explains_what_comes_with_it() {
    let mut looks = Looks::from(&ten());
    let mut shock = behind_cran(8);
    shock.frozen_date = "2026-07-15".to_owned();
    assert_eq!(looks.look(&shock), (0, Evidence::Failing));

    let mut looks = Looks::from(&without_licence(8));
    let mut series = ten();
    series.r_series = "4.6".to_owned();
    series
        .packages
        .values_mut()
        .for_each(|package| package.checks = tidegate::domain::Checks::Bad(Vec::new()));
    assert_eq!(looks.look(&series), (0, Evidence::Passing));
}

#[test]
fn an_index_of_the_new_date_that_comes_late_is_still_explained_by_it() {
    let mut looks = Looks::from(&ten());
    let mut silent = ten();
    silent.frozen_date = "2026-07-15".to_owned();
    silent.cran = Fact::unknown("CRAN did not answer");
    looks.look(&silent);
    let mut shock = behind_cran(8);
    shock.frozen_date = "2026-07-15".to_owned();
    assert_eq!(looks.look(&shock), (0, Evidence::Failing));
}

#[test]
fn what_changes_between_two_suspicious_looks_is_confirmed_anew() {
    let withdrawn = |count: usize| {
        let mut facts = ten();
        let listed = |name: &&str| {
            ((*name).to_owned(), [("1.0".to_owned(), vec!["https://example.org/advisory".to_owned()])].into())
        };
        facts.advisories = Fact::Known(NAMES[..count].iter().map(listed).collect());
        facts
    };
    let mut looks = Looks::from(&ten());
    looks.look(&with_bad_checks(4));
    looks.look(&with_bad_checks(4));
    assert_eq!(looks.look(&withdrawn(4)), (1, Evidence::Unknown));
    assert_eq!(looks.look(&withdrawn(4)), (1, Evidence::Unknown));
    assert_eq!(looks.look(&withdrawn(4)), (0, Evidence::Failing));
}

#[test]
fn builds_come_and_go_without_suspicion() {
    let mut looks = Looks::from(&ten());
    let mut building = ten();
    let run = |name: &&str| ((*name).to_owned(), "https://example.org/run".to_owned());
    building.builds = Fact::Known(NAMES.iter().map(run).collect());
    assert_eq!(looks.look(&building), (0, Evidence::Pending));
    assert_eq!(looks.look(&ten()), (0, Evidence::Passing));
}
