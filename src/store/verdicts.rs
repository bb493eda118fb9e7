//! Verdicts as intervals: a verdict that stays the same is one row, however often it is decided.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::Store;
use super::blobs::digest_of;
use super::columns::{JsonText, MaybeMicros, Micros};
use super::runs::RunId;

/// A decision for one package, as it is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    /// The verdict's kind, for lists and filters: `promote`, `hold`, ...
    pub kind: String,
    /// Everything else: reason, root cause, who has to act. The same meaning must give the same
    /// JSON, because an interval ends where these bytes change.
    pub body: Value,
}

/// A decision for one package, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct Verdict {
    /// The distribution it was decided for.
    pub distribution: String,
    /// The part of the distribution it speaks of, such as `staging` or `snapshot`.
    pub scope: String,
    /// The package.
    pub package: String,
    /// The verdict's kind.
    pub kind: String,
    /// Everything else.
    #[sqlx(try_from = "JsonText")]
    pub body: Value,
    /// The SHA-256 of kind and body.
    pub digest: String,
    /// Since when it has held.
    #[sqlx(try_from = "Micros")]
    pub since: Timestamp,
    /// Until when; `None`: it holds.
    #[sqlx(try_from = "MaybeMicros")]
    pub until: Option<Timestamp>,
    /// The run that decided it first.
    pub run_id: RunId,
}

impl Store {
    /// Makes `verdicts` the verdicts of a scope from `at` on, and returns the packages whose verdict
    /// changed, appeared or ended, in order. Unchanged ones are not touched.
    pub async fn replace_verdicts(
        &self,
        distribution: &str,
        scope: &str,
        verdicts: &BTreeMap<String, VerdictRow>,
        at: Timestamp,
        run: RunId,
    ) -> anyhow::Result<Vec<String>> {
        let mut write = self.write().await?;
        let held: Vec<(String, String)> = sqlx::query_as(
            "SELECT package, digest FROM verdict WHERE distribution = ? AND scope = ? AND until IS NULL",
        )
        .bind(distribution)
        .bind(scope)
        .fetch_all(&mut *write)
        .await
        .with_context(|| format!("cannot read the verdicts of {distribution}/{scope}"))?;
        let changed = changes(held.into_iter().collect(), verdicts);
        for (package, verdict) in &changed {
            // `until` never lies before `since`, whatever the clock did in between.
            sqlx::query(
                "UPDATE verdict SET until = max(?, since) \
                 WHERE distribution = ? AND scope = ? AND package = ? AND until IS NULL",
            )
            .bind(Micros(at))
            .bind(distribution)
            .bind(scope)
            .bind(package)
            .execute(&mut *write)
            .await?;
            let Some(verdict) = verdict else { continue };
            sqlx::query(
                "INSERT INTO verdict (distribution, scope, package, kind, body, digest, since, run_id) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(distribution)
            .bind(scope)
            .bind(package)
            .bind(verdict.kind)
            .bind(&verdict.body)
            .bind(&verdict.digest)
            .bind(Micros(at))
            .bind(run)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record the verdict for {package} in {distribution}/{scope}"))?;
        }
        write.commit().await?;
        Ok(changed.into_keys().collect())
    }

    /// The verdicts of a scope that held at `at`, by package.
    pub async fn verdicts_at(
        &self,
        distribution: &str,
        scope: &str,
        at: Timestamp,
    ) -> anyhow::Result<BTreeMap<String, Verdict>> {
        let rows: Vec<Verdict> = sqlx::query_as(
            "SELECT distribution, scope, package, kind, body, digest, since, until, run_id FROM verdict \
             WHERE distribution = ?1 AND scope = ?2 AND since <= ?3 AND (until IS NULL OR until > ?3)",
        )
        .bind(distribution)
        .bind(scope)
        .bind(Micros(at))
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the verdicts of {distribution}/{scope}"))?;
        Ok(rows.into_iter().map(|verdict| (verdict.package.clone(), verdict)).collect())
    }

    /// Since when each package of a scope has had verdicts of that kind without a break, whatever else they said.
    pub async fn verdicts_since(
        &self,
        distribution: &str,
        scope: &str,
        kind: &str,
    ) -> anyhow::Result<BTreeMap<String, Timestamp>> {
        let rows: Vec<(String, Micros)> = sqlx::query_as(
            "SELECT package, min(since) FROM verdict WHERE distribution = ?1 AND scope = ?2 AND kind = ?3 \
                 AND package IN (SELECT package FROM verdict WHERE distribution = ?1 AND scope = ?2 \
                     AND kind = ?3 AND until IS NULL) \
                 AND since >= coalesce((SELECT max(other.until) FROM verdict AS other \
                     WHERE other.distribution = ?1 AND other.scope = ?2 AND other.package = verdict.package \
                     AND other.kind <> ?3), since) \
             GROUP BY package",
        )
        .bind(distribution)
        .bind(scope)
        .bind(kind)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the verdicts of {distribution}/{scope}"))?;
        Ok(rows.into_iter().map(|(package, since)| (package, since.into())).collect())
    }

    /// The last verdict of that kind on a package in a scope, in force or not.
    pub async fn last_verdict(
        &self,
        distribution: &str,
        scope: &str,
        package: &str,
        kind: &str,
    ) -> anyhow::Result<Option<Verdict>> {
        sqlx::query_as(
            "SELECT distribution, scope, package, kind, body, digest, since, until, run_id FROM verdict \
             WHERE distribution = ? AND scope = ? AND package = ? AND kind = ? ORDER BY since DESC, id DESC LIMIT 1",
        )
        .bind(distribution)
        .bind(scope)
        .bind(package)
        .bind(kind)
        .fetch_optional(&self.pool)
        .await
        .with_context(|| format!("cannot read the verdicts for {package} in {distribution}/{scope}"))
    }

    /// Every package that ever had a verdict, by name.
    pub async fn judged_packages(&self) -> anyhow::Result<Vec<String>> {
        sqlx::query_scalar("SELECT DISTINCT package FROM verdict ORDER BY package")
            .fetch_all(&self.pool)
            .await
            .context("cannot read which packages have verdicts")
    }

    /// Every verdict there ever was for `package`, in every distribution and scope, oldest first.
    pub async fn verdict_history(&self, package: &str) -> anyhow::Result<Vec<Verdict>> {
        sqlx::query_as(
            "SELECT distribution, scope, package, kind, body, digest, since, until, run_id FROM verdict \
             WHERE package = ? ORDER BY since, id",
        )
        .bind(package)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the verdicts for {package}"))
    }
}

/// A verdict that begins, as its row holds it.
struct Beginning<'a> {
    kind: &'a str,
    body: String,
    digest: String,
}

/// By package: the verdict that begins, or `None` where one only ends. `held` has the digests of
/// the verdicts that hold now.
fn changes(
    mut held: BTreeMap<String, String>,
    verdicts: &BTreeMap<String, VerdictRow>,
) -> BTreeMap<String, Option<Beginning<'_>>> {
    let mut changed = BTreeMap::new();
    for (package, verdict) in verdicts {
        let body = verdict.body.to_string();
        let digest = digest_of(format!("{}\n{body}", verdict.kind).as_bytes());
        if held.remove(package).as_ref() != Some(&digest) {
            changed.insert(package.clone(), Some(Beginning { kind: &verdict.kind, body, digest }));
        }
    }
    changed.extend(held.into_keys().map(|package| (package, None)));
    changed
}
