//! When a job is due: a cron expression in a real IANA zone, or a milestone of a calendar at a time
//! of day.
//!
//! Daylight saving follows croner's rules, which are those of Vixie cron: a fixed time that falls
//! into the gap runs right after it, one that occurs twice runs once.

use std::sync::Arc;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use super::Calendar;

/// When a job is due. Nominal times are instants; the zone only matters for finding them.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// A cron expression with five fields (minute, hour, day of month, month, day of week), or one
    /// of the `@hourly` family, read in `timezone`.
    Cron {
        /// The parsed expression.
        cron: Box<Cron>,
        /// The zone in which its fields are meant.
        timezone: TimeZone,
    },
    /// The days of a calendar's milestone.
    Milestone {
        /// The calendar that knows the days.
        calendar: Arc<Calendar>,
        /// The milestone's name.
        name: String,
        /// The time of day. Where daylight saving leaves it out it is moved on by the length of the gap;
        /// where it occurs twice the first one counts.
        at: Time,
        /// The zone in which that time is meant.
        timezone: TimeZone,
    },
}

/// Why a schedule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The expression does not parse.
    #[error("`{expression}` is not a cron expression: {reason}")]
    Malformed {
        /// The expression as written.
        expression: String,
        /// croner's reason.
        reason: String,
    },
    /// The expression parses, but no date ever matches it (such as 31 February).
    #[error("`{expression}` never fires")]
    NeverFires {
        /// The expression as written.
        expression: String,
    },
    /// The calendar has no such milestone.
    #[error("the calendar has no milestone `{name}`")]
    UnknownMilestone {
        /// The name as written.
        name: String,
    },
}

impl Schedule {
    /// Parses a cron expression and proves, by a search from `probe`, that it fires at all.
    pub fn cron(expression: &str, timezone: TimeZone, probe: Timestamp) -> Result<Self, ScheduleError> {
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|error| ScheduleError::Malformed {
                expression: expression.into(),
                reason: error.to_string(),
            })?;
        let schedule = Self::Cron { cron: Box::new(cron), timezone };
        match schedule.next_after(probe) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::NeverFires { expression: expression.into() }),
        }
    }

    /// The days of the milestone `name`, at the time `at` in `timezone`.
    pub fn milestone(
        calendar: Arc<Calendar>,
        name: &str,
        at: Time,
        timezone: TimeZone,
    ) -> Result<Self, ScheduleError> {
        if calendar.milestone_names().any(|known| known == name) {
            Ok(Self::Milestone { calendar, name: name.to_owned(), at, timezone })
        } else {
            Err(ScheduleError::UnknownMilestone { name: name.to_owned() })
        }
    }

    /// The zone in which the schedule is meant.
    pub fn timezone(&self) -> &TimeZone {
        match self {
            Self::Cron { timezone, .. } | Self::Milestone { timezone, .. } => timezone,
        }
    }

    /// The first nominal time strictly after `after`, or `None` where there is none any more.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, timezone } => {
                let mut from: Zoned = after.to_zoned(timezone.clone());
                // In a fold, croner may answer with the earlier of two equal wall times, which does
                // not lie after `after`; searching on from there keeps the result strictly ascending.
                for _ in 0..16 {
                    let next = cron.find_next_occurrence(&from, false).ok()?;
                    if next.timestamp() > after && is_meant(cron, &next) {
                        return Some(next.timestamp());
                    }
                    from = next;
                }
                None
            }
            Self::Milestone { calendar, name, at, timezone } => {
                // A zone's day and the calendar's may differ, so the search begins a few days early.
                let from = after.to_zoned(TimeZone::UTC).date().saturating_sub(3.days());
                calendar
                    .milestone_days(name, from)
                    .filter_map(|day| day.to_datetime(*at).to_zoned(timezone.clone()).ok())
                    .map(|instant| instant.timestamp())
                    .find(|instant| *instant > after)
            }
        }
    }

    /// True where daylight saving moved the nominal time `at`: the wall time that the schedule names does not
    /// exist on that day.
    pub fn is_shifted(&self, at: Timestamp) -> bool {
        let wall = at.to_zoned(self.timezone().clone());
        match self {
            Self::Cron { cron, .. } => cron.is_time_matching(&wall).is_ok_and(|matches| !matches),
            Self::Milestone { at, .. } => wall.time() != *at,
        }
    }

    /// The nominal times in `(after, until]`, ascending.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next_after(after), |previous| self.next_after(*previous))
            .take_while(move |instant| *instant <= until)
    }
}

