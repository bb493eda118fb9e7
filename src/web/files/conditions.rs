//! Conditional requests and ranges (RFC 9110, sections 13 and 14), as far as one range at a time.

use std::ops::Range;

use http::HeaderMap;
use http::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What of a file was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes, at least one.
    Range(Range<u64>),
    /// Bytes that it does not have.
    Beyond,
}

fn text<'h>(asked: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    asked.get(name).and_then(|value| value.to_str().ok())
}

/// True where the client has what it asks for already. A date counts only where no ETag is named, and only if it
/// is the very one: a channel is switched by a link, so that a date can go backwards.
pub(super) fn is_known(asked: &HeaderMap, etag: &str, last_modified: Option<&str>) -> bool {
    let Some(known) = text(asked, &IF_NONE_MATCH) else {
        let since = text(asked, &IF_MODIFIED_SINCE).map(str::trim);
        return since.is_some() && since == last_modified;
    };
    // The weak mark does not count here: section 13.1.2.
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// What of a file of that size is asked for. Several ranges at once, and what is no range at all, count as
/// the whole, as the RFC allows; so does a range of a file that has changed since.
pub(super) fn part_of(asked: &HeaderMap, etag: &str, size: u64) -> Part {
    let Some(range) = text(asked, &RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    if text(asked, &IF_RANGE).is_some_and(|known| known != etag) || range.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    let range = match (first, last) {
        ("", last) => match number(last) {
            Some(count) => size.saturating_sub(count)..size,
            None => return Part::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Part::Whole,
        },
    };
    if range.start < range.end { Part::Range(range) } else { Part::Beyond }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str) -> Part {
        part_of(&HeaderMap::from_iter([(RANGE, range.parse().unwrap())]), "\"e\"", 10)
    }

    proptest::proptest! {
        #[test]
        fn a_range_lies_within_the_file_whatever_is_asked(text in "bytes=[0-9]{0,20}-[0-9]{0,20}", size in 0_u64..100) {
            let asked = HeaderMap::from_iter([(RANGE, text.parse().unwrap())]);
            if let Part::Range(range) = part_of(&asked, "", size) {
                proptest::prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }

    #[test]
    fn one_range_is_cut_out_and_anything_else_is_the_whole() {
        assert_eq!(part("bytes=0-3"), Part::Range(0..4));
        assert_eq!(part("bytes=8-"), Part::Range(8..10));
        assert_eq!(part("bytes=-3"), Part::Range(7..10));
        assert_eq!(part("bytes=-99"), Part::Range(0..10));
        assert_eq!(part("bytes=5-99"), Part::Range(5..10));
        for beyond in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(part(beyond), Part::Beyond, "{beyond}");
        }
        for whole in ["bytes=3-1", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes=", "bytes=+1-2"] {
            assert_eq!(part(whole), Part::Whole, "{whole}");
        }
    }
}
