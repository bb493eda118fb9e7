//! Operators' words that stand for evidence, and those that release a held snapshot.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::FromRow;

use super::Store;
use super::columns::Micros;
use super::events::{NewEvent, insert_event};
use crate::domain::{
    EvidenceOverride, OverriddenAs, OverrideWish, PackageName, ReleaseWish, SnapshotRelease,
};

#[derive(FromRow)]
struct OverrideRow {
    package: String,
    version: String,
    commit_sha: String,
    says: String,
    until: String,
    by: String,
    reason: String,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
}

#[derive(FromRow)]
struct ReleaseRow {
    held: String,
    by: String,
    reason: String,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
}

impl Store {
    /// Writes down an override, and tells of it.
    pub async fn override_evidence(&self, wish: &OverrideWish, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO evidence_override \
             (distribution, channel, package, version, commit_sha, says, until, at, by, reason) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&wish.distribution)
        .bind(&wish.channel)
        .bind(&wish.package)
        .bind(&wish.version)
        .bind(&wish.commit)
        .bind(wish.says.to_string())
        .bind(wish.until.to_string())
        .bind(Micros(at))
        .bind(&wish.by)
        .bind(&wish.reason)
        .execute(&mut *write)
        .await
        .context("cannot record an override")?;
        let event = NewEvent {
            at,
            kind: "evidence-overridden".to_owned(),
            job: "guard override".to_owned(),
            package: Some(wish.package.clone()),
            body: serde_json::to_value(wish)?,
            dedup_key: format!(
                "evidence-overridden/{}/{}/{}/{at}",
                wish.distribution, wish.channel, wish.package
            ),
        };
        insert_event(&mut write, &event).await?;
        Ok(write.commit().await?)
    }

    /// The newest override of every package of a channel, those that have run out too.
    pub async fn evidence_overrides(
        &self,
        distribution: &str,
        channel: &str,
    ) -> anyhow::Result<BTreeMap<PackageName, EvidenceOverride>> {
        let rows: Vec<OverrideRow> = sqlx::query_as(
            "SELECT package, version, commit_sha, says, until, by, reason, at FROM evidence_override \
             WHERE distribution = ? AND channel = ? ORDER BY at, id",
        )
        .bind(distribution)
        .bind(channel)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what was overridden of {distribution}/{channel}"))?;
        // A later row takes the place of an earlier one.
        rows.into_iter().map(|row| Ok((row.package.clone(), row.word()?))).collect()
    }

    /// Writes down that a held snapshot is meant, and tells of it.
    pub async fn release_snapshot(&self, wish: &ReleaseWish, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO snapshot_release (distribution, date, held, at, by, reason) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&wish.distribution)
        .bind(wish.date.to_string())
        .bind(&wish.held)
        .bind(Micros(at))
        .bind(&wish.by)
        .bind(&wish.reason)
        .execute(&mut *write)
        .await
        .context("cannot record the release of a snapshot")?;
        let event = NewEvent {
            at,
            kind: "snapshot-released".to_owned(),
            job: "guard release".to_owned(),
            package: None,
            body: serde_json::to_value(wish)?,
            dedup_key: format!("snapshot-released/{}/{}/{at}", wish.distribution, wish.date),
        };
        insert_event(&mut write, &event).await?;
        Ok(write.commit().await?)
    }

    /// The newest word that the snapshot of a date is meant, where there is one.
    pub async fn snapshot_release(
        &self,
        distribution: &str,
        date: Date,
    ) -> anyhow::Result<Option<SnapshotRelease>> {
        let row: Option<ReleaseRow> = sqlx::query_as(
            "SELECT held, by, reason, at FROM snapshot_release WHERE distribution = ? AND date = ? \
             ORDER BY at DESC, id DESC LIMIT 1",
        )
        .bind(distribution)
        .bind(date.to_string())
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read what was released of {distribution} {date}"))?;
        Ok(row.map(|ReleaseRow { held, by, reason, at }| SnapshotRelease { held, by, reason, at }))
    }
}

impl OverrideRow {
    fn word(self) -> anyhow::Result<EvidenceOverride> {
        let Self { package, version, commit_sha, says, until, by, reason, at } = self;
        let unreadable = || format!("the override of {package} by {by} cannot be read");
        let says: OverriddenAs =
            serde_json::from_value(serde_json::Value::String(says)).with_context(unreadable)?;
        let until = until.parse().with_context(unreadable)?;
        Ok(EvidenceOverride { version, commit: commit_sha, says, until, by, reason, at })
    }
}
