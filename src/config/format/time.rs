//! Texts that say when, or for how long.

use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};

use super::Complaint;
use crate::calendar::{Schedule, ScheduleError};
use crate::config::nearest::nearest;

/// The longest duration that makes sense here: ten years.
const LONGEST: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// Parses a length of time such as `90s`, `20m`, `6h` or `7d`; a day is 24 hours. Zero is allowed.
pub(crate) fn duration(text: &str) -> Result<Duration, Complaint> {
    let wrong = |label: &str| {
        Complaint::new("is not a length of time", label, r#"write it like "90s", "20m", "6h" or "7d""#)
    };
    let span: jiff::Span = text.parse().map_err(|_| wrong("not understood"))?;
    let signed = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong("months and years have no fixed length"))?;
    let length = Duration::try_from(signed).map_err(|_| wrong("must not be negative"))?;
    if length > LONGEST { Err(wrong("longer than ten years")) } else { Ok(length) }
}

/// Parses a date such as `2026-07-15`.
pub(crate) fn date(text: &str) -> Result<Date, Complaint> {
    let parsed = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    parsed.ok_or_else(|| Complaint::new("is not a date", "not understood", r#"write it like "2026-07-15""#))
}

/// Parses a time of day such as `02:00`.
pub(crate) fn time(text: &str) -> Result<Time, Complaint> {
    let shaped = text.len() == 5 || text.len() == 8;
    let parsed = text.parse::<Time>().ok().filter(|_| shaped && text.as_bytes()[2] == b':');
    parsed.ok_or_else(|| Complaint::new("is not a time of day", "not understood", r#"write it like "02:00""#))
}

/// Finds an IANA zone such as `Europe/Paris`.
pub(crate) fn time_zone(text: &str) -> Result<TimeZone, Complaint> {
    TimeZone::get(text).map_err(|_| {
        let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let label = match nearest(text, names.iter().map(String::as_str)) {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => "not known".to_owned(),
        };
        let hint = "name a zone of the IANA database, such as `UTC` or `Europe/Berlin`";
        Complaint::new("is not a time zone", label, hint)
    })
}

const CRON_FIELDS: [&str; 5] =
    ["minute (0-59)", "hour (0-23)", "day of month (1-31)", "month (1-12)", "day of week (0-7)"];

/// Checks that `text` is a cron expression that fires. croner's errors carry no place, so the fields
/// are tried one by one, each in an expression that is otherwise sound.
pub(super) fn cron(text: &str) -> Result<(), Complaint> {
    // Any fixed instant will do: whether an expression ever fires does not depend on today.
    let parse = |expression: &str| Schedule::cron(expression, TimeZone::UTC, Timestamp::UNIX_EPOCH);
    let Err(error) = parse(text) else { return Ok(()) };
    if matches!(error, ScheduleError::NeverFires { .. }) {
        let hint = "no date ever matches both its day and its month";
        return Err(Complaint::new("never fires", "no such date", hint));
    }
    let fields: Vec<(usize, &str)> = fields_with_places(text).collect();
    if !text.starts_with('@') && fields.len() != CRON_FIELDS.len() {
        let label = format!("{} fields instead of 5", fields.len());
        let hint = "the five fields are minute, hour, day of month, month and day of week";
        return Err(Complaint::new("is not a cron expression", label, hint));
    }
    for (index, (place, field)) in fields.iter().enumerate() {
        let mut probe = ["*"; 5];
        probe[index.min(4)] = field;
        if matches!(parse(&probe.join(" ")), Err(ScheduleError::Malformed { .. })) {
            let mut complaint = Complaint::new(
                "is not a cron expression",
                format!("not a valid {}", CRON_FIELDS[index.min(4)]),
                "the five fields are minute, hour, day of month, month and day of week",
            );
            complaint.within = Some(*place..place + field.len());
            return Err(complaint);
        }
    }
    Err(Complaint::new("is not a cron expression", "not understood", r#"write it like "17 * * * *""#))
}

fn fields_with_places(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_whitespace().map(|field| (field.as_ptr() as usize - text.as_ptr() as usize, field))
}
