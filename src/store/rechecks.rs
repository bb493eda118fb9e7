//! Tests of packages on engines: which file in which environment, with which result. A row is written before
//! the test is handed to an engine, so that no crash forgets a test that runs.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use sqlx::FromRow;

use super::Store;
use super::blobs::{digest_of, insert_blob};
use super::columns::{MaybeMicros, Micros};
use super::runs::RunId;
use crate::domain::{Build, Environment, TestVerdict};

/// A test's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, serde::Serialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct RecheckTestId(pub i64);

/// A test that is about to begin.
#[derive(Clone, Debug)]
pub struct NewRecheckTest<'a> {
    /// The job that wants it.
    pub job: &'a str,
    /// What is tested.
    pub subject: TestSubject<'a>,
    /// The platform, such as `linux-64`.
    pub platform: &'a str,
    /// The environment's fingerprint: 64 hexadecimal digits.
    pub fingerprint: &'a str,
    /// The exact environment, as JSON.
    pub environment: &'a [u8],
    /// Which try in this environment it is, counted from 1.
    pub attempt: u32,
    /// The run that wants it.
    pub run: RunId,
}

/// One exact file that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestSubject<'a> {
    /// Its package.
    pub name: &'a str,
    /// The version.
    pub version: &'a str,
    /// What tells builds of a version apart: a conda build string, or the commit of an R package.
    pub build: &'a str,
    /// The SHA-256 of the file.
    pub sha256: &'a str,
}

impl<'a> From<&'a Build> for TestSubject<'a> {
    fn from(build: &'a Build) -> Self {
        Self { name: &build.name, version: &build.version, build: &build.build, sha256: &build.sha256 }
    }
}

/// A test as it was kept.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RecheckTest {
    /// Its number.
    pub id: RecheckTestId,
    /// The job that wanted it first.
    pub job: String,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its build string, or its commit.
    pub build: String,
    /// SHA-256 of the file that was tested.
    pub sha256: String,
    /// The platform.
    pub platform: String,
    /// The environment's fingerprint.
    pub fingerprint: String,
    /// Which try in this environment it was, counted from 1.
    pub attempt: u32,
    /// The run that wanted it last.
    pub run: RunId,
    /// What the engine gave for it, as JSON; absent until it was handed over.
    pub ticket: Option<String>,
    /// How it came out; absent while it goes on.
    pub verdict: Option<TestVerdict>,
    /// The digest of its log, where it left one.
    pub log_digest: Option<String>,
    /// When it was wanted first.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: RecheckTestId,
    job: String,
    name: String,
    version: String,
    build: String,
    sha256: String,
    platform: String,
    fingerprint: String,
    attempt: u32,
    run_id: RunId,
    ticket: Option<String>,
    verdict: Option<String>,
    log_digest: Option<String>,
    #[sqlx(try_from = "Micros")]
    began_at: Timestamp,
    #[sqlx(try_from = "MaybeMicros")]
    ended_at: Option<Timestamp>,
}

/// A whole query from its `WHERE` on: sqlx takes no text that was put together at run time.
macro_rules! select {
    ($from_where:literal) => {
        concat!(
            "SELECT id, job, name, version, build, sha256, platform, fingerprint, attempt, run_id, ticket, \
             verdict, log_digest, began_at, ended_at FROM recheck_test ",
            $from_where
        )
    };
}

impl Store {
    /// Writes down that a test is about to begin, and returns its row. One that was begun before and has
    /// not ended is taken over by the run; one that has ended is returned as it is.
    pub async fn begin_recheck_test(
        &self,
        test: &NewRecheckTest<'_>,
        at: Timestamp,
    ) -> anyhow::Result<RecheckTest> {
        let digest = digest_of(test.environment);
        let TestSubject { name, version, build, sha256 } = test.subject;
        let mut write = self.write().await?;
        insert_blob(&mut write, &digest, test.environment, at).await?;
        sqlx::query(
            "INSERT INTO recheck_test (job, name, version, build, sha256, platform, fingerprint, \
             environment_digest, attempt, run_id, began_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (sha256, platform, fingerprint, attempt) DO UPDATE SET run_id = excluded.run_id \
             WHERE ended_at IS NULL",
        )
        .bind(test.job)
        .bind(name)
        .bind(version)
        .bind(build)
        .bind(sha256)
        .bind(test.platform)
        .bind(test.fingerprint)
        .bind(&digest)
        .bind(test.attempt)
        .bind(test.run)
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record the test of {name} {version} on {}", test.platform))?;
        let row: Row =
            sqlx::query_as(select!("WHERE sha256 = ? AND platform = ? AND fingerprint = ? AND attempt = ?"))
                .bind(sha256)
                .bind(test.platform)
                .bind(test.fingerprint)
                .bind(test.attempt)
                .fetch_one(&mut *write)
                .await?;
        write.commit().await?;
        row.read()
    }

