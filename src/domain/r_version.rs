//! The order of R package versions.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An R package version: integers separated by `.` or `-`, such as `0.23.0-1`.
///
/// Ordered like R's `compareVersion`: field by field as integers, `.` and `-` are equal, and a
/// version that is the beginning of another one is the lower of the two. The text is kept as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RVersion {
    text: String,
    fields: Vec<u64>,
}

/// A text that is not an R version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an R version (integers separated by `.` or `-`)")]
pub struct MalformedRVersion(String);

impl RVersion {
    /// Parses a version. Unlike R's `package_version` a single field is allowed too, since
    /// `compareVersion` takes it.
    pub fn parse(text: &str) -> Result<Self, MalformedRVersion> {
        let text = text.trim();
        // `u64` would also parse a sign.
        let fields = text.split(['.', '-']).map(|field| match field.as_bytes().first() {
            Some(b'0'..=b'9') => field.parse::<u64>().ok(),
            _ => None,
        });
        match fields.collect::<Option<Vec<u64>>>() {
            Some(fields) if text.len() <= 128 => Ok(Self { text: text.to_owned(), fields }),
            _ => Err(MalformedRVersion(text.chars().take(128).collect())),
        }
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Major and minor field as R-universe and CRAN name them, such as `4.6` for `4.6.1`.
    pub fn minor_series(&self) -> String {
        match self.fields.as_slice() {
            [major, minor, ..] => format!("{major}.{minor}"),
            _ => self.text.clone(),
        }
    }
}

impl PartialEq for RVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for RVersion {}

impl PartialOrd for RVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.fields.cmp(&other.fields)
    }
}

impl TryFrom<String> for RVersion {
    type Error = MalformedRVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RVersion> for String {
    fn from(version: RVersion) -> Self {
        version.text
    }
}

impl fmt::Display for RVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::RVersion;
    use std::cmp::Ordering;

    fn compare(left: &str, right: &str) -> Ordering {
        RVersion::parse(left).unwrap().cmp(&RVersion::parse(right).unwrap())
    }

    #[test]
    fn fields_are_compared_as_integers() {
        assert_eq!(compare("1.10", "1.9"), Ordering::Greater);
        assert_eq!(compare("0.23.0-1", "0.23.0"), Ordering::Greater);
        assert_eq!(compare("1.3-2", "1.3.2"), Ordering::Equal);
        assert_eq!(compare("2", "2.0"), Ordering::Less);
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for text in ["", "+1", "1.", "v1.0", "1..2", "1.0rc1", "99999999999999999999"] {
            assert!(RVersion::parse(text).is_err(), "{text}");
        }
    }
}
