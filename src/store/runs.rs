//! Runs: the attempts at an occurrence, and how a crash is recovered from.

use std::fmt;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::occurrences::{Occurrence, OccurrenceId, OccurrenceState};

/// How often the process may die during one occurrence before that counts as a failure: high
/// enough for any run of bad luck, low enough to end a crash loop.
const LOST_LIMIT: i64 = 20;

/// A run's number in this store.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize, serde::Deserialize,
)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One life of a process, told apart from all others.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct BootId(pub String);

/// How a run stands. All but the first are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(rename_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Under way.
    Running,
    /// It did its work.
    Done,
    /// Nothing had changed outside, so there was no work.
    Unchanged,
    /// It failed.
    Failed,
    /// A guard stopped it.
    Held,
    /// It found that it was not to be run.
    Skipped,
    /// The process died under it.
    Lost,
    /// It took too long.
    TimedOut,
    /// The daemon was stopped under it.
    Stopped,
}

/// One attempt at an occurrence.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The occurrence it is an attempt at.
    pub occurrence_id: OccurrenceId,
    /// The job.
    pub job: String,
    /// The nominal time.
    #[sqlx(try_from = "Micros")]
    pub scheduled_for: Timestamp,
    /// 1 for the first attempt.
    pub attempt: i64,
    /// How it stands.
    pub state: RunState,
    /// When it began.
    #[sqlx(try_from = "Micros")]
    pub started_at: Timestamp,
    /// When it ended.
    #[sqlx(try_from = "MaybeMicros")]
    pub finished_at: Option<Timestamp>,
    /// One line on what it did, or why it did nothing.
    pub summary: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The blob with everything it decided from.
    pub input_digest: Option<String>,
    /// The blob with what it decided.
    pub plan_digest: Option<String>,
}

/// How a run ended, and with that what becomes of its occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It did its work.
    Done {
        /// One line on what it did.
        summary: String,
        /// The blob with everything it decided from.
        input_digest: Option<String>,
        /// The blob with what it decided.
        plan_digest: Option<String>,
    },
    /// Nothing had changed outside.
    Unchanged {
        /// One line on what it looked at.
        summary: String,
    },
    /// A guard stopped it.
    Held {
        /// Why, and what to do.
        reason: String,
    },
    /// It found that it was not to be run.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It failed.
    Failed {
        /// What went wrong.
        error: String,
        /// When the occurrence is tried again; `None`: never.
        retry_at: Option<Timestamp>,
    },
    /// It took too long.
    TimedOut {
        /// How long it was given.
        error: String,
        /// When the occurrence is tried again; `None`: never.
        retry_at: Option<Timestamp>,
    },
    /// The daemon was stopped under it; the occurrence waits for the next start.
    Stopped {
        /// How it was stopped.
        reason: String,
    },
}

/// What a start found of an earlier process's death.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Runs that were lost and whose occurrences wait again: job and nominal time.
    pub again: Vec<(String, Timestamp)>,
    /// Occurrences that are given up, because the process died during every one of many attempts.
    pub given_up: Vec<(String, Timestamp)>,
}

/// The columns of a run and its occurrence that an ending writes.
struct Ending<'a> {
    run: RunState,
    occurrence: OccurrenceState,
    summary: Option<&'a str>,
    error: Option<&'a str>,
    digests: (Option<&'a str>, Option<&'a str>),
    retry_at: Option<Timestamp>,
}

impl RunEnd {
    fn ending(&self, now: Timestamp) -> Ending<'_> {
        let plain = |run, occurrence| Ending {
            run,
            occurrence,
            summary: None,
            error: None,
            digests: (None, None),
            retry_at: None,
        };
        let failed = |run, error, retry_at: Option<Timestamp>| Ending {
            error: Some(error),
            retry_at,
            ..plain(run, retry_at.map_or(OccurrenceState::Failed, |_| OccurrenceState::Waiting))
        };
        match self {
            Self::Done { summary, input_digest, plan_digest } => Ending {
                summary: Some(summary),
                digests: (input_digest.as_deref(), plan_digest.as_deref()),
                ..plain(RunState::Done, OccurrenceState::Done)
            },
            Self::Unchanged { summary } => {
                Ending { summary: Some(summary), ..plain(RunState::Unchanged, OccurrenceState::Done) }
            }
            Self::Held { reason } => {
                Ending { summary: Some(reason), ..plain(RunState::Held, OccurrenceState::Held) }
            }
            Self::Skipped { reason } => {
                Ending { summary: Some(reason), ..plain(RunState::Skipped, OccurrenceState::Skipped) }
            }
            Self::Failed { error, retry_at } => failed(RunState::Failed, error, *retry_at),
            Self::TimedOut { error, retry_at } => failed(RunState::TimedOut, error, *retry_at),
            Self::Stopped { reason } => failed(RunState::Stopped, reason, Some(now)),
        }
    }
}

