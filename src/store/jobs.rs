//! Jobs as the planner sees them: how far each schedule is planned, and what people asked for
//! (pause, resume, skip the next one).

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::occurrences::{NewOccurrence, OpenOccurrence, insert_planned, open_occurrences, skip_waiting};

/// How far a job is planned.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct JobCursor {
    /// The job.
    pub name: String,
    /// When it was first seen.
    pub known_since: Timestamp,
    /// Every nominal time up to here has its row. Never moves back.
    pub cursor: Timestamp,
    /// The digest of the schedule that the cursor belongs to; `None`: the job is not configured.
    pub schedule_digest: Option<String>,
    /// There while the job is paused, and after that until the planner has accounted for it.
    pub pause: Option<Pause>,
    /// There until the planner has skipped an occurrence.
    pub skip_next: Option<SkipNext>,
}

/// A pause that a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When somebody ended it, and who.
    pub resumed: Option<(Timestamp, String)>,
}

/// A person's wish that the next occurrence be skipped.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SkipNext {
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a plan for one job changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAdvance {
    /// The new cursor; an older one than the stored is ignored.
    pub cursor: Timestamp,
    /// The digest of the schedule that was planned with.
    pub schedule_digest: String,
    /// The rows to add.
    pub new: Vec<NewOccurrence>,
    /// Set when a pause is over: what was waiting is skipped for this reason, and the pause is done.
    pub pause_settled: Option<String>,
    /// Whether the wish to skip one was fulfilled.
    pub skip_next: SkipNextUse,
}

/// Whether a plan used up the wish to skip one occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipNextUse {
    /// It stays, or there was none.
    Kept,
    /// It was fulfilled.
    Used,
}

#[derive(FromRow)]
struct Row {
    name: String,
    #[sqlx(try_from = "Micros")]
    known_since: Timestamp,
    #[sqlx(try_from = "Micros")]
    cursor: Timestamp,
    schedule_digest: Option<String>,
    #[sqlx(try_from = "MaybeMicros")]
    paused_at: Option<Timestamp>,
    paused_by: Option<String>,
    pause_reason: Option<String>,
    #[sqlx(try_from = "MaybeMicros")]
    resumed_at: Option<Timestamp>,
    resumed_by: Option<String>,
    #[sqlx(try_from = "MaybeMicros")]
    skip_next_at: Option<Timestamp>,
    skip_next_by: Option<String>,
    skip_next_reason: Option<String>,
}

impl From<Row> for JobCursor {
    fn from(row: Row) -> Self {
        let resumed = row.resumed_at.map(|at| (at, row.resumed_by.unwrap_or_default()));
        Self {
            name: row.name,
            known_since: row.known_since,
            cursor: row.cursor,
            schedule_digest: row.schedule_digest,
            pause: row.paused_at.map(|at| Pause {
                at,
                by: row.paused_by.unwrap_or_default(),
                reason: row.pause_reason.unwrap_or_default(),
                resumed,
            }),
            skip_next: row.skip_next_at.map(|at| SkipNext {
                at,
                by: row.skip_next_by.unwrap_or_default(),
                reason: row.skip_next_reason.unwrap_or_default(),
            }),
        }
    }
}

impl Store {
    /// Plans every configured job in one transaction. `plan` is called with each name, its cursor
    /// (`None` at first sight) and its occurrences that have not ended; `None` changes nothing.
    /// Jobs that are not in `configured` lose their waiting occurrences, each with that reason.
    /// Returns the number of rows added.
    pub async fn advance_jobs(
        &self,
        configured: &[&str],
        now: Timestamp,
        mut plan: impl FnMut(&str, Option<&JobCursor>, &[OpenOccurrence]) -> Option<JobAdvance> + Send,
    ) -> anyhow::Result<usize> {
        let mut write = self.write().await?;
        retire_others(&mut write, configured, now).await?;
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM job").fetch_all(&mut *write).await?;
        let cursors: BTreeMap<String, JobCursor> =
            rows.into_iter().map(|row| (row.name.clone(), JobCursor::from(row))).collect();
        let open = open_occurrences(&mut write).await?;
        let mut added = 0;
        for name in configured {
            let open = open.get(*name).map_or(&[][..], Vec::as_slice);
            if let Some(advance) = plan(name, cursors.get(*name), open) {
                save_advance(&mut write, name, &advance, now)
                    .await
                    .with_context(|| format!("cannot plan the job {name}"))?;
                added += advance.new.len();
            }
        }
        write.commit().await?;
        Ok(added)
    }

