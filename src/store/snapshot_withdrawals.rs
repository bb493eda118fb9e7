//! What people withdrew from published snapshots, and which one they let `latest` show. The row comes before its
//! effect; a withdrawal is also the generation of its snapshot that leaves the package out.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::FromRow;

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};
use crate::domain::{LatestChoice, PackageName, WithdrawnBytes};

/// The number of a withdrawal from a snapshot in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct SnapshotWithdrawalId(pub i64);

/// Something that is to be withdrawn from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSnapshotWithdrawal {
    /// The snapshot.
    pub date: Date,
    /// The package; none: the whole snapshot.
    pub package: Option<PackageName>,
    /// What becomes of the files.
    pub bytes: WithdrawnBytes,
}

/// Something that was withdrawn from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotWithdrawal {
    /// Its number.
    #[serde(skip)]
    pub id: SnapshotWithdrawalId,
    /// The snapshot.
    pub date: Date,
    /// The generation of the snapshot that is without it.
    pub generation: u64,
    /// The package; none: the whole snapshot.
    pub package: Option<PackageName>,
    /// What becomes of the files.
    pub bytes: WithdrawnBytes,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The SHA-256 of the generation's manifest, once readers see it.
    pub manifest_digest: Option<String>,
    /// When everything that follows was done.
    pub settled_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: SnapshotWithdrawalId,
    date: String,
    generation: i64,
    package: Option<String>,
    bytes: String,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
    by: String,
    reason: String,
    manifest_digest: Option<String>,
    #[sqlx(try_from = "MaybeMicros")]
    settled_at: Option<Timestamp>,
}

impl TryFrom<Row> for SnapshotWithdrawal {
    type Error = anyhow::Error;

    fn try_from(row: Row) -> anyhow::Result<Self> {
        Ok(Self {
            id: row.id,
            date: row.date.parse().context("the date of a withdrawal is damaged")?,
            generation: row.generation.try_into().context("the generation of a withdrawal is damaged")?,
            package: row.package,
            bytes: if row.bytes == WithdrawnBytes::Drop.as_str() {
                WithdrawnBytes::Drop
            } else {
                WithdrawnBytes::Keep
            },
            at: row.at,
            by: row.by,
            reason: row.reason,
            manifest_digest: row.manifest_digest,
            settled_at: row.settled_at,
        })
    }
}

impl Store {
    /// Writes down that something is withdrawn from snapshots, and tells of it: all in one transaction. A snapshot
    /// that is withdrawn as a whole changes its state.
    pub async fn withdraw_from_snapshots(
        &self,
        distribution: &str,
        withdrawn: &[NewSnapshotWithdrawal],
        (by, reason): (&str, &str),
        event: &NewEvent,
    ) -> anyhow::Result<()> {
        ensure!(!withdrawn.is_empty(), "there is nothing to withdraw");
        let mut write = self.write().await?;
        for new in withdrawn {
            let date = new.date.to_string();
            sqlx::query(
                "INSERT INTO snapshot_withdrawal (distribution, date, generation, package, bytes, at, by, reason) \
                 SELECT ?1, ?2, coalesce(max(generation), 1) + 1, ?3, ?4, ?5, ?6, ?7 \
                 FROM snapshot_withdrawal WHERE distribution = ?1 AND date = ?2",
            )
            .bind(distribution)
            .bind(&date)
            .bind(&new.package)
            .bind(new.bytes.as_str())
            .bind(Micros(event.at))
            .bind(by)
            .bind(reason)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record a withdrawal from the snapshot {date}"))?;
            if new.package.is_none() {
                sqlx::query(
                    "UPDATE snapshot SET state = 'withdrawn', reason = ? \
                     WHERE distribution = ? AND date = ? AND state = 'published'",
                )
                .bind(reason)
                .bind(distribution)
                .bind(&date)
                .execute(&mut *write)
                .await
                .with_context(|| format!("cannot withdraw the snapshot {date}"))?;
            }
        }
        insert_event(&mut write, event).await?;
        Ok(write.commit().await?)
    }

    /// Writes down that readers see the generation of a withdrawal: the SHA-256 of its manifest, and how many
    /// packages it has.
    pub async fn snapshot_was_rewritten(
        &self,
        id: SnapshotWithdrawalId,
        (manifest_digest, packages): (&str, i64),
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE snapshot_withdrawal SET manifest_digest = ?, packages = ? \
             WHERE id = ? AND manifest_digest IS NULL",
        )
        .bind(manifest_digest)
        .bind(packages)
        .bind(id)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record what withdrawal {} came to", id.0))?;
        Ok(write.commit().await?)
    }

    /// Writes down that nothing is left to do for these withdrawals.
    pub async fn settle_snapshot_withdrawals(
        &self,
        ids: &[SnapshotWithdrawalId],
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        for id in ids {
            sqlx::query("UPDATE snapshot_withdrawal SET settled_at = ? WHERE id = ? AND settled_at IS NULL")
                .bind(Micros(at))
                .bind(id)
                .execute(&mut *write)
                .await
                .with_context(|| format!("cannot settle withdrawal {}", id.0))?;
        }
        Ok(write.commit().await?)
    }

    /// What was withdrawn from the snapshots of a distribution, in the order of its generations.
    pub async fn snapshot_withdrawals(&self, distribution: &str) -> anyhow::Result<Vec<SnapshotWithdrawal>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, date, generation, package, bytes, at, by, reason, manifest_digest, settled_at \
             FROM snapshot_withdrawal WHERE distribution = ? ORDER BY date, generation",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what was withdrawn from snapshots of {distribution}"))?;
        rows.into_iter().map(SnapshotWithdrawal::try_from).collect()
    }

    /// Writes down which snapshot a person lets `latest` show, and tells of it.
    pub async fn choose_latest(
        &self,
        distribution: &str,
        choice: &LatestChoice,
        event: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO latest_choice (distribution, date, newest, at, by, reason) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(distribution)
        .bind(choice.date.to_string())
        .bind(choice.newest.to_string())
        .bind(Micros(choice.at))
        .bind(&choice.by)
        .bind(&choice.reason)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that {distribution} shows the snapshot {}", choice.date))?;
        insert_event(&mut write, event).await?;
        Ok(write.commit().await?)
    }

    /// The last choice of a person for `latest`, whether or not it still holds.
    pub async fn latest_choice(&self, distribution: &str) -> anyhow::Result<Option<LatestChoice>> {
        let row: Option<(String, String, i64, String, String)> = sqlx::query_as(
            "SELECT date, newest, at, by, reason FROM latest_choice WHERE distribution = ? \
             ORDER BY id DESC LIMIT 1",
        )
        .bind(distribution)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read which snapshot of {distribution} is shown"))?;
        let Some((date, newest, at, by, reason)) = row else { return Ok(None) };
        let (date, newest) = (date.parse()?, newest.parse()?);
        let at = Timestamp::from_microsecond(at).context("the time of a choice is damaged")?;
        Ok(Some(LatestChoice { date, newest, at, by, reason }))
    }
}
