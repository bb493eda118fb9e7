//! The journal of outside effects: intended before, done with a receipt after. After a crash an
//! intended action is looked up outside before it is carried out again.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::Store;
use super::columns::{JsonText, MaybeJson, MaybeMicros, Micros};
use super::runs::RunId;

/// Where an action stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ActionState {
    /// It may or may not have happened.
    Intended,
    /// It happened; the receipt proves it.
    Done,
    /// It did not work; intending it again reopens it.
    Failed,
    /// It is no longer wanted.
    Abandoned,
}

/// What [`Store::intend`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intention {
    /// Nobody tried it before: carry it out.
    New,
    /// It was intended before and never finished, or it failed: look outside first, adopt it if it
    /// is there, carry it out otherwise.
    Again,
    /// It happened, with this receipt: nothing is to be done.
    Done(Value),
}

/// One journalled outside effect.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct Action {
    /// The idempotency key.
    pub key: String,
    /// The run that intended it last.
    pub run_id: RunId,
    /// The kind of effect.
    pub kind: String,
    /// What was wanted.
    #[sqlx(try_from = "JsonText")]
    pub intent: Value,
    /// Where it stands.
    pub state: ActionState,
    /// The proof; there exactly where it is done.
    #[sqlx(try_from = "MaybeJson")]
    pub receipt: Option<Value>,
    /// Why it failed or was abandoned.
    pub message: Option<String>,
    /// When it was first intended.
    #[sqlx(try_from = "Micros")]
    pub intended_at: Timestamp,
    /// When it came to its present end.
    #[sqlx(try_from = "MaybeMicros")]
    pub finished_at: Option<Timestamp>,
    /// How often it was intended.
    pub attempts: i64,
}

impl Store {
    /// Writes down, before the effect, that `run` wants it, and says what is already known of it.
    pub async fn intend(
        &self,
        key: &str,
        kind: &str,
        intent: &Value,
        run: RunId,
        at: Timestamp,
    ) -> anyhow::Result<Intention> {
        let mut write = self.write().await?;
        let known: Option<Action> = sqlx::query_as("SELECT * FROM action WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut *write)
            .await
            .with_context(|| format!("cannot read the action {key}"))?;
        if let Some(Action { state: ActionState::Done, receipt, .. }) = known {
            return Ok(Intention::Done(receipt.unwrap_or_default()));
        }
        sqlx::query(
            "INSERT INTO action (key, run_id, kind, intent, state, intended_at) \
             VALUES (?1, ?2, ?3, ?4, 'intended', ?5) \
             ON CONFLICT (key) DO UPDATE SET run_id = ?2, kind = ?3, intent = ?4, state = 'intended', \
                 message = NULL, finished_at = NULL, attempts = attempts + 1",
        )
        .bind(key)
        .bind(run)
        .bind(kind)
        .bind(JsonText(intent.clone()))
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record the intended action {key}"))?;
        write.commit().await?;
        Ok(if known.is_some() { Intention::Again } else { Intention::New })
    }

    /// The key under which an action is journalled that is wanted now. One that is done and wanted again,
    /// because the outside was changed back since, is another action.
    pub async fn fresh_action_key(&self, key: String) -> anyhow::Result<String> {
        let mut fresh = key.clone();
        for again in 2.. {
            let known = self.action(&fresh).await?;
            if known.is_none_or(|action| action.state != ActionState::Done) {
                break;
            }
            fresh = format!("{key}/{again}");
        }
        Ok(fresh)
    }

    /// Writes down, after the effect, the proof that it happened.
    pub async fn finish(&self, key: &str, receipt: &Value, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "UPDATE action SET state = 'done', receipt = ?, finished_at = ? WHERE key = ? AND state = 'intended'",
        )
        .bind(JsonText(receipt.clone()))
        .bind(Micros(at))
        .bind(key)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record the receipt of action {key}"))?;
        ensure!(ended.rows_affected() == 1, "action {key} is not open, so it cannot be finished");
        Ok(write.commit().await?)
    }

    /// Writes down that the effect did not work.
    pub async fn fail(&self, key: &str, message: &str, at: Timestamp) -> anyhow::Result<()> {
        self.end_action(key, ActionState::Failed, message, at).await
    }

    /// Writes down that the effect is no longer wanted.
    pub async fn abandon(&self, key: &str, reason: &str, at: Timestamp) -> anyhow::Result<()> {
        self.end_action(key, ActionState::Abandoned, reason, at).await
    }

    async fn end_action(
        &self,
        key: &str,
        state: ActionState,
        message: &str,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "UPDATE action SET state = ?, message = ?, finished_at = ? WHERE key = ? AND state = 'intended'",
        )
        .bind(state)
        .bind(message)
        .bind(Micros(at))
        .bind(key)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record the end of action {key}"))?;
        ensure!(ended.rows_affected() == 1, "action {key} is not open, so it cannot be ended");
        Ok(write.commit().await?)
    }

    /// The actions that were intended and have not ended, oldest first.
    pub async fn open_actions(&self) -> anyhow::Result<Vec<Action>> {
        sqlx::query_as("SELECT * FROM action WHERE state = 'intended' ORDER BY intended_at, key")
            .fetch_all(&self.pool)
            .await
            .context("cannot read the open actions")
    }

    /// The actions that `run` intended last, in the order in which they were intended.
    pub async fn actions_of(&self, run: RunId) -> anyhow::Result<Vec<Action>> {
        sqlx::query_as("SELECT * FROM action WHERE run_id = ? ORDER BY intended_at, key")
            .bind(run)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read the actions of run {run}"))
    }

    /// The actions that were done by `run` or an earlier attempt at the same occurrence, in the order in
    /// which they were intended.
    pub async fn done_for_occurrence_of(&self, run: RunId) -> anyhow::Result<Vec<Action>> {
        sqlx::query_as(
            "SELECT action.* FROM action JOIN run ON run.id = action.run_id WHERE action.state = 'done' \
                 AND run.occurrence_id = (SELECT occurrence_id FROM run WHERE id = ?) \
             ORDER BY intended_at, key",
        )
        .bind(run)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what was done for the occurrence of run {run}"))
    }

    /// How many issues were opened after `since` to report to others than those of `own`, a repository.
    pub async fn issues_opened_since(&self, since: Timestamp, own: &str) -> anyhow::Result<usize> {
        let own = format!("report/{own}/");
        let opened: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM action WHERE kind = 'report' AND state = 'done' AND finished_at > ?1 \
             AND key LIKE '%/open' AND substr(key, 1, length(?2)) <> ?2",
        )
        .bind(Micros(since))
        .bind(own)
        .fetch_one(&self.pool)
        .await
        .context("cannot count the issues that were opened lately")?;
        Ok(usize::try_from(opened)?)
    }

    /// The action with the key `key`.
    pub async fn action(&self, key: &str) -> anyhow::Result<Option<Action>> {
        sqlx::query_as("SELECT * FROM action WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.pool)
            .await
            .with_context(|| format!("cannot read the action {key}"))
    }
}
