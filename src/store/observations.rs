//! What each source said and when, as intervals: a look that brings nothing new only moves the end
//! of the last interval. A look that failed is kept as such; it never stands for "nothing there".

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::blobs::{digest_of, insert_blob};
use super::columns::Micros;

/// What came of recording a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The SHA-256 of what was seen.
    pub digest: String,
    /// False where the source last said exactly the same, whatever failures lay between.
    pub changed: bool,
}

/// The last thing that a source really said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFact {
    /// The SHA-256 of `bytes`.
    pub digest: String,
    /// What was said.
    pub bytes: Vec<u8>,
    /// When it was said first, without a change since.
    pub first_at: Timestamp,
    /// When it was said last: the fact's age counts from here.
    pub last_at: Timestamp,
}

/// A source that cannot be read at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFailure {
    /// The newest failure's message.
    pub message: String,
    /// Since when every look has failed.
    pub since: Timestamp,
    /// The last look that failed.
    pub last_at: Timestamp,
}

/// Everything known of a source now. Both parts can be there: old facts, and a failure since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestObservation {
    /// The last thing it said, if it ever said something.
    pub seen: Option<SeenFact>,
    /// Why it cannot be read now, if it cannot.
    pub failing: Option<SourceFailure>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    digest: Option<String>,
    failure: Option<String>,
    #[sqlx(try_from = "Micros")]
    first_at: Timestamp,
    #[sqlx(try_from = "Micros")]
    last_at: Timestamp,
}

impl Store {
    /// Records that `source` said `bytes` at `at`. A source is a stable name such as
    /// `universe:staging` or `cran:2026-04-15`.
    pub async fn record_seen(&self, source: &str, bytes: &[u8], at: Timestamp) -> anyhow::Result<Seen> {
        let digest = digest_of(bytes);
        let mut write = self.write().await?;
        let newest = newest_row(&mut write, source).await?;
        let said: Option<String> = sqlx::query_scalar(
            "SELECT digest FROM observation WHERE source = ? AND digest IS NOT NULL ORDER BY id DESC LIMIT 1",
        )
        .bind(source)
        .fetch_optional(&mut *write)
        .await?;
        let changed = said.as_deref() != Some(&*digest);
        match newest {
            Some(row) if row.digest.as_deref() == Some(&*digest) => prolong(&mut write, &row, at).await?,
            _ => {
                insert_blob(&mut write, &digest, bytes, at).await?;
                insert(&mut write, source, Ok(&digest), at).await?;
            }
        }
        write.commit().await.with_context(|| format!("cannot record what {source} said"))?;
        Ok(Seen { digest, changed })
    }

    /// Records that each of `sources` still said at `at` what it had said last. A source that never
    /// said anything, or that failed last, stays as it is.
    pub async fn still_seen(&self, sources: &[String], at: Timestamp) -> anyhow::Result<()> {
        sqlx::query(
            "UPDATE observation SET last_at = max(last_at, ?1) WHERE digest IS NOT NULL AND id IN \
             (SELECT max(id) FROM observation WHERE source IN (SELECT value FROM json_each(?2)) GROUP BY source)",
        )
        .bind(Micros(at))
        .bind(serde_json::to_string(sources)?)
        .execute(&self.pool)
        .await
        .context("cannot record that nothing changed")?;
        Ok(())
    }

    /// Records that a look at `source` failed at `at`, with the reason.
    pub async fn record_failed(&self, source: &str, message: &str, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        match newest_row(&mut write, source).await? {
            Some(row) if row.failure.as_deref() == Some(message) => prolong(&mut write, &row, at).await?,
            _ => insert(&mut write, source, Err(message), at).await?,
        }
        write.commit().await.with_context(|| format!("cannot record the failure of {source}"))
    }

    /// The last thing that `source` really said, however long ago, or `None` where it never did.
    pub async fn latest_seen(&self, source: &str) -> anyhow::Result<Option<SeenFact>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, digest, failure, first_at, last_at FROM observation \
             WHERE source = ? AND digest IS NOT NULL ORDER BY id DESC LIMIT 1",
        )
        .bind(source)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read what {source} said"))?;
        let Some(Row { digest: Some(digest), first_at, last_at, .. }) = row else { return Ok(None) };
        let bytes =
            self.blob(&digest).await?.with_context(|| format!("blob {digest} of {source} is gone"))?;
        Ok(Some(SeenFact { digest, bytes, first_at, last_at }))
    }

    /// What `source` had said by the instant `at`: the newest answer that began no later. Its `last_at`
    /// is cut to `at`, since later looks were not known then.
    pub async fn seen_at(&self, source: &str, at: Timestamp) -> anyhow::Result<Option<SeenFact>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, digest, failure, first_at, last_at FROM observation \
             WHERE source = ? AND digest IS NOT NULL AND first_at <= ? ORDER BY id DESC LIMIT 1",
        )
        .bind(source)
        .bind(Micros(at))
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read what {source} said by {at}"))?;
        let Some(Row { digest: Some(digest), first_at, last_at, .. }) = row else { return Ok(None) };
        let bytes =
            self.blob(&digest).await?.with_context(|| format!("blob {digest} of {source} is gone"))?;
        Ok(Some(SeenFact { digest, bytes, first_at, last_at: last_at.min(at) }))
    }

    /// What is known of `source` now, with the failure where it cannot be read at present.
    pub async fn latest(&self, source: &str) -> anyhow::Result<LatestObservation> {
        let seen = self.latest_seen(source).await?;
        let failures: Vec<Row> = sqlx::query_as(
            "SELECT id, digest, failure, first_at, last_at FROM observation \
             WHERE source = ?1 AND id > coalesce( \
                 (SELECT max(id) FROM observation WHERE source = ?1 AND digest IS NOT NULL), 0) ORDER BY id",
        )
        .bind(source)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the failures of {source}"))?;
        let since = failures.first().map(|row| row.first_at);
        let failing = failures.into_iter().last().zip(since).map(|(newest, since)| SourceFailure {
            message: newest.failure.unwrap_or_default(),
            since,
            last_at: newest.last_at,
        });
        Ok(LatestObservation { seen, failing })
    }
}

async fn newest_row(write: &mut Transaction<'_, Sqlite>, source: &str) -> anyhow::Result<Option<Row>> {
    Ok(sqlx::query_as(
        "SELECT id, digest, failure, first_at, last_at FROM observation \
         WHERE source = ? ORDER BY id DESC LIMIT 1",
    )
    .bind(source)
    .fetch_optional(&mut **write)
    .await?)
}

/// Moves an interval's end, never backwards: clocks jump.
async fn prolong(write: &mut Transaction<'_, Sqlite>, row: &Row, at: Timestamp) -> anyhow::Result<()> {
    sqlx::query("UPDATE observation SET last_at = ? WHERE id = ?")
        .bind(Micros(at.max(row.last_at)))
        .bind(row.id)
        .execute(&mut **write)
        .await?;
    Ok(())
}

async fn insert(
    write: &mut Transaction<'_, Sqlite>,
    source: &str,
    said: Result<&str, &str>,
    at: Timestamp,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO observation (source, digest, failure, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )
    .bind(source)
    .bind(said.ok())
    .bind(said.err())
    .bind(Micros(at))
    .execute(&mut **write)
    .await?;
    Ok(())
}
