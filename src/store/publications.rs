//! Publications: which snapshots are to lie at which targets, and how far each one is. A row is written before
//! anything is sent, and says afterwards what the target has.

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::Store;
use super::columns::{JsonText, MaybeJson, MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};

/// A publication's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, Serialize)]
#[sqlx(transparent)]
pub struct PublicationId(pub i64);

/// Where a publication stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(rename_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum PublicationState {
    /// To be sent, for the first time or again.
    Wanted,
    /// Being sent; or a crash came in the middle.
    InProgress,
    /// The target has it.
    Done,
    /// The target does not take it, and trying again does not mend that.
    Failed,
    /// A newer generation took its place before it was done.
    Superseded,
}

/// What is to lie where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPublication<'p> {
    /// The distribution.
    pub distribution: &'p str,
    /// The snapshot's date.
    pub date: Date,
    /// Which generation of that date, from 1.
    pub generation: u32,
    /// The target's name.
    pub target: &'p str,
    /// The job or the person that wants it.
    pub by: &'p str,
}

/// A publication as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Publication {
    /// Its number.
    #[serde(skip)]
    pub id: PublicationId,
    /// The distribution.
    pub distribution: String,
    /// The snapshot's date.
    pub date: Date,
    /// Which generation of that date.
    pub generation: u32,
    /// The target's name.
    pub target: String,
    /// Where it stands.
    pub state: PublicationState,
    /// What the target keeps between attempts.
    #[serde(skip)]
    pub progress: Option<Value>,
    /// What the target has, once it is done.
    #[serde(skip)]
    pub receipt: Option<Value>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not tried again before this time.
    pub next_try_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Who wanted it.
    pub by: String,
    /// Since when it is wanted.
    pub wanted_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: PublicationId,
    distribution: String,
    date: String,
    generation: u32,
    target: String,
    state: PublicationState,
    #[sqlx(try_from = "MaybeJson")]
    progress: Option<Value>,
    #[sqlx(try_from = "MaybeJson")]
    receipt: Option<Value>,
    attempts: u32,
    #[sqlx(try_from = "MaybeMicros")]
    next_try_at: Option<Timestamp>,
    error: Option<String>,
    by: String,
    #[sqlx(try_from = "Micros")]
    wanted_at: Timestamp,
    #[sqlx(try_from = "Micros")]
    changed_at: Timestamp,
}

impl TryFrom<Row> for Publication {
    type Error = anyhow::Error;

    fn try_from(row: Row) -> anyhow::Result<Self> {
        let date = row.date.parse().with_context(|| format!("a publication has the date {}", row.date))?;
        Ok(Self {
            id: row.id,
            distribution: row.distribution,
            date,
            generation: row.generation,
            target: row.target,
            state: row.state,
            progress: row.progress,
            receipt: row.receipt,
            attempts: row.attempts,
            next_try_at: row.next_try_at,
            error: row.error,
            by: row.by,
            wanted_at: row.wanted_at,
            changed_at: row.changed_at,
        })
    }
}

/// What `latest` stands for at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestAtTarget {
    /// The target's name.
    pub target: String,
    /// The snapshot's date.
    pub date: Date,
    /// Which generation of that date.
    pub generation: u32,
}

/// How an attempt failed, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Why.
    pub error: String,
    /// When it is tried again; absent where it is given up.
    pub next_try_at: Option<Timestamp>,
}

impl Store {
    /// Writes down that a snapshot is to lie at a target. What is wanted or done already stays as it is; what
    /// was given up is wanted again. Older generations that were not done are superseded. False where nothing changed.
    pub async fn want_publication(&self, new: &NewPublication<'_>, at: Timestamp) -> anyhow::Result<bool> {
        let mut write = self.write().await?;
        let wanted = sqlx::query(
            "INSERT INTO publication (distribution, date, generation, target, by, wanted_at, changed_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (distribution, date, generation, target) DO UPDATE SET \
             state = 'wanted', attempts = 0, next_try_at = NULL, error = NULL, by = excluded.by, \
             wanted_at = excluded.wanted_at, changed_at = excluded.changed_at WHERE state = 'failed'",
        )
        .bind(new.distribution)
        .bind(new.date.to_string())
        .bind(new.generation)
        .bind(new.target)
        .bind(new.by)
        .bind(Micros(at))
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that {} is to lie at {}", new.date, new.target))?;
        sqlx::query(
            "UPDATE publication SET state = 'superseded', changed_at = ? WHERE distribution = ? AND date = ? \
             AND target = ? AND generation < ? AND state IN ('wanted', 'in-progress', 'failed')",
        )
        .bind(Micros(at))
        .bind(new.distribution)
        .bind(new.date.to_string())
        .bind(new.target)
        .bind(new.generation)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(wanted.rows_affected() > 0)
    }

