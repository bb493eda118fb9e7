//! The single values that a world's files are made of, each checked while it is read, so that a
//! mistake is reported at its own line and nothing unchecked becomes part of a path or an address.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::domain::{RVersion, is_commit};

/// Longer texts than this are refused in every single value.
const LONGEST: usize = 1000;

/// Defines a value that is written as a string and read by a function from `&str`.
macro_rules! written_as_text {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $read:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub(super) struct $name(pub(super) $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                if text.len() > LONGEST {
                    return Err(format!("a text of {} bytes; expected at most {LONGEST}", text.len()));
                }
                $read(&text).map($name)
            }
        }
    };
}

written_as_text!(
    /// A time such as `2026-04-15T00:00:00Z`.
    Moment(Timestamp) = moment
);
written_as_text!(
    /// A time as R-multiverse's status files print it, such as `2026-04-07 08:32:37.311 UTC`.
    Published(Timestamp) = published
);
written_as_text!(
    /// A day such as `2026-04-15`.
    Day(Date) = day
);
written_as_text!(
    /// A full commit hash.
    Commit(String) = commit
);
written_as_text!(
    /// The name of an R package.
    Name(String) = name
);
written_as_text!(
    /// The name of a channel.
    Channel(String) = channel
);
written_as_text!(
    /// A version of R or of an R package.
    Version(RVersion) = version
);
written_as_text!(
    /// The address of a git repository.
    RepositoryUrl(String) = repository_url
);
written_as_text!(
    /// What a row of packages.json may follow.
    Branch(String) = branch
);
written_as_text!(
    /// A folder inside a repository.
    Folder(String) = folder
);
written_as_text!(
    /// The address of a job of a workflow run.
    JobUrl(String) = job_url
);
written_as_text!(
    /// The address of a workflow run, or `recent`.
    BuildText(String) = build
);
written_as_text!(
    /// One line of text without control characters.
    Line(String) = line
);

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .ok()
        .filter(|_| text.ends_with('Z'))
        .ok_or_else(|| format!("`{text}` is not a time; expected UTC such as `2026-04-15T00:00:00Z`"))
}

fn published(text: &str) -> Result<Timestamp, String> {
    text.strip_suffix(" UTC")
        .filter(|time| time.len() == "2026-04-07 08:32:37.311".len())
        .and_then(|time| DateTime::strptime("%Y-%m-%d %H:%M:%S%.3f", time).ok())
        .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
        .map(|time| time.timestamp())
        .ok_or_else(|| format!("`{text}` is not a time; expected such as `2026-04-07 08:32:37.311 UTC`"))
}

fn day(text: &str) -> Result<Date, String> {
    text.parse()
        .ok()
        .filter(|_| text.len() == "2026-04-15".len())
        .ok_or_else(|| format!("`{text}` is not a date; expected such as `2026-04-15`"))
}

fn commit(text: &str) -> Result<String, String> {
    match is_commit(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is not a commit; expected 40 hexadecimal digits in lower case, found {} characters",
            text.chars().count()
        )),
    }
}

// R's own rule ("Writing R Extensions", section 1.1.1): letters, digits and dots, two characters
// at least, a letter first and no dot at the end.
fn name(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let fits = bytes.len() >= 2
        && bytes.len() <= 100
        && bytes[0].is_ascii_alphabetic()
        && bytes[bytes.len() - 1] != b'.'
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
    fits.then(|| text.to_owned()).ok_or_else(|| {
        format!("`{text}` is not a package name; expected letters, digits and dots, a letter first")
    })
}

fn channel(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("`{text}` is not a channel; expected lower-case letters, digits and hyphens"))
}

fn version(text: &str) -> Result<RVersion, String> {
    RVersion::parse(text).map_err(|problem| problem.to_string())
}

/// True for a part of a path that cannot lead elsewhere.
fn is_plain_part(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn repository_url(text: &str) -> Result<String, String> {
    let path = text.strip_prefix("https://").unwrap_or_default();
    let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    match parts.len() >= 3 && parts.iter().all(|part| is_plain_part(part)) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is not the address of a repository; expected such as `https://github.com/owner/name`"
        )),
    }
}

