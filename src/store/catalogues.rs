//! Catalogues: what stands, or is to stand, above the snapshots at each target. A row is written before anything is
//! sent, and says afterwards that the target has it.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::Store;
use super::columns::{JsonText, MaybeJson, MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};

/// Which target of which distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueOf<'c> {
    /// The distribution.
    pub distribution: &'c str,
    /// The target's name.
    pub target: &'c str,
}

/// A catalogue at a target as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
pub struct CatalogueAtTarget {
    /// The distribution.
    pub distribution: String,
    /// The target's name.
    pub target: String,
    /// How much had happened to the snapshots there.
    pub edition: u32,
    /// The SHA-256 of all of it.
    #[serde(skip)]
    pub sha256: String,
    /// Since when the target has it; absent where it is to be sent.
    #[sqlx(try_from = "MaybeMicros")]
    pub done_at: Option<Timestamp>,
    /// What the target keeps of what it has.
    #[serde(skip)]
    #[sqlx(try_from = "MaybeJson")]
    pub kept: Option<Value>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not tried again before this time.
    #[sqlx(try_from = "MaybeMicros")]
    pub next_try_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Store {
    /// How much has happened to the snapshots at a target: what was sent there, what was withdrawn from any, and how
    /// often people chose what `latest` shows. None of these rows ever goes away, so the number never falls.
    pub async fn catalogue_edition(&self, of: CatalogueOf<'_>) -> anyhow::Result<u32> {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM publication WHERE distribution = ?1 AND target = ?2 AND state = 'done') \
             + (SELECT count(*) FROM snapshot_withdrawal WHERE distribution = ?1) \
             + (SELECT count(*) FROM latest_choice WHERE distribution = ?1)",
        )
        .bind(of.distribution)
        .bind(of.target)
        .fetch_one(&self.pool)
        .await
        .with_context(|| format!("cannot count what happened to the snapshots at {}", of.target))
    }

    /// The catalogues of a distribution by target.
    pub async fn catalogues(&self, distribution: &str) -> anyhow::Result<Vec<CatalogueAtTarget>> {
        sqlx::query_as(
            "SELECT distribution, target, edition, sha256, done_at, kept, attempts, next_try_at, error \
             FROM catalogue WHERE distribution = ? ORDER BY target",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(|| {
            format!("cannot read what stands above the snapshots of {distribution} at which target")
        })
    }

    /// Writes down that a catalogue is to be at a target, and that an attempt begins. Attempts at another one before
    /// it do not count. Its number, counted from 1.
    pub async fn catalogue_begun(
        &self,
        of: CatalogueOf<'_>,
        (edition, sha256): (u32, &str),
        at: Timestamp,
    ) -> anyhow::Result<u32> {
        let mut write = self.write().await?;
        let attempt = sqlx::query_scalar(
            "INSERT INTO catalogue (distribution, target, edition, sha256, attempts, changed_at) \
             VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (distribution, target) DO UPDATE SET \
             attempts = CASE WHEN sha256 = excluded.sha256 AND done_at IS NULL THEN attempts + 1 ELSE 1 END, \
             edition = excluded.edition, sha256 = excluded.sha256, done_at = NULL, next_try_at = NULL, \
             changed_at = excluded.changed_at RETURNING attempts",
        )
        .bind(of.distribution)
        .bind(of.target)
        .bind(edition)
        .bind(sha256)
        .bind(Micros(at))
        .fetch_one(&mut *write)
        .await
        .with_context(|| format!("cannot record what is to stand above the snapshots at {}", of.target))?;
        write.commit().await?;
        Ok(attempt)
    }

    /// Keeps what a target wants to know at its next attempt.
    pub async fn keep_catalogue_progress(&self, of: CatalogueOf<'_>, kept: &Value) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE catalogue SET kept = ? WHERE distribution = ? AND target = ?")
            .bind(JsonText(kept.clone()))
            .bind(of.distribution)
            .bind(of.target)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record the progress of the catalogue at {}", of.target))?;
        Ok(write.commit().await?)
    }

    /// Writes down that a target has its catalogue.
    pub async fn catalogue_done(
        &self,
        of: CatalogueOf<'_>,
        kept: &Value,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE catalogue SET done_at = ?1, kept = ?2, error = NULL, next_try_at = NULL, changed_at = ?1 \
             WHERE distribution = ?3 AND target = ?4",
        )
        .bind(Micros(at))
        .bind(JsonText(kept.clone()))
        .bind(of.distribution)
        .bind(of.target)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that {} has its catalogue", of.target))?;
        Ok(write.commit().await?)
    }

    /// Writes down why an attempt failed and when the next one may begin, and tells of it.
    pub async fn catalogue_failed(
        &self,
        of: CatalogueOf<'_>,
        (error, next_try_at): (&str, Timestamp),
        told: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE catalogue SET error = ?, next_try_at = ?, changed_at = ? WHERE distribution = ? AND target = ?",
        )
        .bind(error)
        .bind(Micros(next_try_at))
        .bind(Micros(told.at))
        .bind(of.distribution)
        .bind(of.target)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record why the catalogue is not at {}", of.target))?;
        insert_event(&mut write, told).await?;
        Ok(write.commit().await?)
    }
}
