//! Published sets. A row cannot change once it is published, except for the word that it was
//! withdrawn.

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::FromRow;

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::registry::RevisionId;

/// Where a snapshot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum SnapshotState {
    /// Being made.
    Preparing,
    /// Public, for good.
    Published,
    /// Stopped by a guard, waiting for a person.
    Held,
    /// Public once, and no longer recommended.
    Withdrawn,
}

/// One snapshot of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Snapshot {
    /// The distribution.
    pub distribution: String,
    /// The nominal date of its milestone.
    pub date: Date,
    /// Where it stands.
    pub state: SnapshotState,
    /// Why it is held or was withdrawn.
    pub reason: Option<String>,
    /// The suite revision that lists its members.
    #[serde(skip)]
    pub suite: Option<RevisionId>,
    /// The SHA-256 of its manifest, once that is written: of the generation that readers see.
    pub manifest_digest: Option<String>,
    /// How many packages that generation holds.
    pub packages: i64,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// The generation that readers see: one more for each withdrawal. Not saved with a snapshot.
    pub generation: u64,
}

#[derive(FromRow)]
struct Row {
    distribution: String,
    date: String,
    state: SnapshotState,
    reason: Option<String>,
    suite_revision_id: Option<RevisionId>,
    manifest_digest: Option<String>,
    packages: i64,
    #[sqlx(try_from = "MaybeMicros")]
    published_at: Option<Timestamp>,
    generation: i64,
}

/// The snapshots of one distribution as readers see them: what withdrawals made of them counts.
macro_rules! as_seen {
    ($more:literal) => {
        concat!(
            "SELECT snapshot.distribution, snapshot.date, state, snapshot.reason, suite_revision_id, \
                 coalesce(rewritten.manifest_digest, snapshot.manifest_digest) AS manifest_digest, \
                 coalesce(rewritten.packages, snapshot.packages) AS packages, published_at, \
                 coalesce(rewritten.generation, 1) AS generation \
             FROM snapshot LEFT JOIN snapshot_withdrawal AS rewritten \
                 ON rewritten.distribution = snapshot.distribution AND rewritten.date = snapshot.date \
                 AND rewritten.generation = (SELECT max(generation) FROM snapshot_withdrawal AS seen \
                     WHERE seen.distribution = snapshot.distribution AND seen.date = snapshot.date \
                     AND seen.manifest_digest IS NOT NULL) \
             WHERE snapshot.distribution = ? ",
            $more
        )
    };
}

impl TryFrom<Row> for Snapshot {
    type Error = anyhow::Error;

    fn try_from(row: Row) -> anyhow::Result<Self> {
        let date = row
            .date
            .parse()
            .with_context(|| format!("{} has a snapshot with the date {}", row.distribution, row.date))?;
        Ok(Self {
            distribution: row.distribution,
            date,
            state: row.state,
            reason: row.reason,
            suite: row.suite_revision_id,
            manifest_digest: row.manifest_digest,
            packages: row.packages,
            published_at: row.published_at,
            generation: row.generation.try_into().unwrap_or(1),
        })
    }
}

impl Store {
    /// Saves a snapshot under its distribution and date. Refused where it is published already.
    pub async fn save_snapshot(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO snapshot (distribution, date, state, reason, suite_revision_id, manifest_digest, \
                 packages, published_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (distribution, date) DO UPDATE SET state = excluded.state, \
                 reason = excluded.reason, suite_revision_id = excluded.suite_revision_id, \
                 manifest_digest = excluded.manifest_digest, packages = excluded.packages, \
                 published_at = excluded.published_at",
        )
        .bind(&snapshot.distribution)
        .bind(snapshot.date.to_string())
        .bind(snapshot.state)
        .bind(&snapshot.reason)
        .bind(snapshot.suite)
        .bind(&snapshot.manifest_digest)
        .bind(snapshot.packages)
        .bind(snapshot.published_at.map(Micros))
        .execute(&mut *write)
        .await
        .with_context(|| {
            format!("cannot save the snapshot {} of {}", snapshot.date, snapshot.distribution)
        })?;
        Ok(write.commit().await?)
    }

    /// The snapshot of one date.
    pub async fn snapshot(&self, distribution: &str, date: Date) -> anyhow::Result<Option<Snapshot>> {
        let row: Option<Row> = sqlx::query_as(as_seen!("AND snapshot.date = ?"))
            .bind(distribution)
            .bind(date.to_string())
            .fetch_optional(&self.pool)
            .await
            .with_context(|| format!("cannot read the snapshot {date} of {distribution}"))?;
        row.map(Snapshot::try_from).transpose()
    }

    /// The snapshots of a distribution, oldest first.
    pub async fn snapshots(&self, distribution: &str) -> anyhow::Result<Vec<Snapshot>> {
        let rows: Vec<Row> = sqlx::query_as(as_seen!("ORDER BY snapshot.date"))
            .bind(distribution)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read the snapshots of {distribution}"))?;
        rows.into_iter().map(Snapshot::try_from).collect()
    }
}
