//! The nominal times of schedules, one row each with one final outcome, and their claiming.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::runs::{BootId, RunId, open_run};

/// An occurrence's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, serde::Serialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct OccurrenceId(pub i64);

/// Why there is an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The job's schedule.
    Schedule,
    /// A person.
    Manual,
}

/// Where an occurrence stands. All but the first two are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum OccurrenceState {
    /// To be run, at first or again.
    Waiting,
    /// A run of it is under way.
    Running,
    /// It was done.
    Done,
    /// It failed for good.
    Failed,
    /// A guard stopped it.
    Held,
    /// It was not to be run; the reason says why.
    Skipped,
    /// Its deadline passed before it could begin.
    Late,
}

/// One nominal time of a job.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct Occurrence {
    /// Its number.
    pub id: OccurrenceId,
    /// The job.
    pub job: String,
    /// The nominal time.
    #[sqlx(try_from = "Micros")]
    pub scheduled_for: Timestamp,
    /// Where a skipped row stands for more than one time: all those before this one.
    #[sqlx(try_from = "MaybeMicros")]
    pub covers_until: Option<Timestamp>,
    /// Why there is this occurrence.
    pub trigger: Trigger,
    /// Where it stands.
    pub state: OccurrenceState,
    /// Why it ended as it did, or why it has to wait.
    pub reason: Option<String>,
    /// How many runs of it began.
    pub attempts: i64,
    /// No run of it begins earlier.
    #[sqlx(try_from = "Micros")]
    pub not_before: Timestamp,
    /// When it came to its final outcome.
    #[sqlx(try_from = "MaybeMicros")]
    pub finished_at: Option<Timestamp>,
}

/// A row that the planner adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOccurrence {
    /// The nominal time.
    pub scheduled_for: Timestamp,
    /// Only for a skipped one: it stands for all nominal times before this.
    pub covers_until: Option<Timestamp>,
    /// No run begins earlier.
    pub not_before: Timestamp,
    /// Why it is skipped at once; `None`: it waits to be run.
    pub skipped: Option<String>,
}

/// An occurrence that has not ended, as the planner needs it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct OpenOccurrence {
    /// The nominal time.
    #[sqlx(try_from = "Micros")]
    pub scheduled_for: Timestamp,
    /// Waiting or running.
    pub state: OccurrenceState,
}

/// The right to run an occurrence once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The run that was opened.
    pub run: RunId,
    /// The occurrence, as it is now.
    pub occurrence: Occurrence,
    /// How many runs of it failed or timed out before. Lost and stopped ones do not count.
    pub failures: i64,
}

impl Store {
    /// Claims the oldest waiting occurrence that may begin at `now` and opens a run of it: of a job
    /// in `jobs`, with no other running, in the order of a job's nominal times, and not paused
    /// unless a person asked for this very one.
    pub async fn claim_next(
        &self,
        jobs: &BTreeSet<String>,
        boot: &BootId,
        now: Timestamp,
    ) -> anyhow::Result<Option<Claim>> {
        let mut write = self.write().await?;
        let due: Option<OccurrenceId> = sqlx::query_scalar(
            "SELECT o.id FROM occurrence AS o JOIN job ON job.name = o.job \
             WHERE o.finished_at IS NULL AND o.state = 'waiting' AND o.not_before <= ?1 \
                 AND o.job IN (SELECT value FROM json_each(?2)) \
                 AND (job.paused_at IS NULL OR o.trigger = 'manual') \
                 AND NOT EXISTS (SELECT 1 FROM occurrence AS other WHERE other.job = o.job \
                     AND other.finished_at IS NULL AND (other.state = 'running' OR (other.state = 'waiting' \
                         AND o.trigger = 'schedule' AND other.trigger = 'schedule' \
                         AND other.scheduled_for < o.scheduled_for))) \
             ORDER BY o.scheduled_for, o.id LIMIT 1",
        )
        .bind(Micros(now))
        .bind(serde_json::to_string(jobs)?)
        .fetch_optional(&mut *write)
        .await
        .context("cannot look for a due occurrence")?;
        let Some(due) = due else { return Ok(None) };
        let claim = claim(&mut write, due, boot, now).await?;
        write.commit().await?;
        Ok(Some(claim))
    }

