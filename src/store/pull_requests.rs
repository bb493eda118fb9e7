//! What we know of the pull requests that we opened.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::Store;
use super::columns::{JsonText, MaybeMicros, Micros};

/// Where a pull request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(rename_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum PullRequestState {
    /// Open, and ours to update.
    Open,
    /// Merged.
    Merged,
    /// Closed unmerged: a no, for these versions.
    Closed,
    /// Open, and somebody else committed to its branch: we leave it alone.
    HandsOff,
    /// Closed by ourselves, asked for again by a person, or gone: a no to nothing.
    Withdrawn,
}

/// One pull request of ours.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PullRequest {
    /// `owner/name`.
    pub repository: String,
    /// The branch it comes from.
    pub branch: String,
    /// GitHub's number, once there is one.
    pub number: Option<i64>,
    /// The idempotency key of the proposal.
    pub key: String,
    /// The packages it moves, and the version it moves each to.
    pub versions: BTreeMap<String, String>,
    /// The commits it moves them to.
    pub commits: BTreeMap<String, String>,
    /// What it changes, whatever base it applies to.
    pub fingerprint: String,
    /// The digest of the title and body that we gave it last.
    pub text_digest: String,
    /// Where it stands.
    pub state: PullRequestState,
    /// The commit that we pushed.
    pub head_oid: String,
    /// The commit it was built on.
    pub base_oid: String,
    /// Its title.
    pub title: String,
    /// When we opened it.
    pub opened_at: Timestamp,
    /// When we last changed it or saw it change.
    pub updated_at: Timestamp,
    /// When it was merged or closed.
    pub finished_at: Option<Timestamp>,
    /// True once its labels, reviewers and the like were asked for.
    #[serde(skip)]
    pub is_dressed: bool,
    /// Where a person took it over: the newer commits that a comment on it told of last, by package.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, String>,
}

#[derive(FromRow)]
struct Row {
    repository: String,
    branch: String,
    number: Option<i64>,
    key: String,
    #[sqlx(try_from = "JsonText")]
    versions: Value,
    #[sqlx(try_from = "JsonText")]
    commits: Value,
    fingerprint: String,
    text_digest: String,
    state: PullRequestState,
    head_oid: String,
    base_oid: String,
    title: String,
    #[sqlx(try_from = "Micros")]
    opened_at: Timestamp,
    #[sqlx(try_from = "Micros")]
    updated_at: Timestamp,
    #[sqlx(try_from = "MaybeMicros")]
    finished_at: Option<Timestamp>,
    is_dressed: bool,
    #[sqlx(try_from = "JsonText")]
    told: Value,
}

impl TryFrom<Row> for PullRequest {
    type Error = anyhow::Error;

    fn try_from(row: Row) -> anyhow::Result<Self> {
        let by_package = |value| {
            serde_json::from_value(value)
                .with_context(|| format!("the packages of {} in {} are damaged", row.branch, row.repository))
        };
        let (versions, commits, told) =
            (by_package(row.versions)?, by_package(row.commits)?, by_package(row.told)?);
        Ok(Self {
            repository: row.repository,
            branch: row.branch,
            number: row.number,
            key: row.key,
            versions,
            commits,
            fingerprint: row.fingerprint,
            text_digest: row.text_digest,
            state: row.state,
            head_oid: row.head_oid,
            base_oid: row.base_oid,
            title: row.title,
            opened_at: row.opened_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            is_dressed: row.is_dressed,
            told,
        })
    }
}

impl Store {
    /// Saves a pull request under its repository, branch and number. One that was saved without a
    /// number gets its number here instead of becoming two.
    pub async fn save_pull_request(&self, pull_request: &PullRequest) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let known: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM pull_request WHERE repository = ?1 AND branch = ?2 \
             AND (number IS ?3 OR number IS NULL) ORDER BY number IS NULL LIMIT 1",
        )
        .bind(&pull_request.repository)
        .bind(&pull_request.branch)
        .bind(pull_request.number)
        .fetch_optional(&mut *write)
        .await?;
        sqlx::query(
            "INSERT INTO pull_request (id, repository, branch, number, key, versions, commits, fingerprint, \
                 text_digest, state, head_oid, base_oid, title, opened_at, updated_at, finished_at, is_dressed, told) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET number = excluded.number, key = excluded.key, \
                 versions = excluded.versions, commits = excluded.commits, \
                 fingerprint = excluded.fingerprint, text_digest = excluded.text_digest, state = excluded.state, head_oid = excluded.head_oid, \
                 base_oid = excluded.base_oid, title = excluded.title, updated_at = excluded.updated_at, \
                 finished_at = excluded.finished_at, is_dressed = excluded.is_dressed, told = excluded.told",
        )
        .bind(known)
        .bind(&pull_request.repository)
        .bind(&pull_request.branch)
        .bind(pull_request.number)
        .bind(&pull_request.key)
        .bind(serde_json::to_string(&pull_request.versions)?)
        .bind(serde_json::to_string(&pull_request.commits)?)
        .bind(&pull_request.fingerprint)
        .bind(&pull_request.text_digest)
        .bind(pull_request.state)
        .bind(&pull_request.head_oid)
        .bind(&pull_request.base_oid)
        .bind(&pull_request.title)
        .bind(Micros(pull_request.opened_at))
        .bind(Micros(pull_request.updated_at))
        .bind(pull_request.finished_at.map(Micros))
        .bind(pull_request.is_dressed)
        .bind(serde_json::to_string(&pull_request.told)?)
        .execute(&mut *write)
        .await
        .with_context(|| {
            format!("cannot save the pull request of {} in {}", pull_request.branch, pull_request.repository)
        })?;
        Ok(write.commit().await?)
    }

    /// The newest pull request from `branch`, whatever became of it.
    pub async fn newest_pull_request(
        &self,
        repository: &str,
        branch: &str,
    ) -> anyhow::Result<Option<PullRequest>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT * FROM pull_request WHERE repository = ? AND branch = ? ORDER BY id DESC LIMIT 1",
        )
        .bind(repository)
        .bind(branch)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read the pull requests of {repository}"))?;
        row.map(PullRequest::try_from).transpose()
    }

    /// The pull request with that number.
    pub async fn pull_request(&self, repository: &str, number: u64) -> anyhow::Result<Option<PullRequest>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT * FROM pull_request WHERE repository = ? AND number = ? ORDER BY id LIMIT 1",
        )
        .bind(repository)
        .bind(i64::try_from(number).context("a pull request with such a number cannot be")?)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read the pull requests of {repository}"))?;
        row.map(PullRequest::try_from).transpose()
    }

    /// Every pull request of ours that is open, by repository and number.
    pub async fn open_pull_requests(&self) -> anyhow::Result<Vec<PullRequest>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM pull_request WHERE state IN ('open', 'hands-off') ORDER BY repository, number, id",
        )
        .fetch_all(&self.pool)
        .await
        .context("cannot read the open pull requests")?;
        rows.into_iter().map(PullRequest::try_from).collect()
    }

    /// Every pull request of ours in `repository`, by branch and then by age.
    pub async fn pull_requests(&self, repository: &str) -> anyhow::Result<Vec<PullRequest>> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM pull_request WHERE repository = ? ORDER BY branch, id")
                .bind(repository)
                .fetch_all(&self.pool)
                .await
                .with_context(|| format!("cannot read the pull requests of {repository}"))?;
        rows.into_iter().map(PullRequest::try_from).collect()
    }
}
