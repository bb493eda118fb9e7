//! A distribution's calendar: a cycle that repeats on anchor days, the phases it is cut into, and
//! its milestones.
//!
//! A [`Calendar`] is written as rules relative to a cycle's first month, and proven sound once, when
//! it is made. After that every date has exactly one cycle and exactly one phase.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The years a calendar answers for; a date outside is read as the nearest date inside, so that no
/// date can overflow.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9990;

/// What may be promoted in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Promote {
    /// Every admissible release.
    All,
    /// Only newer releases of packages that fail, by themselves or through a dependency.
    FailingOnly,
    /// Nothing.
    None,
}

/// A day inside a cycle, counted from the cycle's first month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// Months after the month in which the cycle begins; 0 is that month itself.
    #[schemars(range(min = 0, max = 12))]
    pub month: i8,
    /// Day of that month, 1 to 28, so that every month has it.
    #[schemars(range(min = 1, max = 28))]
    pub day: i8,
}

/// A phase as the rules state it. It ends where the next one begins; the last one ends with the cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseRule {
    /// The phase's name, such as `candidate-freeze`: lower-case letters, digits and hyphens.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Its first day, as an offset such as `{ month = 1, day = 15 }`.
    pub starts: Offset,
    /// What may be promoted in it.
    pub promote: Promote,
}

/// A milestone as the rules state it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MilestoneRule {
    /// The milestone's name, such as `snapshot`: lower-case letters, digits and hyphens.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Its day, as an offset such as `{ month = 2, day = 15 }`.
    pub on: Offset,
}

/// Why rules do not make a calendar. The numbers are places in the lists as they were given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarFault {
    /// The anchor's months are not one or more of 1 to 12, ascending and each once.
    #[error("the months of a calendar are numbers from 1 to 12, ascending, each once")]
    Months,
    /// The anchor's day does not exist in every month.
    #[error("day {0} does not exist in every month")]
    Day(i8),
    /// There is no phase at all.
    #[error("a calendar needs at least one phase")]
    NoPhase,
    /// The first phase leaves the beginning of the cycle uncovered.
    #[error("the first phase must begin with the cycle, on month 0, day {anchor_day}")]
    Gap {
        /// The day on which cycles begin.
        anchor_day: i8,
    },
    /// A phase does not begin after the one before it.
    #[error("phase `{name}` does not begin after phase `{previous}`: they overlap")]
    Overlap {
        /// Place of the phase in the list.
        phase: usize,
        /// Its name.
        name: String,
        /// The phase before it.
        previous: String,
    },
    /// A phase or milestone lies outside the shortest cycle.
    #[error("`{name}` does not lie within the cycle, which has {length} months")]
    Outside {
        /// What it is, and its place in its list.
        item: CalendarItem,
        /// Its name.
        name: String,
        /// Months in the shortest cycle.
        length: i8,
    },
    /// Two phases, or two milestones, have the same name.
    #[error("`{name}` occurs twice")]
    Twice {
        /// The second of the two.
        item: CalendarItem,
        /// The name.
        name: String,
    },
}

/// One of a calendar's rules, by its place in its list (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarItem {
    /// A phase.
    Phase(usize),
    /// A milestone.
    Milestone(usize),
}

/// One phase of one cycle: `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The phase's name.
    pub name: String,
    /// What may be promoted in it.
    pub promote: Promote,
    /// Its first day.
    pub start: Date,
    /// The day after its last day.
    pub end: Date,
}

/// Where a date lies in its cycle. All dates are days in the calendar's zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CyclePoint {
    /// The first day of the cycle.
    pub cycle_start: Date,
    /// The phase that the date lies in.
    pub phase: Phase,
    /// The cycle's milestones by name.
    pub milestones: BTreeMap<String, Date>,
    /// The first day of each of the cycle's phases, by name.
    pub phase_starts: BTreeMap<String, Date>,
    /// The first day of the next cycle.
    pub next_cycle: Date,
}