    /// The publications of a distribution that may be tried now, the oldest snapshot first.
    pub async fn due_publications(
        &self,
        distribution: &str,
        now: Timestamp,
    ) -> anyhow::Result<Vec<Publication>> {
        let all = self.publications(distribution).await?.into_iter();
        let open = all.filter(|row| {
            matches!(row.state, PublicationState::Wanted | PublicationState::InProgress)
                && row.next_try_at.is_none_or(|at| at <= now)
        });
        Ok(open.collect())
    }

    /// The publications of a distribution by date, generation and target.
    pub async fn publications(&self, distribution: &str) -> anyhow::Result<Vec<Publication>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, distribution, date, generation, target, state, progress, receipt, attempts, next_try_at, \
             error, by, wanted_at, changed_at FROM publication WHERE distribution = ? \
             ORDER BY date, generation, target",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what of {distribution} lies at which target"))?;
        rows.into_iter().map(Publication::try_from).collect()
    }

    /// Writes down that an attempt begins.
    pub async fn publication_begun(&self, id: PublicationId, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE publication SET state = 'in-progress', attempts = attempts + 1, next_try_at = NULL, \
             changed_at = ? WHERE id = ? AND state IN ('wanted', 'in-progress')",
        )
        .bind(Micros(at))
        .bind(id)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record an attempt at publication {}", id.0))?;
        Ok(write.commit().await?)
    }

    /// Keeps what a target wants to know at its next attempt.
    pub async fn keep_publication_progress(&self, id: PublicationId, progress: &Value) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE publication SET progress = ? WHERE id = ?")
            .bind(JsonText(progress.clone()))
            .bind(id)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record the progress of publication {}", id.0))?;
        Ok(write.commit().await?)
    }

    /// Writes down what a target has, and tells of it: both or neither.
    pub async fn publication_done(
        &self,
        id: PublicationId,
        receipt: &Value,
        told: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE publication SET state = 'done', receipt = ?, progress = NULL, error = NULL, \
             next_try_at = NULL, changed_at = ? WHERE id = ?",
        )
        .bind(JsonText(receipt.clone()))
        .bind(Micros(told.at))
        .bind(id)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that publication {} is done", id.0))?;
        insert_event(&mut write, told).await?;
        Ok(write.commit().await?)
    }

    /// What `latest` stands for at each target of a distribution, as we put it there last.
    pub async fn latest_at_targets(&self, distribution: &str) -> anyhow::Result<Vec<LatestAtTarget>> {
        let rows: Vec<(String, String, u32)> = sqlx::query_as(
            "SELECT target, date, generation FROM publication_latest WHERE distribution = ? ORDER BY target",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what is the latest of {distribution} at which target"))?;
        let read = rows.into_iter().map(|(target, date, generation)| {
            let date = date.parse().with_context(|| format!("{target} has {date} as its latest"))?;
            Ok(LatestAtTarget { target, date, generation })
        });
        read.collect()
    }

    /// Writes down what `latest` stands for at a target now, and tells of it where there is something to tell.
    pub async fn latest_pointed(
        &self,
        distribution: &str,
        latest: &LatestAtTarget,
        at: Timestamp,
        told: Option<&NewEvent>,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO publication_latest (distribution, target, date, generation, at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (distribution, target) DO UPDATE SET date = excluded.date, \
                 generation = excluded.generation, at = excluded.at",
        )
        .bind(distribution)
        .bind(&latest.target)
        .bind(latest.date.to_string())
        .bind(latest.generation)
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record what is the latest at {}", latest.target))?;
        if let Some(told) = told {
            insert_event(&mut write, told).await?;
        }
        Ok(write.commit().await?)
    }

    /// Writes down why an attempt failed and what follows, and tells of it.
    pub async fn publication_failed(
        &self,
        id: PublicationId,
        failed: &FailedAttempt,
        told: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let state = match failed.next_try_at {
            Some(_) => PublicationState::Wanted,
            None => PublicationState::Failed,
        };
        sqlx::query(
            "UPDATE publication SET state = ?, error = ?, next_try_at = ?, changed_at = ? WHERE id = ?",
        )
        .bind(state)
        .bind(&failed.error)
        .bind(failed.next_try_at.map(Micros))
        .bind(Micros(told.at))
        .bind(id)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record why publication {} failed", id.0))?;
        insert_event(&mut write, told).await?;
        Ok(write.commit().await?)
    }
}
