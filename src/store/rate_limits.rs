//! What is known of GitHub's limits, kept so that a restart forgets neither a block nor what was
//! created in the last hour.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::Store;

/// One primary quota as GitHub last stated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuota {
    /// `core` or `graphql`.
    pub bucket: String,
    /// Requests or points for a whole window.
    pub allowance: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When the window ends.
    pub resets_at: Timestamp,
}

/// All that is kept about one token's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedLimits {
    /// The primary quotas, by bucket.
    pub quotas: Vec<SavedQuota>,
    /// Nothing may be sent before this time.
    pub blocked_until: Option<Timestamp>,
    /// How many times in a row GitHub refused without saying how long to wait.
    pub strikes: u32,
}

impl Store {
    /// What was kept about the limits of the token with this fingerprint.
    pub async fn saved_limits(&self, token: &str) -> anyhow::Result<SavedLimits> {
        let rows = sqlx::query(
            "SELECT bucket, allowance, remaining, resets_at FROM rate_limit WHERE token = ? ORDER BY bucket",
        )
        .bind(token)
        .fetch_all(&self.pool)
        .await
        .context("cannot read the kept rate limits")?;
        let mut saved = SavedLimits::default();
        for row in rows {
            saved.quotas.push(SavedQuota {
                bucket: row.try_get("bucket")?,
                allowance: row.try_get::<i64, _>("allowance")?.try_into()?,
                remaining: row.try_get::<i64, _>("remaining")?.try_into()?,
                resets_at: Timestamp::from_microsecond(row.try_get("resets_at")?)?,
            });
        }
        let block = sqlx::query("SELECT until, strikes FROM rate_block WHERE token = ?")
            .bind(token)
            .fetch_optional(&self.pool)
            .await
            .context("cannot read the kept rate limit block")?;
        if let Some(row) = block {
            let until: Option<i64> = row.try_get("until")?;
            saved.blocked_until = until.map(Timestamp::from_microsecond).transpose()?;
            saved.strikes = row.try_get::<i64, _>("strikes")?.try_into()?;
        }
        Ok(saved)
    }

    /// Keeps `limits` for the token with this fingerprint, in place of what was there.
    pub async fn save_limits(&self, token: &str, limits: &SavedLimits) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for quota in &limits.quotas {
            sqlx::query(
                "INSERT INTO rate_limit (token, bucket, allowance, remaining, resets_at) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (token, bucket) DO UPDATE SET allowance = excluded.allowance,
                     remaining = excluded.remaining, resets_at = excluded.resets_at",
            )
            .bind(token)
            .bind(&quota.bucket)
            .bind(i64::try_from(quota.allowance)?)
            .bind(i64::try_from(quota.remaining)?)
            .bind(quota.resets_at.as_microsecond())
            .execute(&mut *transaction)
            .await
            .context("cannot keep a rate limit")?;
        }
        sqlx::query(
            "INSERT INTO rate_block (token, until, strikes) VALUES (?, ?, ?)
             ON CONFLICT (token) DO UPDATE SET until = excluded.until, strikes = excluded.strikes",
        )
        .bind(token)
        .bind(limits.blocked_until.map(Timestamp::as_microsecond))
        .bind(i64::from(limits.strikes))
        .execute(&mut *transaction)
        .await
        .context("cannot keep the rate limit block")?;
        transaction.commit().await.context("cannot keep the rate limits")
    }

    /// Notes that something is about to be created at `at`; forgets what is older than an hour.
    pub async fn note_creation(&self, token: &str, at: Timestamp) -> anyhow::Result<()> {
        let hour_ago = at.checked_sub(SignedDuration::from_hours(1))?;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM rate_creation WHERE token = ? AND created_at <= ?")
            .bind(token)
            .bind(hour_ago.as_microsecond())
            .execute(&mut *transaction)
            .await
            .context("cannot prune the noted creations")?;
        sqlx::query("INSERT INTO rate_creation (token, created_at) VALUES (?, ?)")
            .bind(token)
            .bind(at.as_microsecond())
            .execute(&mut *transaction)
            .await
            .context("cannot note a creation")?;
        transaction.commit().await.context("cannot note a creation")
    }

    /// When something was created after `since`, oldest first.
    pub async fn creations_since(&self, token: &str, since: Timestamp) -> anyhow::Result<Vec<Timestamp>> {
        let rows = sqlx::query(
            "SELECT created_at FROM rate_creation WHERE token = ? AND created_at > ? ORDER BY created_at",
        )
        .bind(token)
        .bind(since.as_microsecond())
        .fetch_all(&self.pool)
        .await
        .context("cannot read the noted creations")?;
        rows.iter().map(|row| Ok(Timestamp::from_microsecond(row.try_get("created_at")?)?)).collect()
    }
}