    /// Every job that was ever planned, by name.
    pub async fn job_cursors(&self) -> anyhow::Result<Vec<JobCursor>> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM job ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .context("cannot read the jobs")?;
        Ok(rows.into_iter().map(JobCursor::from).collect())
    }

    /// Pauses a job: nothing of its schedule starts until it is resumed. Pausing a paused job only
    /// replaces who and why.
    pub async fn pause_job(&self, job: &str, by: &str, reason: &str, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let changed = sqlx::query(
            "UPDATE job SET paused_at = coalesce(paused_at, ?), paused_by = ?, pause_reason = ?, \
                 resumed_at = NULL, resumed_by = NULL WHERE name = ?",
        )
        .bind(Micros(at))
        .bind(by)
        .bind(reason)
        .bind(job)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot pause {job}"))?;
        if changed.rows_affected() == 0 {
            bail!("no job {job} was ever planned, so it cannot be paused");
        }
        Ok(write.commit().await?)
    }

    /// Ends a pause. What the pause kept from running is skipped, never made up for.
    pub async fn resume_job(&self, job: &str, by: &str, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let changed = sqlx::query(
            "UPDATE job SET resumed_at = ?, resumed_by = ? \
             WHERE name = ? AND paused_at IS NOT NULL AND resumed_at IS NULL",
        )
        .bind(Micros(at))
        .bind(by)
        .bind(job)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot resume {job}"))?;
        if changed.rows_affected() == 0 {
            bail!("{job} is not paused");
        }
        Ok(write.commit().await?)
    }

    /// Has the planner skip the job's next occurrence that would otherwise run.
    pub async fn skip_next(&self, job: &str, by: &str, reason: &str, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let changed = sqlx::query(
            "UPDATE job SET skip_next_at = ?, skip_next_by = ?, skip_next_reason = ? WHERE name = ?",
        )
        .bind(Micros(at))
        .bind(by)
        .bind(reason)
        .bind(job)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot skip the next occurrence of {job}"))?;
        if changed.rows_affected() == 0 {
            bail!("no job {job} was ever planned, so nothing of it can be skipped");
        }
        Ok(write.commit().await?)
    }
}

/// A job whose file is gone loses its schedule digest, so that it is new again if it comes back, and
/// whatever waits of it ends, now or when a run that is still under way puts it back.
async fn retire_others(
    write: &mut Transaction<'_, Sqlite>,
    configured: &[&str],
    now: Timestamp,
) -> anyhow::Result<()> {
    let configured = serde_json::to_string(configured)?;
    sqlx::query(
        "UPDATE job SET schedule_digest = NULL WHERE schedule_digest IS NOT NULL \
             AND name NOT IN (SELECT value FROM json_each(?))",
    )
    .bind(&configured)
    .execute(&mut **write)
    .await?;
    sqlx::query(
        "UPDATE occurrence SET state = 'skipped', reason = 'the job is no longer configured', \
             finished_at = ? WHERE finished_at IS NULL AND state = 'waiting' \
             AND job NOT IN (SELECT value FROM json_each(?))",
    )
    .bind(Micros(now))
    .bind(configured)
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn save_advance(
    write: &mut Transaction<'_, Sqlite>,
    name: &str,
    advance: &JobAdvance,
    now: Timestamp,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO job (name, known_since, cursor, schedule_digest) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (name) DO UPDATE SET cursor = max(cursor, ?3), schedule_digest = ?4",
    )
    .bind(name)
    .bind(Micros(now))
    .bind(Micros(advance.cursor))
    .bind(&advance.schedule_digest)
    .execute(&mut **write)
    .await?;
    if let Some(reason) = &advance.pause_settled {
        skip_waiting(write, name, reason, now).await?;
        sqlx::query(
            "UPDATE job SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, \
                 resumed_at = NULL, resumed_by = NULL WHERE name = ?",
        )
        .bind(name)
        .execute(&mut **write)
        .await?;
    }
    if advance.skip_next == SkipNextUse::Used {
        sqlx::query(
            "UPDATE job SET skip_next_at = NULL, skip_next_by = NULL, skip_next_reason = NULL WHERE name = ?",
        )
        .bind(name)
        .execute(&mut **write)
        .await?;
    }
    insert_planned(write, name, &advance.new, now).await
}
