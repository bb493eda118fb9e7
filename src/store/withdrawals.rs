//! Withdrawals: the files that people took out of a distribution's conda channels, with who and why. The
//! row comes before its effect; whoever publishes to a channel leaves out what is withdrawn from it.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};
use crate::domain::ChannelFile;

/// A withdrawal's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct WithdrawalId(pub i64);

/// What was taken out in one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withdrawal {
    /// Its number.
    pub id: WithdrawalId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was lifted; absent while it is in force.
    pub lifted_at: Option<Timestamp>,
    /// The files, in order.
    pub files: Vec<ChannelFile>,
}

#[derive(FromRow)]
struct Row {
    id: WithdrawalId,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
    by: String,
    reason: String,
    #[sqlx(try_from = "MaybeMicros")]
    lifted_at: Option<Timestamp>,
}

/// The withdrawal, then the fields of the file.
type FileRow = (WithdrawalId, String, String, String, String);

impl Store {
    /// Writes down that `files` are withdrawn, and tells of it. Fails where there is none.
    pub async fn withdraw(
        &self,
        distribution: &str,
        files: &[ChannelFile],
        (by, reason): (&str, &str),
        event: impl FnOnce(WithdrawalId) -> NewEvent,
        at: Timestamp,
    ) -> anyhow::Result<WithdrawalId> {
        ensure!(!files.is_empty(), "there is nothing to withdraw");
        let mut write = self.write().await?;
        let (id,): (WithdrawalId,) = sqlx::query_as(
            "INSERT INTO withdrawal (distribution, at, by, reason) VALUES (?, ?, ?, ?) RETURNING id",
        )
        .bind(distribution)
        .bind(Micros(at))
        .bind(by)
        .bind(reason)
        .fetch_one(&mut *write)
        .await
        .context("cannot record a withdrawal")?;
        for file in files {
            sqlx::query(
                "INSERT INTO withdrawn_file (withdrawal_id, channel, subdir, file_name, sha256) \
                 VALUES (?, ?, ?, ?, ?)",
            )
            .bind(id)
            .bind(&file.channel)
            .bind(&file.subdir)
            .bind(&file.file_name)
            .bind(&file.sha256)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record that {} is withdrawn", file.file_name))?;
        }
        insert_event(&mut write, &event(id)).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Writes down that a withdrawal is lifted, and tells of it.
    pub async fn lift_withdrawal(
        &self,
        id: WithdrawalId,
        (by, reason): (&str, &str),
        event: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE withdrawal SET lifted_at = ?, lifted_by = ?, lifted_reason = ? WHERE id = ?")
            .bind(Micros(event.at))
            .bind(by)
            .bind(reason)
            .bind(id)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot lift withdrawal {}", id.0))?;
        insert_event(&mut write, event).await?;
        Ok(write.commit().await?)
    }

    /// The withdrawals of a distribution, oldest first; those that were lifted among them.
    pub async fn withdrawals(&self, distribution: &str) -> anyhow::Result<Vec<Withdrawal>> {
        let failed = || format!("cannot read what was withdrawn from {distribution}");
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, at, by, reason, lifted_at FROM withdrawal WHERE distribution = ? ORDER BY id",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(failed)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let files: Vec<FileRow> = sqlx::query_as(
            "SELECT withdrawal_id, channel, subdir, file_name, sha256 FROM withdrawn_file \
             JOIN withdrawal ON withdrawal.id = withdrawal_id WHERE distribution = ? \
             ORDER BY withdrawal_id, channel, subdir, file_name",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(failed)?;
        let mut by_id: BTreeMap<WithdrawalId, Vec<ChannelFile>> = BTreeMap::new();
        for (id, channel, subdir, file_name, sha256) in files {
            by_id.entry(id).or_default().push(ChannelFile { channel, subdir, file_name, sha256 });
        }
        let withdrawal = |row: Row| Withdrawal {
            files: by_id.remove(&row.id).unwrap_or_default(),
            id: row.id,
            at: row.at,
            by: row.by,
            reason: row.reason,
            lifted_at: row.lifted_at,
        };
        Ok(rows.into_iter().map(withdrawal).collect())
    }
}