impl Store {
    /// Writes how a run ended, and what that means for its occurrence, in one step.
    pub async fn finish_run(&self, run: RunId, end: &RunEnd, now: Timestamp) -> anyhow::Result<()> {
        let ending = end.ending(now);
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "UPDATE run SET state = ?, finished_at = ?, summary = ?, error = ?, input_digest = ?, \
                 plan_digest = ? WHERE id = ? AND state = 'running'",
        )
        .bind(ending.run)
        .bind(Micros(now))
        .bind(ending.summary)
        .bind(ending.error)
        .bind(ending.digests.0)
        .bind(ending.digests.1)
        .bind(run)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record the end of run {run}"))?;
        ensure!(ended.rows_affected() == 1, "run {run} is not under way, so it cannot end");
        let waits = ending.occurrence == OccurrenceState::Waiting;
        let reason = match ending.occurrence {
            OccurrenceState::Done => None,
            _ => ending.error.or(ending.summary),
        };
        sqlx::query(
            "UPDATE occurrence SET state = ?, reason = ?, not_before = max(not_before, coalesce(?, 0)), \
                 finished_at = ? WHERE id = (SELECT occurrence_id FROM run WHERE id = ?)",
        )
        .bind(ending.occurrence)
        .bind(reason)
        .bind(ending.retry_at.map(Micros))
        .bind((!waits).then_some(Micros(now)))
        .bind(run)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record the outcome of run {run}"))?;
        Ok(write.commit().await?)
    }

    /// Ends the runs that other processes left behind as lost, and has their occurrences wait again
    /// under the same nominal time. To be called once at each start, by the holder of the lock.
    pub async fn recover(&self, boot: &BootId, now: Timestamp) -> anyhow::Result<Recovered> {
        let mut write = self.write().await?;
        let orphans: Vec<(RunId, OccurrenceId)> = sqlx::query_as(
            "SELECT id, occurrence_id FROM run WHERE state = 'running' AND boot_id <> ? ORDER BY id",
        )
        .bind(boot)
        .fetch_all(&mut *write)
        .await
        .context("cannot look for runs of a dead process")?;
        let mut recovered = Recovered::default();
        for (run, occurrence) in orphans {
            sqlx::query(
                "UPDATE run SET state = 'lost', finished_at = ?, error = 'the process ended under it' WHERE id = ?",
            )
            .bind(Micros(now))
            .bind(run)
            .execute(&mut *write)
            .await?;
            let row = put_back(&mut write, occurrence, now).await?;
            let list = match row.state {
                OccurrenceState::Waiting => &mut recovered.again,
                _ => &mut recovered.given_up,
            };
            list.push((row.job, row.scheduled_for));
        }
        write.commit().await?;
        Ok(recovered)
    }

    /// The newest runs of a job (of all jobs: `None`), newest first.
    pub async fn runs(&self, job: Option<&str>, limit: u32) -> anyhow::Result<Vec<Run>> {
        sqlx::query_as(
            "SELECT run.*, job, scheduled_for FROM run JOIN occurrence ON occurrence.id = occurrence_id \
             WHERE ?1 IS NULL OR job = ?1 ORDER BY run.id DESC LIMIT ?2",
        )
        .bind(job)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .context("cannot read the runs")
    }

    /// One run.
    pub async fn run(&self, id: RunId) -> anyhow::Result<Option<Run>> {
        sqlx::query_as(
            "SELECT run.*, job, scheduled_for FROM run JOIN occurrence ON occurrence.id = occurrence_id \
             WHERE run.id = ?",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read run {id}"))
    }
}

/// Has an occurrence whose run was lost wait again, or gives it up after too many losses.
async fn put_back(
    write: &mut Transaction<'_, Sqlite>,
    occurrence: OccurrenceId,
    now: Timestamp,
) -> anyhow::Result<Occurrence> {
    let lost: i64 = sqlx::query_scalar("SELECT count(*) FROM run WHERE occurrence_id = ? AND state = 'lost'")
        .bind(occurrence)
        .fetch_one(&mut **write)
        .await?;
    let (state, reason, finished_at) = if lost >= LOST_LIMIT {
        let reason = format!("the process ended during each of {lost} attempts");
        (OccurrenceState::Failed, reason, Some(Micros(now)))
    } else {
        (OccurrenceState::Waiting, "the process ended under the last attempt".to_owned(), None)
    };
    Ok(sqlx::query_as(
        "UPDATE occurrence SET state = ?, reason = ?, finished_at = ? WHERE id = ? RETURNING *",
    )
    .bind(state)
    .bind(reason)
    .bind(finished_at)
    .bind(occurrence)
    .fetch_one(&mut **write)
    .await?)
}

/// Opens a run of an occurrence that was just claimed.
pub(super) async fn open_run(
    write: &mut Transaction<'_, Sqlite>,
    occurrence: &Occurrence,
    boot: &BootId,
    now: Timestamp,
) -> anyhow::Result<RunId> {
    sqlx::query_scalar(
        "INSERT INTO run (occurrence_id, attempt, state, started_at, boot_id) \
         VALUES (?, ?, 'running', ?, ?) RETURNING id",
    )
    .bind(occurrence.id)
    .bind(occurrence.attempts)
    .bind(Micros(now))
    .bind(boot)
    .fetch_one(&mut **write)
    .await
    .with_context(|| format!("cannot open a run of {}", occurrence.job))
}
