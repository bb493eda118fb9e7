//! Answers of GitHub kept with their ETag, so that asking again about something unchanged costs
//! neither quota nor a body.

use std::io::{Read as _, Write as _};

use anyhow::Context as _;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::Store;

/// What an answer is kept under. An ETag is good for one URL, one token and one media type only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    /// The whole address asked for, with its query.
    pub url: String,
    /// The fingerprint of the token, never the token; that of an App's token follows on the App and a `/`.
    pub token: String,
    /// The `accept` header sent.
    pub accept: String,
}

/// An answer with status 200 that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The ETag as the server wrote it, with its quotes.
    pub etag: String,
    /// The body, uncompressed.
    pub body: Bytes,
}

impl Store {
    /// The answer kept under `key`; a body of more than `limit` bytes is an error.
    pub async fn kept_answer(&self, key: &CacheKey, limit: usize) -> anyhow::Result<Option<KeptAnswer>> {
        let row = sqlx::query("SELECT etag, body FROM http_cache WHERE url = ? AND token = ? AND accept = ?")
            .bind(&key.url)
            .bind(&key.token)
            .bind(&key.accept)
            .fetch_optional(&self.pool)
            .await
            .with_context(|| format!("cannot read the kept answer of {}", key.url))?;
        let Some(row) = row else { return Ok(None) };
        let packed: Vec<u8> = row.try_get("body")?;
        let body = unpacked(&packed, limit).with_context(|| format!("the kept answer of {}", key.url))?;
        Ok(Some(KeptAnswer { etag: row.try_get("etag")?, body }))
    }

    /// Keeps `answer` under `key` in place of what was there.
    pub async fn keep_answer(
        &self,
        key: &CacheKey,
        answer: &KeptAnswer,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO http_cache (url, token, accept, etag, body, fetched_at, used_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (url, token, accept) DO UPDATE SET etag = excluded.etag, body = excluded.body,
                 fetched_at = excluded.fetched_at, used_at = excluded.used_at",
        )
        .bind(&key.url)
        .bind(&key.token)
        .bind(&key.accept)
        .bind(&answer.etag)
        .bind(packed(&answer.body)?)
        .bind(at.as_microsecond())
        .bind(at.as_microsecond())
        .execute(&self.pool)
        .await
        .with_context(|| format!("cannot keep the answer of {}", key.url))?;
        Ok(())
    }

    /// Notes that the answer kept under `key` was good again at `at`, so that pruning spares it. Once a
    /// day is enough: a poll must not write a row for every answer that has not changed.
    pub async fn touch_answer(&self, key: &CacheKey, at: Timestamp) -> anyhow::Result<()> {
        let day_ago = at.checked_sub(SignedDuration::from_hours(24))?;
        sqlx::query(
            "UPDATE http_cache SET used_at = ? WHERE url = ? AND token = ? AND accept = ? AND used_at <= ?",
        )
        .bind(at.as_microsecond())
        .bind(&key.url)
        .bind(&key.token)
        .bind(&key.accept)
        .bind(day_ago.as_microsecond())
        .execute(&self.pool)
        .await
        .with_context(|| format!("cannot touch the kept answer of {}", key.url))?;
        Ok(())
    }

    /// Forgets what was kept for the same question under earlier tokens of `holder`, a GitHub App.
    pub async fn forget_earlier_answers(&self, key: &CacheKey, holder: &str) -> anyhow::Result<()> {
        let Some(prefix) = key.token.get(..=holder.len()).filter(|prefix| prefix.ends_with('/')) else {
            return Ok(());
        };
        sqlx::query(
            "DELETE FROM http_cache WHERE url = ? AND accept = ? AND token <> ?
             AND substr(token, 1, length(?)) = ?",
        )
        .bind(&key.url)
        .bind(&key.accept)
        .bind(&key.token)
        .bind(prefix)
        .bind(prefix)
        .execute(&self.pool)
        .await
        .with_context(|| format!("cannot forget earlier answers of {}", key.url))?;
        Ok(())
    }

    /// Forgets the answers last used before `before`; returns how many. Losing one costs a request, no more.
    pub async fn prune_answers(&self, before: Timestamp) -> anyhow::Result<u64> {
        let done = sqlx::query("DELETE FROM http_cache WHERE used_at < ?")
            .bind(before.as_microsecond())
            .execute(&self.pool)
            .await
            .context("cannot prune the kept answers")?;
        Ok(done.rows_affected())
    }
}

fn packed(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}

fn unpacked(packed: &[u8], limit: usize) -> anyhow::Result<Bytes> {
    let mut body = Vec::new();
    GzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut body).context("cannot unpack it")?;
    anyhow::ensure!(body.len() <= limit, "it is larger than {limit} bytes");
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap()
    }

    fn key(url: &str) -> CacheKey {
        CacheKey { url: url.to_owned(), token: "t".to_owned(), accept: "a".to_owned() }
    }

    fn answer() -> KeptAnswer {
        KeptAnswer { etag: "\"1\"".to_owned(), body: Bytes::from_static(b"body") }
    }

    #[tokio::test]
    async fn pruning_spares_what_is_still_used() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        for url in ["used", "left"] {
            store.keep_answer(&key(url), &answer(), at(0)).await.unwrap();
        }
        store.touch_answer(&key("used"), at(10)).await.unwrap();
        assert_eq!(store.prune_answers(at(5)).await.unwrap(), 1);
        assert_eq!(store.kept_answer(&key("used"), 100).await.unwrap(), Some(answer()));
        assert_eq!(store.kept_answer(&key("left"), 100).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_limit_is_not_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        store.keep_answer(&key("u"), &answer(), at(0)).await.unwrap();
        assert!(store.kept_answer(&key("u"), 3).await.is_err());
    }
}
