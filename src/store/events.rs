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
    /// What, as a stable word: `decide/event_words.rs` has all of them.
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

/// A place in the timeline between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePlace {
    /// The time of the event after it.
    pub at: Timestamp,
    /// The id of that event.
    pub id: i64,
}

impl TimelinePlace {
    /// After the last event.
    pub const END: Self = Self { at: Timestamp::MAX, id: i64::MAX };
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

    /// What a job told of a version, by kind; nothing where it did not.
    pub async fn event_of_version(
        &self,
        job: &str,
        kind: &str,
        version: &str,
    ) -> anyhow::Result<Option<Event>> {
        sqlx::query_as(
            "SELECT id, at, kind, job, package, body FROM event \
             WHERE job = ? AND kind = ? AND body ->> 'version' = ? ORDER BY id LIMIT 1",
        )
        .bind(job)
        .bind(kind)
        .bind(version)
        .fetch_optional(&self.pool)
        .await
        .context("cannot read the timeline")
    }

    /// At most `limit` events of the timeline before a place in it, the newest first. Its order is that of time;
    /// ids are the order in which events were noticed.
    pub async fn events_before(&self, place: TimelinePlace, limit: u32) -> anyhow::Result<Vec<Event>> {
        sqlx::query_as(
            "SELECT id, at, kind, job, package, body FROM event WHERE (at, id) < (?, ?) \
             ORDER BY at DESC, id DESC LIMIT ?",
        )
        .bind(Micros(place.at))
        .bind(place.id)
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