    /// Keeps what the engine gave for a test.
    pub async fn keep_recheck_ticket(&self, test: RecheckTestId, ticket: &str) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE recheck_test SET ticket = ? WHERE id = ?")
            .bind(ticket)
            .bind(test)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot keep the ticket of test {}", test.0))?;
        Ok(write.commit().await?)
    }

    /// Writes down how a test came out, with its log where it left one.
    pub async fn end_recheck_test(
        &self,
        test: RecheckTestId,
        verdict: &TestVerdict,
        log: Option<&[u8]>,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let log_digest = log.map(digest_of);
        let mut write = self.write().await?;
        if let (Some(digest), Some(bytes)) = (&log_digest, log) {
            insert_blob(&mut write, digest, bytes, at).await?;
        }
        let ended = sqlx::query(
            "UPDATE recheck_test SET verdict = ?, log_digest = ?, ended_at = max(?, began_at) WHERE id = ?",
        )
        .bind(serde_json::to_string(verdict)?)
        .bind(log_digest)
        .bind(Micros(at))
        .bind(test)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record how test {} ended", test.0))?;
        ensure!(ended.rows_affected() == 1, "there is no test {}", test.0);
        Ok(write.commit().await?)
    }

    /// The tests of a file on a platform in exactly one environment, oldest first.
    pub async fn recheck_tests(
        &self,
        sha256: &str,
        platform: &str,
        fingerprint: &str,
    ) -> anyhow::Result<Vec<RecheckTest>> {
        let rows: Vec<Row> =
            sqlx::query_as(select!("WHERE sha256 = ? AND platform = ? AND fingerprint = ? ORDER BY attempt"))
                .bind(sha256)
                .bind(platform)
                .bind(fingerprint)
                .fetch_all(&self.pool)
                .await
                .context("cannot read earlier tests")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// The tests that a run wanted last, in the order in which they began.
    pub async fn recheck_tests_of_run(&self, run: RunId) -> anyhow::Result<Vec<RecheckTest>> {
        let rows: Vec<Row> = sqlx::query_as(select!("WHERE run_id = ? ORDER BY id"))
            .bind(run)
            .fetch_all(&self.pool)
            .await
            .context("cannot read the tests of a run")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// The exact environment of a test.
    pub async fn recheck_environment(&self, test: RecheckTestId) -> anyhow::Result<Environment> {
        let digest: String = sqlx::query_scalar("SELECT environment_digest FROM recheck_test WHERE id = ?")
            .bind(test)
            .fetch_one(&self.pool)
            .await
            .with_context(|| format!("there is no test {}", test.0))?;
        let bytes = self.blob(&digest).await?.with_context(|| format!("the blob {digest} is gone"))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("the environment of test {} is damaged", test.0))
    }

    /// The tests of a job that have not ended, oldest first.
    pub async fn open_recheck_tests(&self, job: &str) -> anyhow::Result<Vec<RecheckTest>> {
        let rows: Vec<Row> = sqlx::query_as(select!("WHERE job = ? AND ended_at IS NULL ORDER BY id"))
            .bind(job)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read the open tests of {job}"))?;
        rows.into_iter().map(Row::read).collect()
    }
}

impl Row {
    fn read(self) -> anyhow::Result<RecheckTest> {
        let verdict = self.verdict.as_deref().map(serde_json::from_str).transpose();
        Ok(RecheckTest {
            verdict: verdict.with_context(|| format!("the verdict of test {} is damaged", self.id.0))?,
            id: self.id,
            job: self.job,
            name: self.name,
            version: self.version,
            build: self.build,
            sha256: self.sha256,
            platform: self.platform,
            fingerprint: self.fingerprint,
            attempt: self.attempt,
            run: self.run_id,
            ticket: self.ticket,
            log_digest: self.log_digest,
            began_at: self.began_at,
            ended_at: self.ended_at,
        })
    }
}
