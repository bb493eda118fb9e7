//! The calendar's rules, on R-multiverse's dates and on calendars that make no sense.

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::calendar::{
    Calendar, CalendarFault, CalendarItem, MilestoneRule, Offset, PhaseRule, Promote, RRelease, RTargets,
};
use crate::domain::RVersion;

fn phase(name: &str, month: i8, day: i8, promote: Promote) -> PhaseRule {
    PhaseRule { name: name.into(), starts: Offset { month, day }, promote }
}

fn milestone(name: &str, month: i8, day: i8) -> MilestoneRule {
    MilestoneRule { name: name.into(), on: Offset { month, day } }
}

fn quarterly_phases() -> Vec<PhaseRule> {
    vec![
        phase("dependency-freeze", 0, 15, Promote::All),
        phase("candidate-freeze", 1, 15, Promote::FailingOnly),
        phase("standstill", 2, 15, Promote::None),
    ]
}

fn quarterly() -> Calendar {
    let milestones = vec![milestone("snapshot", 2, 15)];
    Calendar::new(TimeZone::UTC, vec![1, 4, 7, 10], 15, quarterly_phases(), milestones).unwrap()
}

fn faults(
    months: &[i8],
    day: i8,
    phases: Vec<PhaseRule>,
    milestones: Vec<MilestoneRule>,
) -> Vec<CalendarFault> {
    Calendar::new(TimeZone::UTC, months.to_vec(), day, phases, milestones).err().unwrap_or_default()
}

fn r_targets() -> RTargets {
    let release = |version, date| RRelease { version: RVersion::parse(version).unwrap(), date };
    RTargets {
        releases: vec![
            release("4.4.0", date(2024, 4, 24)),
            release("4.5.0", date(2025, 4, 11)),
            release("4.6.0", date(2026, 4, 24)),
        ],
        cran: "https://cran.example/{date}".into(),
        production: "https://production.example/{date}".into(),
    }
}

#[test]
fn early_january_belongs_to_the_last_cycle_of_the_year_before() {
    let point = quarterly().point_on(date(2026, 1, 14));
    assert_eq!(point.cycle_start, date(2025, 10, 15));
    assert_eq!(point.phase.name, "standstill");
    assert_eq!((point.phase.start, point.phase.end), (date(2025, 12, 15), date(2026, 1, 15)));
    assert_eq!(quarterly().point_on(date(2026, 1, 15)).cycle_start, date(2026, 1, 15));
}

#[test]
fn the_day_is_read_in_the_calendars_zone() {
    let auckland = TimeZone::get("Pacific/Auckland").unwrap();
    let phases = quarterly_phases();
    let calendar = Calendar::new(auckland, vec![1, 4, 7, 10], 15, phases, Vec::new()).unwrap();
    let noon: jiff::Timestamp = "2026-07-14T12:00:00Z".parse().unwrap();
    assert_eq!(calendar.point(noon).cycle_start, date(2026, 7, 15));
    assert_eq!(quarterly().point(noon).cycle_start, date(2026, 4, 15));
}

#[test]
fn the_targeted_r_is_the_newest_when_the_dependency_freeze_begins() {
    let r_on = |day: Date| r_targets().targets(&quarterly().point_on(day)).unwrap().r;
    // The series that R-multiverse's own snapshots name.
    assert_eq!(r_on(date(2024, 10, 15)), "4.4");
    assert_eq!(r_on(date(2025, 4, 14)), "4.4");
    assert_eq!(r_on(date(2025, 4, 15)), "4.5");
    assert_eq!(r_on(date(2026, 6, 30)), "4.5");
    assert_eq!(r_on(date(2026, 7, 15)), "4.6");
}

#[test]
fn addresses_carry_the_freeze_and_the_snapshot_day() {
    let targets = r_targets().targets(&quarterly().point_on(date(2026, 8, 20))).unwrap();
    assert_eq!(targets.cran, "https://cran.example/2026-07-15");
    assert_eq!(targets.production, "https://production.example/2026-09-15");
}

#[test]
fn a_cycle_before_every_known_r_has_no_targets() {
    let error = r_targets().targets(&quarterly().point_on(date(2020, 1, 1))).unwrap_err();
    insta::assert_snapshot!(error, @"no release of R on or before 2019-10-15 is listed under [[r.release]]");
}

