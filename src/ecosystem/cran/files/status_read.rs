//! Reading `status.json`, entry by entry, straight from the text: so every error has its place.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json::{Strings, Unboxed};
use super::status::{StagingStatus, StatusEntry};
use crate::domain::{Check, Issue, PackageName};

/// All entries in the order of the file.
pub(super) struct ReadStatus<E>(pub(super) Vec<(PackageName, E)>);

impl<'de, E: Deserialize<'de>> Deserialize<'de> for ReadStatus<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StatusVisitor(PhantomData))
    }
}

struct StatusVisitor<E>(PhantomData<E>);

impl<'de, E: Deserialize<'de>> Visitor<'de> for StatusVisitor<E> {
    type Value = ReadStatus<E>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object that maps each package to its status")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(package) = fields.next_key::<PackageName>()? {
            if !seen.insert(package.clone()) {
                return Err(A::Error::custom(format!("the package `{package}` has two entries")));
            }
            // Names end up in messages on terminals.
            if package.chars().any(char::is_control) {
                let shown = package.escape_debug();
                return Err(A::Error::custom(format!("`{shown}` is not the name of a package")));
            }
            entries.push((package, fields.next_value()?));
        }
        Ok(ReadStatus(entries))
    }
}

/// An entry of which only the staging rule's two fields are looked at.
pub(super) struct EntryForStaging(pub(super) StagingStatus);

impl<'de> Deserialize<'de> for EntryForStaging {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(expecting = "the status of a package, with `success`")]
        struct TwoFields {
            success: Unboxed<bool>,
            #[serde(default)]
            remote_hash: Unboxed<String>,
        }
        let entry = TwoFields::deserialize(deserializer)?;
        let success = entry.success.0.ok_or_else(|| D::Error::custom("`success` is empty"))?;
        Ok(Self(StagingStatus { success, remote_hash: entry.remote_hash.0 }))
    }
}

/// A whole entry.
pub(super) struct ReadEntry(pub(super) StatusEntry);

impl<'de> Deserialize<'de> for ReadEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = ReadEntry;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the status of a package, with `success`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ReadEntry, A::Error> {
        let mut entry = StatusEntry::default();
        let mut success = None;
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "success" => success = fields.next_value::<Unboxed<bool>>()?.0,
                "published" => entry.published = fields.next_value::<Unboxed<String>>()?.0,
                "version" => entry.version = fields.next_value::<Unboxed<String>>()?.0,
                "remote_hash" => entry.remote_hash = fields.next_value::<Unboxed<String>>()?.0,
                kind => entry.issues.extend(read_issue(kind, &mut fields)?),
            }
        }
        entry.success = success.ok_or_else(|| A::Error::missing_field("success"))?;
        Ok(ReadEntry(entry))
    }
}

fn read_issue<'de, A: MapAccess<'de>>(kind: &str, fields: &mut A) -> Result<Option<Issue>, A::Error> {
    Ok(match kind {
        "advisories" => Some(Issue::Advisories(fields.next_value::<Strings>()?.0)),
        "license" => fields.next_value::<Unboxed<String>>()?.0.map(Issue::License),
        "r_cmd_check" => Some(Issue::RCmdCheck(fields.next_value::<Checks>()?.0)),
        "remotes" => Some(Issue::Remotes(fields.next_value::<Strings>()?.0)),
        "synchronization" => fields.next_value::<Unboxed<String>>()?.0.map(Issue::Synchronization),
        "cran" => fields.next_value::<Unboxed<String>>()?.0.map(Issue::Cran),
        "versions" => Some(fields.next_value::<Versions>()?.into()),
        "dependencies" => {
            let paths: BTreeMap<PackageName, Strings> = fields.next_value()?;
            Some(Issue::Dependencies(paths.into_iter().map(|(bad, via)| (bad, via.0)).collect()))
        }
        _ => {
            fields.next_value::<IgnoredAny>()?;
            None
        }
    })
}

#[derive(serde::Deserialize)]
struct Versions {
    #[serde(default)]
    version_current: Unboxed<String>,
    #[serde(default)]
    hash_current: Unboxed<String>,
    #[serde(default)]
    version_highest: Unboxed<String>,
    #[serde(default)]
    hash_highest: Unboxed<String>,
}

impl From<Versions> for Issue {
    fn from(versions: Versions) -> Self {
        Self::Versions {
            version_current: versions.version_current.0,
            hash_current: versions.hash_current.0,
            version_highest: versions.version_highest.0,
            hash_highest: versions.hash_highest.0,
        }
    }
}

/// Check results: an array of records, or (until mid-2025) an object with the results by platform
/// under `issues` and one address for all of them under `url`.
struct Checks(Vec<Check>);

impl<'de> Deserialize<'de> for Checks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChecksVisitor)
    }
}

struct ChecksVisitor;

impl<'de> Visitor<'de> for ChecksVisitor {
    type Value = Checks;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of checks, or an object with `issues` and `url`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checks, A::Error> {
        let mut checks = Vec::new();
        while let Some(check) = items.next_element::<ReadCheck>()? {
            checks.push(Check {
                check: check.check.0.ok_or_else(|| A::Error::missing_field("check"))?,
                config: check.config.0.unwrap_or_default(),
                r: check.r.0.unwrap_or_default(),
                url: check.url.0.unwrap_or_default(),
            });
        }
        Ok(Checks(checks))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Checks, A::Error> {
        let mut results: BTreeMap<String, Unboxed<String>> = BTreeMap::new();
        let mut url = String::new();
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "issues" => results = fields.next_value()?,
                "url" => url = fields.next_value::<Unboxed<String>>()?.0.unwrap_or_default(),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        let checks = results.into_iter().map(|(platform, result)| {
            let (config, r) = platform.rsplit_once(" R-").unwrap_or((&platform, ""));
            let check = result.0.unwrap_or_default();
            Check { check, config: config.to_owned(), r: r.to_owned(), url: url.clone() }
        });
        Ok(Checks(checks.collect()))
    }
}

#[derive(serde::Deserialize)]
struct ReadCheck {
    check: Unboxed<String>,
    #[serde(default)]
    config: Unboxed<String>,
    #[serde(default)]
    r: Unboxed<String>,
    #[serde(default)]
    url: Unboxed<String>,
}
