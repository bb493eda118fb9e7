//! What becomes of history that is older than it is to be kept.
//!
//! What goes: verdicts that ended, runs that nothing names, what sources said before the time that is kept, logs of
//! tests, and then the blobs that no row names any more. What stays whatever its age: what is in force, what a source
//! said last, everything about snapshots, all that the journal tells, and the newest run of each job. A run that
//! stays has its input and its plan, so it can be decided again.
//!
//! Rows go by the thousand, each time in one transaction, so that nobody waits for long. When the power fails in
//! between, the next round goes on: a blob that was left over is found by the same look.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::{Sqlite, Transaction};

use super::Store;
use super::columns::Micros;

/// So many rows go in one transaction.
const AT_ONCE: i64 = 1_000;
/// Nothing younger than this goes: a run under way may be about to name a blob that is there already.
const YOUNGEST: SignedDuration = SignedDuration::from_hours(24);

/// So long before its day the facts of a snapshot may have been seen: time zones, and how old a fact may be.
const BEFORE_A_SNAPSHOT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Verdicts that had ended.
    pub verdicts: u64,
    /// Runs.
    pub runs: u64,
    /// Observations.
    pub observations: u64,
    /// Logs of tests.
    pub logs: u64,
    /// Inputs, plans, observations and logs as bytes.
    pub blobs: u64,
}

impl Store {
    /// Deletes what is older than `before` and nothing needs; see the module. Never anything of the last day
    /// before `now`.
    pub async fn prune(&self, before: Timestamp, now: Timestamp) -> anyhow::Result<Pruned> {
        let youngest = now.checked_sub(YOUNGEST).unwrap_or(Timestamp::MIN);
        let needed = self.needed_by_snapshots().await?.unwrap_or(Timestamp::MAX);
        let before = Micros(before.min(youngest).min(needed));
        // The order matters: a run may go once no verdict names it, and a blob once neither run nor observation does.
        Ok(Pruned {
            verdicts: self.in_batches(VERDICTS, before).await?,
            runs: self.in_batches(RUNS, before).await?,
            observations: self.in_batches(OBSERVATIONS, before).await?,
            logs: self.in_batches(LOGS, before).await?,
            blobs: self.in_batches(BLOBS, before).await?,
        })
    }

    /// Since when history is needed by a snapshot that may still be published: it is taken from what was known on its
    /// day. One of an earlier cycle than the newest is not taken any more.
    async fn needed_by_snapshots(&self) -> anyhow::Result<Option<Timestamp>> {
        let date: Option<String> = sqlx::query_scalar(
            "SELECT min(date) FROM snapshot AS open WHERE state IN ('preparing', 'held') \
             AND date = (SELECT max(date) FROM snapshot WHERE distribution = open.distribution)",
        )
        .fetch_one(&self.pool)
        .await
        .context("cannot read which snapshots are not published yet")?;
        let Some(date) = date else { return Ok(None) };
        let day: Timestamp = format!("{date}T00:00:00Z").parse().context("a snapshot has a date")?;
        Ok(Some(day.checked_sub(BEFORE_A_SNAPSHOT)?))
    }

    /// Repeats a statement with the parameters `before` and a number of rows until it finds none.
    async fn in_batches(&self, statement: &'static str, before: Micros) -> anyhow::Result<u64> {
        let mut gone = 0;
        loop {
            let mut write: Transaction<'_, Sqlite> = self.write().await?;
            let done = sqlx::query(statement)
                .bind(before)
                .bind(AT_ONCE)
                .execute(&mut *write)
                .await
                .context("cannot delete old history")?
                .rows_affected();
            write.commit().await?;
            gone += done;
            if done == 0 {
                return Ok(gone);
            }
        }
    }
}

/// Those on snapshots stay: they say why a package is in one for good.
const VERDICTS: &str = "DELETE FROM verdict WHERE id IN \
    (SELECT id FROM verdict WHERE until < ?1 AND scope <> 'snapshot' LIMIT ?2)";

const RUNS: &str = "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE finished_at < ?1 \
    AND NOT EXISTS (SELECT 1 FROM verdict WHERE run_id = run.id) \
    AND NOT EXISTS (SELECT 1 FROM action WHERE run_id = run.id) \
    AND NOT EXISTS (SELECT 1 FROM recheck_test WHERE run_id = run.id) \
    AND NOT EXISTS (SELECT 1 FROM occurrence WHERE occurrence.id = run.occurrence_id AND finished_at IS NULL) \
    AND id NOT IN (SELECT max(newest.id) FROM run AS newest \
        JOIN occurrence ON occurrence.id = newest.occurrence_id GROUP BY occurrence.job) LIMIT ?2)";

/// What was known at `before` and at any later time stays known: an answer goes only where a later one had come by
/// then, and a failure where an answer has come since.
const OBSERVATIONS: &str = "DELETE FROM observation WHERE id IN (SELECT id FROM observation AS old \
    WHERE old.last_at < ?1 AND EXISTS (SELECT 1 FROM observation AS later WHERE later.source = old.source \
        AND later.id > old.id AND later.digest IS NOT NULL AND later.first_at <= ?1) LIMIT ?2)";

/// Logs of tests that verdicts in force rest on stay.
const LOGS: &str = "UPDATE recheck_test SET log_digest = NULL WHERE id IN (SELECT id FROM recheck_test \
    WHERE log_digest IS NOT NULL AND ended_at < ?1 \
    AND run_id NOT IN (SELECT run_id FROM verdict WHERE until IS NULL) LIMIT ?2)";

/// A blob that no column names.
const BLOBS: &str = "DELETE FROM blob WHERE digest IN (SELECT digest FROM blob WHERE created_at < ?1 AND for_good = 0 \
    AND NOT EXISTS (SELECT 1 FROM observation WHERE observation.digest = blob.digest) \
    AND NOT EXISTS (SELECT 1 FROM run WHERE input_digest = blob.digest) \
    AND NOT EXISTS (SELECT 1 FROM run WHERE plan_digest = blob.digest) \
    AND NOT EXISTS (SELECT 1 FROM recheck_test WHERE environment_digest = blob.digest) \
    AND NOT EXISTS (SELECT 1 FROM recheck_test WHERE log_digest = blob.digest) LIMIT ?2)";
