//! Who holds which file of the store of files, and the files that are kept for what channels hold.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::FromRow;

use super::Store;
use super::columns::Micros;
use super::registry::{Artifact, Ecosystem, PackageKind};
use crate::domain::{HeldFile, Holder, PackageName};

/// A file that is kept for a package at one commit in a channel.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct KeptFile {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: String,
    /// The commit it was built from.
    #[sqlx(rename = "commit_sha")]
    pub commit: String,
    /// Where it lies in a CRAN-like repository.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes.
    #[sqlx(try_from = "i64")]
    pub size: u64,
}

/// Which channel of which distribution.
#[derive(Clone, Copy, Debug)]
pub struct ChannelOf<'a> {
    /// The distribution.
    pub distribution: &'a str,
    /// The channel.
    pub channel: &'a str,
}

/// How the name of the suite ends that holds what a snapshot publishes apart from its members: no distribution is
/// called like that.
const FAILING: &str = "/failing";

/// The name of the suite of the packages that snapshots of a distribution publish though they fail. Each of its
/// revisions has the date of its snapshot.
pub fn failing_suite(distribution: &str) -> String {
    format!("{distribution}{FAILING}")
}

#[derive(FromRow)]
struct ArtifactRow {
    sha256: String,
    size: i64,
    path: String,
    namespace: String,
    package: String,
    version: String,
    distribution: Option<String>,
    date: Option<String>,
}

#[derive(FromRow)]
struct OtherRow {
    kind: String,
    sha256: String,
    size: Option<i64>,
    path: String,
    distribution: String,
    channel: String,
    package: String,
}

impl Store {
    /// Every file that somebody holds, with its holder, in order. Nothing else may be removed.
    pub async fn held_files(&self) -> anyhow::Result<Vec<HeldFile>> {
        let mut held = Vec::new();
        let artifacts: Vec<ArtifactRow> = sqlx::query_as(
            "SELECT artifact.sha256, size, path, namespace, package.name AS package, version, distribution, date \
             FROM artifact JOIN revision ON revision.id = revision_id JOIN package ON package.id = package_id \
             LEFT JOIN suite_member ON member_revision_id = revision.id \
             LEFT JOIN ( \
                 SELECT suite_revision_id AS part, distribution, date FROM snapshot \
                 UNION ALL \
                 SELECT suite.id, distribution, date FROM snapshot JOIN package ON ecosystem = ? AND kind = ? \
                     AND name = distribution || ? JOIN revision AS suite ON suite.package_id = package.id \
                     AND suite.version = date WHERE suite_revision_id IS NOT NULL \
             ) AS published ON part = suite_member.suite_revision_id",
        )
        .bind(Ecosystem::Runiverse)
        .bind(PackageKind::Suite)
        .bind(FAILING)
        .fetch_all(&self.pool)
        .await
        .context("cannot read which files revisions have")?;
        for row in artifacts {
            held.push(held_by_revision(row)?);
        }
        let others: Vec<OtherRow> = sqlx::query_as(
            "SELECT 'channel' AS kind, sha256, size, path, distribution, channel, package FROM kept_file \
             UNION ALL \
             SELECT 'arrival', sha256, size, subdir || '/' || file_name, distribution, '', name FROM arrival \
             WHERE state <> 'expired' \
             UNION ALL \
             SELECT 'withdrawal', sha256, NULL, subdir || '/' || file_name, distribution, channel, '' \
             FROM withdrawn_file JOIN withdrawal ON withdrawal.id = withdrawal_id \
             UNION ALL \
             SELECT 'test', sha256, NULL, '', job, '', name FROM recheck_test WHERE ended_at IS NULL",
        )
        .fetch_all(&self.pool)
        .await
        .context("cannot read which files are held")?;
        for row in others {
            held.push(held_otherwise(row)?);
        }
        held.sort();
        held.dedup();
        Ok(held)
    }

    /// The files that are kept for what a channel holds, and for what it held after the last snapshot, in order.
    pub async fn kept_files(&self, of: ChannelOf<'_>) -> anyhow::Result<Vec<KeptFile>> {
        sqlx::query_as(
            "SELECT package, version, commit_sha, path, sha256, size FROM kept_file \
             WHERE distribution = ? AND channel = ? ORDER BY package, commit_sha, path",
        )
        .bind(of.distribution)
        .bind(of.channel)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what is kept for {}/{}", of.distribution, of.channel))
    }

