//! The timeline: what a person would want to hear of, each thing once.

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::{JsonText, Micros};

/// Something that happened, as it is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// What, as a stable word: `phase`, `release`, `staged`, `commit`, `pull-request`, `snapshot`,
    /// `recheck`, `culprit`, `passed`, `report`, `upstream` or `removal`.
    pub kind: String,
    /// The job that did it.
    pub job: String,
    /// The package it is about, where it is about one.
    pub package: Option<String>,
    /// Details, by kind.
    pub body: Value,
    /// Two events with the same key are one.
    pub dedup_key: String,
}

/// Something that happened, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct Event {
    /// Its place in the timeline; ascending.
    pub id: i64,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// The job that did it.
    pub job: String,
    /// The package it is about.
    pub package: Option<String>,
    /// Details, by kind.
    #[sqlx(try_from = "JsonText")]
    pub body: Value,
}

impl Store {
    /// Adds an event to the timeline. False where one with the same key is there already.
    pub async fn add_event(&self, event: &NewEvent) -> anyhow::Result<bool> {
        let mut write = self.write().await?;
        let added = insert_event(&mut write, event).await?;
        write.commit().await?;
        Ok(added)
    }

    /// At most `limit` events after the one with the id `after` (0: from the beginning), oldest
    /// first.
    pub async fn events_after(&self, after: i64, limit: u32) -> anyhow::Result<Vec<Event>> {
        sqlx::query_as("SELECT id, at, kind, job, package, body FROM event WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .context("cannot read the timeline")
    }
}

/// Adds an event in a transaction of whatever it tells of. False where it is there already.
pub(super) async fn insert_event(
    write: &mut Transaction<'_, Sqlite>,
    event: &NewEvent,
) -> anyhow::Result<bool> {
    let added = sqlx::query(
        "INSERT INTO event (at, kind, job, package, body, dedup_key) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (dedup_key) DO NOTHING",
    )
    .bind(Micros(event.at))
    .bind(&event.kind)
    .bind(&event.job)
    .bind(&event.package)
    .bind(JsonText(event.body.clone()))
    .bind(&event.dedup_key)
    .execute(&mut **write)
    .await
    .with_context(|| format!("cannot record the event {}", event.dedup_key))?;
    Ok(added.rows_affected() == 1)
}
