//! What the light checks found in DESCRIPTIONs: each is read once, since a commit never changes.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Store;
use super::columns::{JsonText, Micros};

/// A DESCRIPTION and the package that it is to be of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DescriptionKey {
    /// `owner/name`.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// The file's path in the repository.
    pub path: String,
    /// The package.
    pub package: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptionFinding {
    /// The version; empty where it cannot be read.
    pub version: String,
    /// What speaks against it: clauses.
    pub problems: Vec<String>,
}

type Row = (String, String, String, String, String, String);

impl Store {
    /// What was found in those of `wanted` that were read by this version of the checks.
    pub async fn description_findings(
        &self,
        wanted: &[DescriptionKey],
        checks: i64,
    ) -> anyhow::Result<BTreeMap<DescriptionKey, DescriptionFinding>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT known.repository, known.commit_sha, known.path, known.package, known.version, known.problems \
             FROM json_each(?1) AS wanted JOIN description_finding AS known \
                 ON known.repository = wanted.value ->> 'repository' \
                 AND known.commit_sha = wanted.value ->> 'commit' \
                 AND known.path = wanted.value ->> 'path' AND known.package = wanted.value ->> 'package' \
             WHERE known.checks = ?2",
        )
        .bind(serde_json::to_string(wanted)?)
        .bind(checks)
        .fetch_all(&self.pool)
        .await
        .context("cannot read what was found in DESCRIPTIONs")?;
        let finding = |(repository, commit, path, package, version, problems): Row| {
            let problems = serde_json::from_str(&problems).context("a finding is damaged")?;
            Ok((
                DescriptionKey { repository, commit, path, package },
                DescriptionFinding { version, problems },
            ))
        };
        rows.into_iter().map(finding).collect()
    }

    /// Keeps what was found, in one transaction.
    pub async fn keep_description_findings(
        &self,
        found: &[(DescriptionKey, DescriptionFinding)],
        checks: i64,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        for (key, finding) in found {
            sqlx::query(
                "INSERT INTO description_finding \
                     (repository, commit_sha, path, package, checks, version, problems, at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
                 ON CONFLICT DO UPDATE SET checks = excluded.checks, version = excluded.version, \
                     problems = excluded.problems, at = excluded.at",
            )
            .bind(&key.repository)
            .bind(&key.commit)
            .bind(&key.path)
            .bind(&key.package)
            .bind(checks)
            .bind(&finding.version)
            .bind(JsonText(serde_json::to_value(&finding.problems)?))
            .bind(Micros(at))
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot keep what was found in {} of {}", key.path, key.repository))?;
        }
        Ok(write.commit().await?)
    }
}
