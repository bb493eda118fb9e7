//! Confirmations: an operator's word that what a guard holds is real.

use std::collections::BTreeSet;

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::FromRow;

use super::Store;
use super::columns::{JsonText, Micros};
use super::events::{NewEvent, insert_event};
use crate::domain::HeldChange;

/// What is confirmed, by whom and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGuardConfirmation<'c> {
    /// The distribution.
    pub distribution: &'c str,
    /// The channel whose status was held.
    pub channel: &'c str,
    /// The changes that are held.
    pub changes: &'c BTreeSet<HeldChange>,
    /// Who.
    pub by: &'c str,
    /// Why.
    pub reason: &'c str,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "JsonText")]
    changes: serde_json::Value,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
}

impl Store {
    /// Writes down a confirmation, and tells of it.
    pub async fn confirm_guard(&self, new: NewGuardConfirmation<'_>, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let changes = serde_json::to_value(new.changes)?;
        sqlx::query(
            "INSERT INTO guard_confirmation (distribution, channel, changes, at, by, reason) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(new.distribution)
        .bind(new.channel)
        .bind(JsonText(changes.clone()))
        .bind(Micros(at))
        .bind(new.by)
        .bind(new.reason)
        .execute(&mut *write)
        .await
        .context("cannot record a confirmation")?;
        let event = NewEvent {
            at,
            kind: "guard-confirmed".to_owned(),
            job: "guard confirm".to_owned(),
            package: None,
            body: serde_json::json!({
                "distribution": new.distribution, "channel": new.channel, "changes": changes,
                "by": new.by, "reason": new.reason,
            }),
            dedup_key: format!("guard-confirmed/{}/{}/{at}", new.distribution, new.channel),
        };
        insert_event(&mut write, &event).await?;
        Ok(write.commit().await?)
    }

    /// The newest confirmation for a channel: when it was given, and for which changes.
    pub async fn guard_confirmation(
        &self,
        distribution: &str,
        channel: &str,
    ) -> anyhow::Result<Option<(Timestamp, BTreeSet<HeldChange>)>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT changes, at FROM guard_confirmation WHERE distribution = ? AND channel = ? \
             ORDER BY at DESC, id DESC LIMIT 1",
        )
        .bind(distribution)
        .bind(channel)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read what was confirmed for {distribution}/{channel}"))?;
        row.map(|row| Ok((row.at, serde_json::from_value(row.changes)?))).transpose()
    }
}
