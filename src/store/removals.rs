//! Removals: the packages that people asked to be taken out of channels, with who, when and why. The row
//! comes before its effect, and every job honours it.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::Store;
use super::columns::{JsonText, MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};
use crate::domain::{PackageName, Removal};

/// A removal as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemovalRow {
    /// The package.
    pub package: PackageName,
    /// What was asked for.
    pub removal: Removal,
    /// When it was undone, by whom and why; absent while it is in force.
    pub undone: Option<Undone>,
}

/// That a removal was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

#[derive(FromRow)]
struct Row {
    package: String,
    #[sqlx(try_from = "JsonText")]
    channels: serde_json::Value,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
    by: String,
    reason: String,
    #[sqlx(try_from = "MaybeMicros")]
    undone_at: Option<Timestamp>,
    undone_by: Option<String>,
    undone_reason: Option<String>,
}

impl TryFrom<Row> for RemovalRow {
    type Error = anyhow::Error;

    fn try_from(row: Row) -> anyhow::Result<Self> {
        let channels =
            serde_json::from_value(row.channels).context("the channels of a removal are damaged")?;
        let undone = match (row.undone_at, row.undone_by, row.undone_reason) {
            (Some(at), Some(by), Some(reason)) => Some(Undone { at, by, reason }),
            _ => None,
        };
        let removal = Removal { at: row.at, by: row.by, reason: row.reason, channels };
        Ok(Self { package: row.package, removal, undone })
    }
}

impl Store {
    /// Writes down that a package is to leave channels, and tells of it. Fails where that was asked for
    /// already.
    pub async fn remove_package(
        &self,
        distribution: &str,
        package: &str,
        removal: &Removal,
    ) -> anyhow::Result<()> {
        let known = self.removals_in_force(distribution).await?;
        if let Some(known) = known.get(package) {
            let (at, by) = (known.at, &known.by);
            anyhow::bail!("{package} was removed from {distribution} already, at {at} by {by}");
        }
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO removal (distribution, package, channels, at, by, reason) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(distribution)
        .bind(package)
        .bind(JsonText(serde_json::to_value(&removal.channels)?))
        .bind(Micros(removal.at))
        .bind(&removal.by)
        .bind(&removal.reason)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that {package} is removed"))?;
        let about = (distribution, package);
        insert_event(&mut write, &event(about, "removed", (&removal.by, &removal.reason), removal.at))
            .await?;
        Ok(write.commit().await?)
    }

    /// Writes down that a removal is undone, and tells of it. Fails where none is in force.
    pub async fn undo_removal(
        &self,
        distribution: &str,
        package: &str,
        undone: &Undone,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let changed = sqlx::query(
            "UPDATE removal SET undone_at = ?, undone_by = ?, undone_reason = ? \
             WHERE distribution = ? AND package = ? AND undone_at IS NULL",
        )
        .bind(Micros(undone.at))
        .bind(&undone.by)
        .bind(&undone.reason)
        .bind(distribution)
        .bind(package)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot undo the removal of {package}"))?;
        ensure!(changed.rows_affected() > 0, "no removal of {package} from {distribution} is in force");
        let about = (distribution, package);
        insert_event(&mut write, &event(about, "undone", (&undone.by, &undone.reason), undone.at)).await?;
        Ok(write.commit().await?)
    }

    /// The removals of a distribution that are in force, by package.
    pub async fn removals_in_force(
        &self,
        distribution: &str,
    ) -> anyhow::Result<BTreeMap<PackageName, Removal>> {
        let rows = self.removals(distribution).await?.into_iter();
        let in_force = rows.filter(|row| row.undone.is_none());
        Ok(in_force.map(|row| (row.package, row.removal)).collect())
    }

    /// The removals of a distribution, oldest first; those that were undone among them.
    pub async fn removals(&self, distribution: &str) -> anyhow::Result<Vec<RemovalRow>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT package, channels, at, by, reason, undone_at, undone_by, undone_reason FROM removal \
             WHERE distribution = ? ORDER BY id",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what was removed from {distribution}"))?;
        rows.into_iter().map(RemovalRow::try_from).collect()
    }
}

fn event(
    (distribution, package): (&str, &str),
    action: &str,
    (by, reason): (&str, &str),
    at: Timestamp,
) -> NewEvent {
    NewEvent {
        at,
        kind: "removal".to_owned(),
        job: "remove".to_owned(),
        package: Some(package.to_owned()),
        body: serde_json::json!({
            "action": action, "distribution": distribution, "by": by, "reason": reason,
        }),
        dedup_key: format!("removal/{distribution}/{package}/{action}/{at}"),
    }
}
