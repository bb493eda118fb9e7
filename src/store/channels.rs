//! What each channel of a distribution holds and held, as intervals.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::Micros;
use super::events::{NewEvent, insert_event};

/// Who put a revision into a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A promotion of ours.
    Tidegate,
    /// A person's commit or merged pull request: never reverted.
    Person,
    /// It was there before we looked.
    Import,
}

/// One package in a channel.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct ChannelEntry {
    /// The package.
    pub package: String,
    /// Its version, where it is known.
    pub version: Option<String>,
    /// The commit that the channel holds.
    pub commit_sha: String,
    /// Who put it there.
    pub origin: Origin,
}

/// A difference between what the store held of a channel and what it holds now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChannelChange {
    /// The package.
    pub package: String,
    /// What was there; `None` where the package has entered.
    pub before: Option<ChannelEntry>,
    /// What is there; `None` where the package has left.
    pub after: Option<ChannelEntry>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    #[sqlx(flatten)]
    entry: ChannelEntry,
    #[sqlx(try_from = "Micros")]
    since: Timestamp,
}

impl Store {
    /// Makes the store agree with what a channel holds at `at`, writes down with it what `tell` tells
    /// of each change, and returns what changed, by package. A version that becomes known for the same
    /// commit is filled in, not a change, and a row that stays keeps its origin.
    pub async fn sync_channel(
        &self,
        distribution: &str,
        channel: &str,
        entries: &[ChannelEntry],
        at: Timestamp,
        tell: &(dyn Fn(&ChannelChange) -> Option<NewEvent> + Sync),
    ) -> anyhow::Result<Vec<ChannelChange>> {
        let mut wanted = BTreeMap::new();
        for entry in entries {
            let twice = wanted.insert(&*entry.package, entry).is_some();
            ensure!(!twice, "{distribution}/{channel} lists {} twice", entry.package);
        }
        let mut write = self.write().await?;
        let held: Vec<Row> = sqlx::query_as(
            "SELECT id, package, version, commit_sha, origin, since FROM entry \
             WHERE distribution = ? AND channel = ? AND until IS NULL",
        )
        .bind(distribution)
        .bind(channel)
        .fetch_all(&mut *write)
        .await
        .with_context(|| format!("cannot read what {distribution}/{channel} holds"))?;
        let mut changes = BTreeMap::new();
        for row in held {
            let after = wanted.remove(&*row.entry.package);
            if let Some(after) = after.filter(|after| is_same(&row.entry, after)) {
                fill_in_version(&mut write, &row, after).await?;
                continue;
            }
            close(&mut write, &row, at).await?;
            if let Some(after) = after {
                open(&mut write, (distribution, channel), after, at).await?;
            }
            let package = row.entry.package.clone();
            let change =
                ChannelChange { package: package.clone(), before: Some(row.entry), after: after.cloned() };
            changes.insert(package, change);
        }
        for (package, entry) in wanted {
            open(&mut write, (distribution, channel), entry, at).await?;
            let change = ChannelChange { package: package.into(), before: None, after: Some(entry.clone()) };
            changes.insert(package.into(), change);
        }
        for event in changes.values().filter_map(tell) {
            insert_event(&mut write, &event).await?;
        }
        write.commit().await?;
        Ok(changes.into_values().collect())
    }

    /// What a channel held at `at`, by package, each with the time since when.
    pub async fn channel_at(
        &self,
        distribution: &str,
        channel: &str,
        at: Timestamp,
    ) -> anyhow::Result<BTreeMap<String, (ChannelEntry, Timestamp)>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, package, version, commit_sha, origin, since FROM entry \
             WHERE distribution = ?1 AND channel = ?2 AND since <= ?3 AND (until IS NULL OR until > ?3)",
        )
        .bind(distribution)
        .bind(channel)
        .bind(Micros(at))
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what {distribution}/{channel} holds"))?;
        Ok(rows.into_iter().map(|row| (row.entry.package.clone(), (row.entry, row.since))).collect())
    }
}

/// A version that is not known agrees with every version of the same commit.
fn is_same(held: &ChannelEntry, wanted: &ChannelEntry) -> bool {
    held.commit_sha == wanted.commit_sha
        && (held.version == wanted.version || held.version.is_none() || wanted.version.is_none())
}

async fn fill_in_version(
    write: &mut Transaction<'_, Sqlite>,
    row: &Row,
    wanted: &ChannelEntry,
) -> anyhow::Result<()> {
    if row.entry.version.is_none() && wanted.version.is_some() {
        sqlx::query("UPDATE entry SET version = ? WHERE id = ?")
            .bind(&wanted.version)
            .bind(row.id)
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

async fn close(write: &mut Transaction<'_, Sqlite>, row: &Row, at: Timestamp) -> anyhow::Result<()> {
    sqlx::query("UPDATE entry SET until = ? WHERE id = ?")
        .bind(Micros(at.max(row.since)))
        .bind(row.id)
        .execute(&mut **write)
        .await?;
    Ok(())
}

async fn open(
    write: &mut Transaction<'_, Sqlite>,
    (distribution, channel): (&str, &str),
    entry: &ChannelEntry,
    at: Timestamp,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO entry (distribution, channel, package, version, commit_sha, origin, since) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(distribution)
    .bind(channel)
    .bind(&entry.package)
    .bind(&entry.version)
    .bind(&entry.commit_sha)
    .bind(entry.origin)
    .bind(Micros(at))
    .execute(&mut **write)
    .await
    .with_context(|| format!("cannot record {} in {distribution}/{channel}", entry.package))?;
    Ok(())
}