#[test]
fn a_phase_that_does_not_begin_the_cycle_leaves_a_gap() {
    let phases = vec![phase("late", 0, 20, Promote::All)];
    assert_eq!(faults(&[1], 15, phases, Vec::new()), [CalendarFault::Gap { anchor_day: 15 }]);
}

#[test]
fn phases_that_do_not_ascend_overlap() {
    let phases = vec![
        phase("one", 0, 15, Promote::All),
        phase("two", 2, 1, Promote::None),
        phase("three", 1, 1, Promote::None),
    ];
    let overlap = CalendarFault::Overlap { phase: 2, name: "three".into(), previous: "two".into() };
    assert_eq!(faults(&[1], 15, phases, Vec::new()), [overlap]);
}

#[test]
fn the_shortest_cycle_decides_what_lies_within() {
    let phases = || vec![phase("one", 0, 15, Promote::All)];
    let late = || vec![milestone("snapshot", 2, 15)];
    assert_eq!(faults(&[1, 4], 15, phases(), late()), []);
    let item = CalendarItem::Milestone(0);
    let outside = CalendarFault::Outside { item, name: "snapshot".into(), length: 2 };
    assert_eq!(faults(&[1, 3], 15, phases(), late()), [outside]);
}

#[test]
fn anchors_must_exist_in_every_month() {
    let phases = || vec![phase("one", 0, 29, Promote::All)];
    assert_eq!(faults(&[1], 29, phases(), Vec::new()), [CalendarFault::Day(29)]);
    assert_eq!(faults(&[4, 1], 15, phases(), Vec::new()), [CalendarFault::Months]);
    assert_eq!(faults(&[], 15, phases(), Vec::new()), [CalendarFault::Months]);
}

#[test]
fn a_name_occurs_once() {
    let phases = vec![phase("one", 0, 15, Promote::All), phase("one", 1, 15, Promote::None)];
    let twice = CalendarFault::Twice { item: CalendarItem::Phase(1), name: "one".into() };
    assert_eq!(faults(&[1], 15, phases, Vec::new()), [twice]);
}

#[test]
fn the_ends_of_time_do_not_panic() {
    for day in [Date::MIN, Date::MAX, Date::ZERO] {
        let point = quarterly().point_on(day);
        assert!(point.cycle_start < point.next_cycle);
    }
}

/// A day between the years 1970 and 2400.
fn any_day() -> impl Strategy<Value = Date> {
    (0..157_000_i64).prop_map(|days| date(1970, 1, 1).saturating_add(days.days()))
}

/// Calendars of any shape that the rules allow.
fn any_calendar() -> impl Strategy<Value = Calendar> {
    let months = proptest::sample::subsequence((1..=12_i8).collect::<Vec<_>>(), 1..=12);
    (months, 1..=28_i8, proptest::collection::btree_set((0..12_i8, 1..=28_i8), 0..4)).prop_filter_map(
        "a calendar that is not sound",
        |(months, day, offsets)| {
            let mut phases = vec![phase("first", 0, day, Promote::All)];
            for (index, (month, day)) in offsets.into_iter().enumerate() {
                phases.push(phase(&format!("phase-{index}"), month, day, Promote::None));
            }
            Calendar::new(TimeZone::UTC, months, day, phases, Vec::new()).ok()
        },
    )
}

proptest! {
    #[test]
    fn every_day_has_exactly_one_phase(calendar in any_calendar(), day in any_day()) {
        let point = calendar.point_on(day);
        prop_assert!(point.cycle_start <= day && day < point.next_cycle);
        prop_assert!(point.phase.start <= day && day < point.phase.end);
        prop_assert!(point.phase.end <= point.next_cycle);
        let begun = point.phase_starts.values().filter(|start| **start <= day).max();
        prop_assert_eq!(begun, Some(&point.phase.start));
        prop_assert_eq!(calendar.point_on(point.next_cycle).cycle_start, point.next_cycle);
    }

    #[test]
    fn quarterly_dates_follow_upstreams_rule(day in any_day()) {
        let point = quarterly().point_on(day);
        let fifteenth_after = |start: Date| {
            let later = start.saturating_add(30.days());
            date(later.year(), later.month(), 15)
        };
        let targets_phase = |name: &str| point.phase_starts[name];
        prop_assert_eq!(targets_phase("dependency-freeze"), point.cycle_start);
        prop_assert_eq!(targets_phase("candidate-freeze"), fifteenth_after(point.cycle_start));
        prop_assert_eq!(point.milestones["snapshot"], fifteenth_after(targets_phase("candidate-freeze")));
    }
}
