//! Pieces of the texts of issues, whatever they tell of: names, days and lists within limits, since GitHub takes no
//! text above 65,536 characters.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::words::counted;
use crate::github::markdown::{code, escape};

/// The longest name, version or change that is shown whole, in characters.
const NAME: usize = 120;
/// The longest clause that is shown whole, in characters.
const CLAUSE: usize = 600;
/// The longest title of a distribution that is shown whole, in characters.
const TITLE: usize = 100;

/// A name, a version or a change.
pub(super) fn name(text: &str) -> String {
    code(&clipped(text, NAME))
}

/// A clause that people read, with what came from outside in it.
pub(super) fn clause(text: &str) -> String {
    escape(&clipped(text, CLAUSE))
}

/// A day of UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

/// The first `most` characters.
pub(super) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name as a title may hold it, where nothing is markup.
pub(super) fn in_title(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TITLE).collect()
}

/// Whole lines up to `most` bytes; those that are left are counted as `thing`s in a last one.
pub(super) fn lines(lines: impl IntoIterator<Item = String>, most: usize, thing: &str) -> String {
    let (mut text, mut left) = (String::new(), 0);
    for line in lines {
        // What is left out is a whole tail, so that nobody takes a gap for "nothing".
        match left > 0 || text.len() + line.len() > most {
            true => left += 1,
            false => text += &line,
        }
    }
    if left > 0 {
        text += &format!("- and {}\n", counted(left, &format!("more {thing}")));
    }
    text
}