fn branch(text: &str) -> Result<String, String> {
    if text == "*release" || text.split('/').all(is_plain_part) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` cannot be followed; expected `*release`, a commit, or a branch or tag"))
}

fn folder(text: &str) -> Result<String, String> {
    match text.split('/').all(is_plain_part) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a folder; expected a relative path such as `r/name`")),
    }
}

/// Splits `https://github.com/<owner>/<name>/actions/runs/<number>` off, where the text begins so.
/// Gives the run's address, its number and what follows.
pub(super) fn split_run(text: &str) -> Option<(&str, u64, &str)> {
    let rest = text.strip_prefix("https://github.com/")?;
    let mut parts = rest.splitn(6, '/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let fixed = parts.next() == Some("actions") && parts.next() == Some("runs");
    let number = parts.next()?;
    if !fixed || !is_plain_part(owner) || !is_plain_part(name) {
        return None;
    }
    let tail = parts.next().unwrap_or_default();
    let end = text.len() - if tail.is_empty() { 0 } else { tail.len() + 1 };
    Some((&text[..end], digits(number)?, tail))
}

/// A number without sign, written with digits only.
fn digits(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The run's address and the job's number in the address of a job.
pub(crate) fn split_job(text: &str) -> Option<(&str, u64)> {
    let (run, _, tail) = split_run(text)?;
    Some((run, digits(tail.strip_prefix("job/")?)?))
}

fn job_url(text: &str) -> Result<String, String> {
    split_job(text).map(|_| text.to_owned()).ok_or_else(|| {
        format!("`{text}` is not the address of a job; expected `https://github.com/<owner>/<name>/actions/runs/<number>/job/<number>`")
    })
}

fn build(text: &str) -> Result<String, String> {
    let is_run = split_run(text).is_some_and(|(run, _, _)| run == text);
    (text == "recent" || is_run).then(|| text.to_owned()).ok_or_else(|| {
        format!("`{text}` is not a build; expected `recent` or `https://github.com/<owner>/<name>/actions/runs/<number>`")
    })
}

fn line(text: &str) -> Result<String, String> {
    match text.trim().is_empty() || text.chars().any(char::is_control) {
        true => Err(format!("{text:?} is not a line of text; expected one that is not empty")),
        false => Ok(text.to_owned()),
    }
}

/// A JSON object in which every key occurs once. serde's own maps let the last one win.
#[derive(Debug)]
pub(super) struct UniqueKeys<K, V>(pub(super) BTreeMap<K, V>);

impl<'de, K, V> Deserialize<'de> for UniqueKeys<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V> Visitor<'de> for Entries<K, V>
        where
            K: Deserialize<'de> + Ord + fmt::Display,
            V: Deserialize<'de>,
        {
            type Value = BTreeMap<K, V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = map.next_key::<K>()? {
                    match entries.entry(key) {
                        Entry::Vacant(free) => free.insert(map.next_value()?),
                        Entry::Occupied(taken) => {
                            return Err(de::Error::custom(format!(
                                "`{}` is here twice; expected it once",
                                taken.key()
                            )));
                        }
                    };
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

/// A row that is about one package.
pub(super) trait AboutPackage {
    /// The package's name.
    fn package(&self) -> &str;
}

/// A JSON array in which every package has one row at most.
#[derive(Debug)]
pub(super) struct UniqueRows<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de> + AboutPackage> Deserialize<'de> for UniqueRows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + AboutPackage> Visitor<'de> for Rows<T> {
            type Value = Vec<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
                let mut names = BTreeSet::new();
                let mut read = Vec::new();
                while let Some(row) = rows.next_element::<T>()? {
                    if !names.insert(row.package().to_owned()) {
                        let message = format!("`{}` is here twice; expected one row for it", row.package());
                        return Err(de::Error::custom(message));
                    }
                    read.push(row);
                }
                Ok(read)
            }
        }
        deserializer.deserialize_seq(Rows(PhantomData)).map(Self)
    }
}
