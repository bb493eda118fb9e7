//! When a job is due: a cron expression in a real IANA zone, or a fixed list of instants that a
//! milestone of the calendar gives.
//!
//! Daylight saving follows croner's rules, which are those of Vixie cron: a fixed time that falls
//! into the gap runs right after it, one that occurs twice runs once.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

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
    /// Instants that were computed from a calendar, ascending.
    Instants(Vec<Timestamp>),
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

    /// The first nominal time strictly after `after`, or `None` where there is none any more.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, timezone } => {
                let mut from: Zoned = after.to_zoned(timezone.clone());
                // In a fold, croner may answer with the earlier of two equal wall times, which does
                // not lie after `after`; searching on from there keeps the result strictly ascending.
                for _ in 0..4 {
                    let next = cron.find_next_occurrence(&from, false).ok()?;
                    if next.timestamp() > after {
                        return Some(next.timestamp());
                    }
                    from = next;
                }
                None
            }
            Self::Instants(instants) => instants.iter().copied().find(|instant| *instant > after),
        }
    }

    /// The nominal times in `(after, until]`, ascending.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next_after(after), |previous| self.next_after(*previous))
            .take_while(move |instant| *instant <= until)
    }
}
