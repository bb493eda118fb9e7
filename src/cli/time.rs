//! Times as they are given on the command line.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::CommandError;

/// A time as given: an instant, or a day without a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenTime {
    Instant(Timestamp),
    Day(Date),
}

/// Parses an RFC 3339 time or a bare date, for clap. The years are limited to those in which calendars
/// and zones mean something.
pub(super) fn parse(text: &str) -> Result<GivenTime, String> {
    let wanted =
        || format!("`{text}` is neither a time like 2026-09-15T02:00:00Z nor a date like 2026-09-15");
    let given = match text.parse::<Timestamp>() {
        Ok(instant) => GivenTime::Instant(instant),
        Err(_) if text.len() > 10 => return Err(wanted()),
        Err(_) => GivenTime::Day(text.parse().map_err(|_| wanted())?),
    };
    let year = match given {
        GivenTime::Instant(instant) => instant.to_zoned(TimeZone::UTC).year(),
        GivenTime::Day(day) => day.year(),
    };
    if (1970..=9000).contains(&year) { Ok(given) } else { Err(format!("the year {year} is not supported")) }
}

impl GivenTime {
    /// The instant that is meant; a day begins at its midnight in `timezone`.
    pub(super) fn instant(self, timezone: &TimeZone) -> Result<Timestamp, CommandError> {
        match self {
            Self::Instant(instant) => Ok(instant),
            Self::Day(day) => {
                let midnight = day.to_zoned(timezone.clone());
                let midnight = midnight.map_err(|error| CommandError::invalid(error.to_string()))?;
                Ok(midnight.timestamp())
            }
        }
    }
}
