//! A length of time as configuration files write it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::format;

/// A length of time that is written as text, such as `20m`; derefs to [`Duration`]. Not zero, unless the
/// field that holds it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextDuration(Duration);

impl TextDuration {
    /// That many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The length itself.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Deref for TextDuration {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl fmt::Display for TextDuration {
    /// In the largest unit that needs no fraction: `7d`, `90s`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
            _ if self.0.subsec_nanos() > 0 => write!(formatter, "{}ms", self.0.as_millis()),
            Some((unit, letter)) => write!(formatter, "{}{letter}", seconds / unit),
            None => write!(formatter, "{seconds}s"),
        }
    }
}

impl FromStr for TextDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        format::duration(text).map(Self).map_err(|complaint| format!("`{text}` {}", complaint.message))
    }
}

impl<'de> Deserialize<'de> for TextDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for TextDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for TextDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "positive-duration", "examples": ["90s", "20m", "6h", "7d"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds in 0..86_400_000_000_u64) {
            let length = TextDuration(Duration::from_millis(milliseconds));
            prop_assert_eq!(format::duration(&length.to_string()), Ok(length.get()));
        }
    }

    #[test]
    fn the_largest_whole_unit_is_used() {
        let written = |seconds| TextDuration::from_secs(seconds).to_string();
        assert_eq!([0, 90, 1200, 21_600, 604_800].map(written), ["0s", "90s", "20m", "6h", "7d"]);
    }
}