/// True where a time that croner found is one that the expression means: it matches, or a matching
/// wall time falls into the gap that it lies behind. In zones whose gap is shorter than an hour
/// (Lord Howe), croner also answers with the end of a gap that nothing fell into.
fn is_meant(cron: &Cron, found: &Zoned) -> bool {
    if cron.is_time_matching(found).unwrap_or(false) {
        return true;
    }
    let instant = found.timestamp();
    let zone = found.time_zone();
    let Some(transition) = zone.preceding(instant.saturating_add(1.second()).unwrap_or(instant)).next()
    else {
        return false;
    };
    let at = transition.timestamp();
    let before = zone.to_offset(at.saturating_sub(1.second()).unwrap_or(at));
    let (begin, end) = (before.to_datetime(at), transition.offset().to_datetime(at));
    begin
        .series(1.minute())
        .take_while(|wall| *wall < end)
        .any(|wall| cron.is_time_matching(&wall).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{MilestoneRule, Offset, PhaseRule, Promote};

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn snapshot_at(at: &str, zone: &str) -> Schedule {
        let first =
            PhaseRule { name: "all".into(), starts: Offset { month: 0, day: 15 }, promote: Promote::All };
        let snapshot = MilestoneRule { name: "snapshot".into(), on: Offset { month: 2, day: 15 } };
        let months = vec![1, 4, 7, 10];
        let calendar = Calendar::new(TimeZone::UTC, months, 15, vec![first], vec![snapshot]).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        Schedule::milestone(Arc::new(calendar), "snapshot", at.parse().unwrap(), zone).unwrap()
    }

    #[test]
    fn a_milestone_fires_once_per_cycle() {
        let schedule = snapshot_at("02:00", "UTC");
        let times: Vec<String> = schedule
            .between(instant("2025-12-15T02:00:00Z"), instant("2026-12-15T02:00:00Z"))
            .map(|time| time.to_string())
            .collect();
        let expected =
            ["2026-03-15T02:00:00Z", "2026-06-15T02:00:00Z", "2026-09-15T02:00:00Z", "2026-12-15T02:00:00Z"];
        assert_eq!(times, expected);
    }

    #[test]
    fn a_milestone_in_another_zone_keeps_its_wall_time() {
        let schedule = snapshot_at("02:00", "Pacific/Auckland");
        let next = |after: &str| schedule.next_after(instant(after)).unwrap().to_string();
        assert_eq!(next("2026-03-14T12:59:59Z"), "2026-03-14T13:00:00Z");
        assert_eq!(next("2026-03-14T13:00:00Z"), "2026-06-14T14:00:00Z");
    }

    #[test]
    fn an_unknown_milestone_is_refused() {
        let Schedule::Milestone { calendar, at, timezone, .. } = snapshot_at("02:00", "UTC") else {
            unreachable!("made as a milestone");
        };
        let error = Schedule::milestone(calendar, "snapshoot", at, timezone).unwrap_err();
        assert_eq!(error.to_string(), "the calendar has no milestone `snapshoot`");
    }

    #[test]
    fn a_date_that_does_not_exist_never_fires() {
        let probe = instant("2026-01-01T00:00:00Z");
        let error = Schedule::cron("0 6 31 2 *", TimeZone::UTC, probe).unwrap_err();
        assert_eq!(error.to_string(), "`0 6 31 2 *` never fires");
    }

    #[test]
    fn a_wall_time_in_the_gap_runs_after_it_and_a_doubled_one_once() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let schedule = Schedule::cron("30 2 * * *", paris, instant("2026-01-01T00:00:00Z")).unwrap();
        let times = |from: &str, to: &str| {
            schedule.between(instant(from), instant(to)).map(|time| time.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(times("2026-03-29T00:00:00Z", "2026-03-29T22:00:00Z"), ["2026-03-29T01:00:00Z"]);
        assert_eq!(times("2026-10-24T22:00:00Z", "2026-10-25T22:00:00Z"), ["2026-10-25T00:30:00Z"]);
    }
}