    /// Writes down that a file is kept for a package that a channel holds. Another file of the same commit
    /// takes the place of the one before: its universe has built it again.
    pub async fn add_kept_file(
        &self,
        of: ChannelOf<'_>,
        file: &KeptFile,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO kept_file (distribution, channel, package, version, commit_sha, path, sha256, size, kept_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (distribution, channel, package, commit_sha, path) \
             DO UPDATE SET version = excluded.version, sha256 = excluded.sha256, size = excluded.size, \
                 kept_at = excluded.kept_at, left_at = NULL",
        )
        .bind(of.distribution)
        .bind(of.channel)
        .bind(&file.package)
        .bind(&file.version)
        .bind(&file.commit)
        .bind(&file.path)
        .bind(&file.sha256)
        .bind(i64::try_from(file.size).context("the file is too large")?)
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that {} is kept", file.path))?;
        Ok(write.commit().await?)
    }

    /// Notes which packages a channel pins to which commits. What it held before stays kept until a snapshot
    /// was published after it left: one that comes late may be of the time before.
    pub async fn sync_kept_files(
        &self,
        of: ChannelOf<'_>,
        pins: &BTreeMap<PackageName, String>,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let pins = serde_json::to_string(pins)?;
        sqlx::query(
            "UPDATE kept_file SET left_at = CASE WHEN commit_sha IS (SELECT value FROM json_each(?3) \
                 WHERE key = package) THEN NULL ELSE coalesce(left_at, max(?4, kept_at)) END \
             WHERE distribution = ?1 AND channel = ?2",
        )
        .bind(of.distribution)
        .bind(of.channel)
        .bind(&pins)
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .context("cannot record what a channel does not hold any more")?;
        sqlx::query(
            "DELETE FROM kept_file WHERE distribution = ?1 AND channel = ?2 AND EXISTS (SELECT 1 FROM snapshot \
             WHERE snapshot.distribution = ?1 AND published_at > left_at)",
        )
        .bind(of.distribution)
        .bind(of.channel)
        .execute(&mut *write)
        .await
        .context("cannot record what is not needed any more")?;
        Ok(write.commit().await?)
    }

    /// The files that were published of an R package at one version and commit, oldest first.
    pub async fn published_files(
        &self,
        namespace: &str,
        package: &str,
        (version, commit): (&str, &str),
    ) -> anyhow::Result<Vec<Artifact>> {
        sqlx::query_as(
            "SELECT platform, path, size, sha256 FROM artifact JOIN revision ON revision.id = revision_id \
             JOIN package ON package.id = package_id WHERE ecosystem = ? AND namespace = ? AND name = ? \
             AND version = ? AND commit_sha = ? ORDER BY artifact.id",
        )
        .bind(Ecosystem::Runiverse)
        .bind(namespace)
        .bind(package)
        .bind(version)
        .bind(commit)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what was published of {package} {version}"))
    }
}

fn held_by_revision(row: ArtifactRow) -> anyhow::Result<HeldFile> {
    let holder = match (row.distribution, row.date) {
        (Some(distribution), Some(date)) => {
            let date = date.parse().with_context(|| format!("{distribution} has a snapshot of {date}"))?;
            Holder::Snapshot { distribution, date }
        }
        _ => Holder::Revision { namespace: row.namespace, package: row.package, version: row.version },
    };
    Ok(HeldFile { sha256: row.sha256, size: Some(row.size.unsigned_abs()), path: row.path, holder })
}

fn held_otherwise(row: OtherRow) -> anyhow::Result<HeldFile> {
    let OtherRow { kind, sha256, size, path, distribution, channel, package } = row;
    let holder = match kind.as_str() {
        "channel" => Holder::Channel { distribution, channel, package },
        "arrival" => Holder::Arrival { distribution },
        "withdrawal" => Holder::Withdrawal { distribution },
        "test" => Holder::Test { job: distribution },
        other => anyhow::bail!("nobody knows the holder `{other}`"),
    };
    Ok(HeldFile { sha256, size: size.map(i64::unsigned_abs), path, holder })
}