/// A sound calendar.
#[derive(Clone, Debug)]
pub struct Calendar {
    timezone: TimeZone,
    months: Vec<i8>,
    day: i8,
    phases: Vec<PhaseRule>,
    milestones: Vec<MilestoneRule>,
}

impl Calendar {
    /// Makes a calendar whose cycles begin on `day` of each of `months`, in `timezone`; or says
    /// everything that is wrong with the rules.
    pub fn new(
        timezone: TimeZone,
        months: Vec<i8>,
        day: i8,
        phases: Vec<PhaseRule>,
        milestones: Vec<MilestoneRule>,
    ) -> Result<Self, Vec<CalendarFault>> {
        let calendar = Self { timezone, months, day, phases, milestones };
        let faults = calendar.faults();
        if faults.is_empty() { Ok(calendar) } else { Err(faults) }
    }

    fn faults(&self) -> Vec<CalendarFault> {
        let mut faults = Vec::new();
        let ascending = self.months.windows(2).all(|pair| pair[0] < pair[1]);
        let months = !self.months.is_empty() && ascending;
        let months = months && self.months.iter().all(|month| (1..=12).contains(month));
        if !months {
            faults.push(CalendarFault::Months);
        }
        if !(1..=28).contains(&self.day) {
            faults.push(CalendarFault::Day(self.day));
        }
        if faults.is_empty() {
            self.phase_faults(&mut faults);
            self.item_faults(&mut faults);
        }
        faults
    }

    fn phase_faults(&self, faults: &mut Vec<CalendarFault>) {
        match self.phases.first() {
            None => faults.push(CalendarFault::NoPhase),
            Some(first) if first.starts != (Offset { month: 0, day: self.day }) => {
                faults.push(CalendarFault::Gap { anchor_day: self.day });
            }
            Some(_) => {}
        }
        for (index, pair) in self.phases.windows(2).enumerate() {
            if pair[1].starts <= pair[0].starts {
                faults.push(CalendarFault::Overlap {
                    phase: index + 1,
                    name: pair[1].name.clone(),
                    previous: pair[0].name.clone(),
                });
            }
        }
    }

    /// Names that occur twice, and days that do not lie in every cycle. Cycles may differ in length
    /// (anchors in January and March), so the shortest one decides.
    fn item_faults(&self, faults: &mut Vec<CalendarFault>) {
        let length = (0..self.months.len()).map(|index| self.cycle_length(index)).min().unwrap_or(12);
        let begin = Offset { month: 0, day: self.day };
        let end = Offset { month: length, day: self.day };
        let mut names = BTreeSet::new();
        for (item, name, offset) in self.items() {
            if offset >= end || (offset < begin && matches!(item, CalendarItem::Milestone(_))) {
                faults.push(CalendarFault::Outside { item, name: name.to_owned(), length });
            }
            if !names.insert((matches!(item, CalendarItem::Phase(_)), name)) {
                faults.push(CalendarFault::Twice { item, name: name.to_owned() });
            }
        }
    }

    fn items(&self) -> impl Iterator<Item = (CalendarItem, &str, Offset)> {
        let phases = self.phases.iter().enumerate();
        let phases = phases.map(|(index, rule)| (CalendarItem::Phase(index), &*rule.name, rule.starts));
        let milestones = self.milestones.iter().enumerate();
        phases.chain(milestones.map(|(index, rule)| (CalendarItem::Milestone(index), &*rule.name, rule.on)))
    }

    /// Months from the anchor at `index` to the next one; a single anchor repeats after a year.
    fn cycle_length(&self, index: usize) -> i8 {
        let next = self.months.get(index + 1).copied().unwrap_or(self.months[0] + 12);
        next - self.months[index]
    }

    /// The zone in which dates are read.
    pub fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    /// The names of the milestones, in the order in which they were given.
    pub fn milestone_names(&self) -> impl Iterator<Item = &str> {
        self.milestones.iter().map(|rule| rule.name.as_str())
    }

