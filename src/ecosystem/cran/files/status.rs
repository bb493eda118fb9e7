//! `status.json`: what a universe says about each package, boxed as jsonlite boxes it.

use serde_json::{Map, Value, json};

use super::ByName;
use super::json::{self, MalformedFile};
use super::status_read::{EntryForStaging, ReadEntry, ReadStatus};
use crate::domain::{Assessment, ChannelStatus, Evidence, Issue};

/// What `status.json` says about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusEntry {
    /// True where there is no issue.
    pub success: bool,
    /// When the universe published it, as upstream prints it: `2026-08-04 21:18:14.319 UTC`.
    /// None for a package that was never built.
    pub published: Option<String>,
    /// The version that the universe has.
    pub version: Option<String>,
    /// The commit that the universe built.
    pub remote_hash: Option<String>,
    /// The issues, at most one of each kind.
    pub issues: Vec<Issue>,
}

/// All that the staging rule needs of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingStatus {
    /// True where there is no issue.
    pub success: bool,
    /// The commit that the universe built.
    pub remote_hash: Option<String>,
}

/// A `status.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusFile(pub ByName<StatusEntry>);

const EXPECTED: &str = "an object that maps each package to its status";

impl StatusFile {
    /// A status as upstream writes it. Upstream knows two states: what is pending or unknown is not a failure, so it
    /// succeeds there.
    pub fn of(status: &ChannelStatus) -> Self {
        let entry = |assessment: &Assessment| StatusEntry {
            success: assessment.evidence != Evidence::Failing,
            published: assessment.published.clone(),
            version: assessment.version.clone(),
            remote_hash: assessment.commit.clone(),
            issues: assessment.issues.clone(),
        };
        Self(status.packages.iter().map(|(package, known)| (package.clone(), entry(known))).collect())
    }

    /// Reads a file; `file` names it in messages. Takes boxed and plain scalars, the older shape of
    /// `r_cmd_check` (an object by platform), and ignores fields it does not know.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, MalformedFile> {
        let entries: ReadStatus<ReadEntry> = json::read(file, bytes, EXPECTED)?;
        Ok(Self(entries.0.into_iter().map(|(package, entry)| (package, entry.0)).collect()))
    }

    /// Reads only what the staging rule needs, so that no change in the shape of an issue can stop it.
    pub fn read_for_staging(file: &str, bytes: &[u8]) -> Result<ByName<StagingStatus>, MalformedFile> {
        let entries: ReadStatus<EntryForStaging> = json::read(file, bytes, EXPECTED)?;
        Ok(entries.0.into_iter().map(|(package, entry)| (package, entry.0)).collect())
    }

    /// The file's text as upstream would write it.
    pub fn write(&self) -> String {
        let entries = self.0.iter().map(|(package, entry)| (package.clone(), written_entry(entry)));
        json::write(&Value::Object(entries.collect()))
    }
}

fn written_entry(entry: &StatusEntry) -> Value {
    let mut fields = Map::new();
    fields.insert("success".to_owned(), json!([entry.success]));
    // A package that only the version ledger knows gets an entry without these three.
    if entry.published.is_some() || entry.version.is_some() || entry.remote_hash.is_some() {
        fields.insert("published".to_owned(), json!([entry.published]));
        fields.insert("version".to_owned(), json!([entry.version]));
        fields.insert("remote_hash".to_owned(), json!([entry.remote_hash]));
    }
    let mut issues: Vec<&Issue> = entry.issues.iter().collect();
    issues.sort_by_key(|issue| rank(issue));
    fields.extend(issues.into_iter().map(written_issue));
    Value::Object(fields)
}

/// The order in which upstream's producers add their fields.
fn rank(issue: &Issue) -> u8 {
    match issue {
        Issue::Advisories(_) => 0,
        Issue::License(_) => 1,
        Issue::RCmdCheck(_) => 2,
        Issue::Remotes(_) => 3,
        Issue::Synchronization(_) => 4,
        Issue::Cran(_) => 5,
        Issue::Versions { .. } => 6,
        Issue::Dependencies(_) => 7,
    }
}

fn written_issue(issue: &Issue) -> (String, Value) {
    let (kind, value) = match issue {
        Issue::Advisories(addresses) => ("advisories", json!(addresses)),
        Issue::License(license) => ("license", json!([license])),
        Issue::RCmdCheck(checks) => ("r_cmd_check", json!(checks)),
        Issue::Remotes(remotes) => ("remotes", json!(remotes)),
        Issue::Synchronization(build) => ("synchronization", json!([build])),
        Issue::Cran(version) => ("cran", json!([version])),
        Issue::Versions { version_current, hash_current, version_highest, hash_highest } => (
            "versions",
            json!({
                "version_current": [version_current],
                "hash_current": [hash_current],
                "version_highest": [version_highest],
                "hash_highest": [hash_highest],
            }),
        ),
        Issue::Dependencies(paths) => {
            let paths: ByName<Value> = paths.iter().map(|(bad, via)| (bad.clone(), json!(via))).collect();
            let fields = paths.iter().map(|(bad, via)| (bad.clone(), via.clone())).collect();
            ("dependencies", Value::Object(fields))
        }
    };
    (kind.to_owned(), value)
}
