//! Suites: revisions that pin exact member revisions, and their destructuring.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::Micros;
use super::registry::RevisionId;

/// One line of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteMember {
    /// The exact revision that is pinned.
    pub revision: RevisionId,
    /// What the suite's author wrote: empty, `==1.4`, `>=1.2,<2`.
    pub constraint: String,
}

/// A revision that a suite holds in the end, after nested suites were taken apart.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SuiteLeaf {
    /// The revision.
    #[sqlx(rename = "id")]
    pub revision: RevisionId,
    /// Its package's namespace.
    pub namespace: String,
    /// Its package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its build, or empty.
    pub build: String,
    /// Its commit, or empty.
    #[sqlx(rename = "commit_sha")]
    pub commit: String,
}

/// A suite revision that is published.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PublishedSuite {
    /// What it is.
    #[sqlx(flatten)]
    pub revision: SuiteLeaf,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub published_at: Timestamp,
}

/// What suites hold, one level each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteHoldings {
    /// For each suite its members.
    pub members: BTreeMap<RevisionId, BTreeSet<RevisionId>>,
    /// Every revision among them.
    pub revisions: BTreeMap<RevisionId, SuiteLeaf>,
}

impl Store {
    /// All published suite revisions, by name, and the newest of a name first.
    pub async fn published_suites(&self) -> anyhow::Result<Vec<PublishedSuite>> {
        Ok(sqlx::query_as(
            "SELECT revision.id, namespace, name, version, build, commit_sha, published_at \
             FROM suite JOIN revision ON revision.id = suite.revision_id JOIN package ON package.id = package_id \
             ORDER BY name, namespace, published_at DESC, revision.id DESC",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// What `suite` and the suites within it hold.
    pub async fn suite_holdings(&self, suite: RevisionId) -> anyhow::Result<SuiteHoldings> {
        let mut read = self.pool.begin().await?;
        ensure!(is_suite(&mut read, suite).await?, "revision {} is not a published suite", suite.0);
        let mut holdings = SuiteHoldings::default();
        let mut open = vec![suite];
        while let Some(revision) = open.pop() {
            if holdings.revisions.contains_key(&revision) {
                continue;
            }
            holdings.revisions.insert(revision, leaf(&mut read, revision).await?);
            if is_suite(&mut read, revision).await? {
                let members = members_of(&mut read, revision).await?;
                open.extend(&members);
                holdings.members.insert(revision, members.into_iter().collect());
            }
        }
        Ok(holdings)
    }

    /// Records the members of the suite revision `suite`, in order, for good. The same members again
    /// change nothing; others are refused, and so is a suite that would contain itself.
    pub async fn publish_suite(
        &self,
        suite: RevisionId,
        members: &[SuiteMember],
        at: Timestamp,
    ) -> anyhow::Result<()> {
        ensure!(!members.is_empty(), "suite revision {} has no members", suite.0);
        let mut write = self.write().await?;
        if is_suite(&mut write, suite).await? {
            let known = members_of(&mut write, suite).await?;
            let same = known.iter().eq(members.iter().map(|member| &member.revision));
            ensure!(same, "suite revision {} is published with other members", suite.0);
            return Ok(());
        }
        for (position, member) in (0_i64..).zip(members) {
            ensure!(member.revision != suite, "suite revision {} names itself as a member", suite.0);
            sqlx::query(
                "INSERT INTO suite_member (suite_revision_id, position, member_revision_id, constraint_text) \
                 VALUES (?, ?, ?, ?)",
            )
            .bind(suite)
            .bind(position)
            .bind(member.revision)
            .bind(&member.constraint)
            .execute(&mut *write)
            .await
            .with_context(|| {
                format!("cannot add revision {} to suite revision {}", member.revision.0, suite.0)
            })?;
        }
        sqlx::query("INSERT INTO suite (revision_id, published_at) VALUES (?, ?)")
            .bind(suite)
            .bind(Micros(at))
            .execute(&mut *write)
            .await?;
        // Walked as stored, before it counts: a cycle rolls everything back.
        leaves_of(&mut write, suite).await?;
        Ok(write.commit().await?)
    }

    /// The members of `suite` with nested suites taken apart, each once, in the order in which they
    /// are first met. A cycle is an error that shows the path.
    pub async fn suite_members(&self, suite: RevisionId) -> anyhow::Result<Vec<SuiteLeaf>> {
        let mut read = self.pool.begin().await?;
        ensure!(is_suite(&mut read, suite).await?, "revision {} is not a published suite", suite.0);
        let mut leaves = Vec::new();
        for revision in leaves_of(&mut read, suite).await? {
            leaves.push(leaf(&mut read, revision).await?);
        }
        Ok(leaves)
    }
}

/// Depth first with an own stack, since how deep suites nest is not ours to bound.
async fn leaves_of(
    connection: &mut Transaction<'_, Sqlite>,
    suite: RevisionId,
) -> anyhow::Result<Vec<RevisionId>> {
    let mut leaves = Vec::new();
    let mut finished = BTreeSet::new();
    let mut path = vec![suite];
    let mut open = vec![members_of(connection, suite).await?.into_iter()];
    while let Some(members) = open.last_mut() {
        let Some(member) = members.next() else {
            open.pop();
            finished.extend(path.pop());
            continue;
        };
        if path.contains(&member) {
            path.push(member);
            let shown: Vec<String> = path.iter().map(|revision| revision.0.to_string()).collect();
            bail!("the suite contains itself: revisions {}", shown.join(" -> "));
        }
        if finished.contains(&member) {
            continue;
        }
        if is_suite(connection, member).await? {
            open.push(members_of(connection, member).await?.into_iter());
            path.push(member);
        } else {
            finished.insert(member);
            leaves.push(member);
        }
    }
    Ok(leaves)
}

async fn leaf(connection: &mut Transaction<'_, Sqlite>, revision: RevisionId) -> anyhow::Result<SuiteLeaf> {
    Ok(sqlx::query_as(
        "SELECT revision.id, namespace, name, version, build, commit_sha \
         FROM revision JOIN package ON package.id = package_id WHERE revision.id = ?",
    )
    .bind(revision)
    .fetch_one(&mut **connection)
    .await?)
}

async fn is_suite(connection: &mut Transaction<'_, Sqlite>, revision: RevisionId) -> anyhow::Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM suite WHERE revision_id = ?)")
        .bind(revision)
        .fetch_one(&mut **connection)
        .await?)
}

async fn members_of(
    connection: &mut Transaction<'_, Sqlite>,
    suite: RevisionId,
) -> anyhow::Result<Vec<RevisionId>> {
    Ok(sqlx::query_scalar(
        "SELECT member_revision_id FROM suite_member WHERE suite_revision_id = ? ORDER BY position",
    )
    .bind(suite)
    .fetch_all(&mut **connection)
    .await?)
}