    /// Everything that the days of the milestone `name` depend on, as one line of text; `None` where there
    /// is no such milestone.
    pub fn describe_milestone(&self, name: &str) -> Option<String> {
        let rule = self.milestones.iter().find(|rule| rule.name == name)?;
        let Offset { month, day } = rule.on;
        let (anchors, anchor_day) = (&self.months, self.day);
        Some(format!("month {month} day {day} of the cycles of months {anchors:?} day {anchor_day}"))
    }

    /// The names of the phases, in order.
    pub fn phase_names(&self) -> impl Iterator<Item = &str> {
        self.phases.iter().map(|rule| rule.name.as_str())
    }

    /// Where the instant `at` lies: its date is read in the calendar's zone.
    pub fn point(&self, at: Timestamp) -> CyclePoint {
        self.point_on(at.to_zoned(self.timezone.clone()).date())
    }

    /// Where the day `day` lies. A day before its year's first anchor belongs to the last cycle of the
    /// year before.
    pub fn point_on(&self, day: Date) -> CyclePoint {
        let cycle_start = self.cycle_start(day);
        let next_cycle = self.following_cycle(cycle_start);
        let starts: Vec<Date> = self.phases.iter().map(|rule| place(cycle_start, rule.starts)).collect();
        let day = day.clamp(cycle_start, next_cycle);
        // The first phase begins with the cycle, so a phase that has begun always exists.
        let current = starts.iter().rposition(|start| *start <= day).unwrap_or(0);
        let rule = &self.phases[current];
        CyclePoint {
            cycle_start,
            phase: Phase {
                name: rule.name.clone(),
                promote: rule.promote,
                start: starts[current],
                end: starts.get(current + 1).copied().unwrap_or(next_cycle),
            },
            milestones: self
                .milestones
                .iter()
                .map(|rule| (rule.name.clone(), place(cycle_start, rule.on)))
                .collect(),
            phase_starts: self.phases.iter().map(|rule| rule.name.clone()).zip(starts).collect(),
            next_cycle,
        }
    }

    /// The days of the milestone `name` from the cycle before the one that `day` lies in, ascending and
    /// without end (the supported years aside). Nothing where there is no such milestone.
    pub(super) fn milestone_days(&self, name: &str, day: Date) -> impl Iterator<Item = Date> + '_ {
        let rule = self.milestones.iter().find(|rule| rule.name == name);
        let current = self.cycle_start(day);
        let first = self.cycle_start(current.saturating_sub(1.day()));
        let cycles = std::iter::successors(Some(first), |start| {
            Some(self.following_cycle(*start)).filter(|next| next > start && YEARS.contains(&next.year()))
        });
        rule.into_iter().flat_map(move |rule| cycles.clone().map(|start| place(start, rule.on)))
    }

    fn cycle_start(&self, day: Date) -> Date {
        let day = day.clamp(date(*YEARS.start() + 1, 1, 1), date(*YEARS.end(), 12, 31));
        let this_year = self.months.iter().rev().map(|month| date(day.year(), *month, self.day));
        // The list of months is never empty: `new` refuses that.
        let last = self.months[self.months.len() - 1];
        this_year.into_iter().find(|start| *start <= day).unwrap_or(date(day.year() - 1, last, self.day))
    }

    fn following_cycle(&self, start: Date) -> Date {
        let index = self.months.iter().position(|month| *month == start.month()).unwrap_or(0);
        place(start, Offset { month: self.cycle_length(index), day: self.day })
    }
}

/// The day that `offset` means in the cycle that begins on `start`.
fn place(start: Date, offset: Offset) -> Date {
    let months = i16::from(start.month()) - 1 + i16::from(offset.month);
    let month = i8::try_from(months % 12 + 1).expect("a remainder of 12 fits");
    date(start.year() + months / 12, month, offset.day)
}

#[cfg(test)]
#[path = "cycle_tests.rs"]
mod tests;