    /// Claims one certain occurrence, paused or not. Fails where its job is running.
    pub async fn claim_occurrence(
        &self,
        occurrence: OccurrenceId,
        boot: &BootId,
        now: Timestamp,
    ) -> anyhow::Result<Claim> {
        let mut write = self.write().await?;
        let claim = claim(&mut write, occurrence, boot, now)
            .await
            .context("the job is running already, or the occurrence has ended")?;
        write.commit().await?;
        Ok(claim)
    }

    /// Asks for a run of `job` with the nominal time `nominal`, now. What has ended before under the
    /// same time is opened again; its earlier runs stay.
    pub async fn request_run(
        &self,
        job: &str,
        nominal: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> anyhow::Result<OccurrenceId> {
        let mut write = self.write().await?;
        // A job that the planner never saw has no digest, so the planner takes it as new later.
        sqlx::query(
            "INSERT INTO job (name, known_since, cursor) VALUES (?1, ?2, ?2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(job)
        .bind(Micros(now))
        .execute(&mut *write)
        .await?;
        let id = sqlx::query_scalar(
            "INSERT INTO occurrence (job, scheduled_for, trigger, state, reason, not_before, created_at) \
             VALUES (?1, ?2, 'manual', 'waiting', ?3, ?4, ?4) \
             ON CONFLICT (job, scheduled_for, trigger) DO UPDATE SET \
                 state = CASE state WHEN 'running' THEN 'running' ELSE 'waiting' END, \
                 reason = ?3, not_before = ?4, finished_at = NULL RETURNING id",
        )
        .bind(job)
        .bind(Micros(nominal))
        .bind(reason)
        .bind(Micros(now))
        .fetch_one(&mut *write)
        .await
        .with_context(|| format!("cannot ask for a run of {job} for {nominal}"))?;
        write.commit().await?;
        Ok(id)
    }

    /// Ends as late what was to begin before `before` and never did, and returns how many those are.
    pub async fn expire_waiting(
        &self,
        job: &str,
        before: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> anyhow::Result<u64> {
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "UPDATE occurrence SET state = 'late', reason = ?, finished_at = ? \
             WHERE job = ? AND finished_at IS NULL AND state = 'waiting' AND trigger = 'schedule' \
                 AND attempts = 0 AND scheduled_for < ?",
        )
        .bind(reason)
        .bind(Micros(now))
        .bind(job)
        .bind(Micros(before))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot end the late occurrences of {job}"))?;
        write.commit().await?;
        Ok(ended.rows_affected())
    }

    /// The newest occurrences of a job (of all jobs: `None`), newest nominal time first.
    pub async fn occurrences(&self, job: Option<&str>, limit: u32) -> anyhow::Result<Vec<Occurrence>> {
        let query = match job {
            Some(job) => sqlx::query_as(
                "SELECT * FROM occurrence WHERE job = ? ORDER BY scheduled_for DESC, id DESC LIMIT ?",
            )
            .bind(job),
            None => sqlx::query_as("SELECT * FROM occurrence ORDER BY scheduled_for DESC, id DESC LIMIT ?"),
        };
        query.bind(limit).fetch_all(&self.pool).await.context("cannot read the occurrences")
    }

    /// How many occurrences stand at each state, by the state's name.
    pub async fn occurrences_by_outcome(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM occurrence GROUP BY state ORDER BY state")
                .fetch_all(&self.pool)
                .await
                .context("cannot count the occurrences")?;
        Ok(rows.into_iter().map(|(state, count)| (state, count.unsigned_abs())).collect())
    }

    /// When the next waiting occurrence of these jobs may begin, as far as time alone decides.
    pub async fn next_wake(&self, jobs: &BTreeSet<String>) -> anyhow::Result<Option<Timestamp>> {
        let next: Option<Micros> = sqlx::query_scalar(
            "SELECT min(not_before) FROM occurrence JOIN job ON job.name = job \
             WHERE finished_at IS NULL AND state = 'waiting' AND job IN (SELECT value FROM json_each(?)) \
                 AND (paused_at IS NULL OR trigger = 'manual')",
        )
        .bind(serde_json::to_string(jobs)?)
        .fetch_one(&self.pool)
        .await
        .context("cannot look for the next occurrence")?;
        Ok(next.map(Timestamp::from))
    }
}

async fn claim(
    write: &mut Transaction<'_, Sqlite>,
    id: OccurrenceId,
    boot: &BootId,
    now: Timestamp,
) -> anyhow::Result<Claim> {
    let occurrence: Occurrence = sqlx::query_as(
        "UPDATE occurrence SET state = 'running', attempts = attempts + 1 \
         WHERE id = ? AND state = 'waiting' RETURNING *",
    )
    .bind(id)
    .fetch_one(&mut **write)
    .await
    .with_context(|| format!("cannot claim occurrence {}", id.0))?;
    let failures = sqlx::query_scalar(
        "SELECT count(*) FROM run WHERE occurrence_id = ? AND state IN ('failed', 'timed-out')",
    )
    .bind(id)
    .fetch_one(&mut **write)
    .await?;
    let run = open_run(write, &occurrence, boot, now).await?;
    Ok(Claim { run, occurrence, failures })
}

/// What has not ended, by job and then by nominal time.
pub(super) async fn open_occurrences(
    write: &mut Transaction<'_, Sqlite>,
) -> anyhow::Result<BTreeMap<String, Vec<OpenOccurrence>>> {
    #[derive(FromRow)]
    struct Row {
        job: String,
        #[sqlx(flatten)]
        open: OpenOccurrence,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT job, scheduled_for, state FROM occurrence WHERE finished_at IS NULL ORDER BY scheduled_for",
    )
    .fetch_all(&mut **write)
    .await?;
    let mut by_job: BTreeMap<String, Vec<OpenOccurrence>> = BTreeMap::new();
    for row in rows {
        by_job.entry(row.job).or_default().push(row.open);
    }
    Ok(by_job)
}

/// Skips what waits of a job's schedule; a person's own requests stay.
pub(super) async fn skip_waiting(
    write: &mut Transaction<'_, Sqlite>,
    job: &str,
    reason: &str,
    now: Timestamp,
) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE occurrence SET state = 'skipped', reason = ?, finished_at = ? \
         WHERE job = ? AND finished_at IS NULL AND state = 'waiting' AND trigger = 'schedule'",
    )
    .bind(reason)
    .bind(Micros(now))
    .bind(job)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Adds planned rows. One that is there already stays as it is: nothing is ever doubled.
pub(super) async fn insert_planned(
    write: &mut Transaction<'_, Sqlite>,
    job: &str,
    new: &[NewOccurrence],
    now: Timestamp,
) -> anyhow::Result<()> {
    for occurrence in new {
        let (state, finished_at) = match occurrence.skipped {
            None => (OccurrenceState::Waiting, None),
            Some(_) => (OccurrenceState::Skipped, Some(Micros(now))),
        };
        sqlx::query(
            "INSERT INTO occurrence (job, scheduled_for, covers_until, trigger, state, reason, not_before, \
                 created_at, finished_at) VALUES (?, ?, ?, 'schedule', ?, ?, ?, ?, ?) \
             ON CONFLICT (job, scheduled_for, trigger) DO NOTHING",
        )
        .bind(job)
        .bind(Micros(occurrence.scheduled_for))
        .bind(occurrence.covers_until.map(Micros))
        .bind(state)
        .bind(&occurrence.skipped)
        .bind(Micros(occurrence.not_before))
        .bind(Micros(now))
        .bind(finished_at)
        .execute(&mut **write)
        .await
        .with_context(|| format!("cannot record the occurrence {} of {job}", occurrence.scheduled_for))?;
    }
    Ok(())
}
