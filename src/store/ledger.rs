//! Upstream's memory of versions (the `versions.json` of multiverse.internals): for each package of
//! a channel the newest version seen, the highest ever, and the commit of each. A row outlives the
//! package's absence, so that a package which comes back with a lower version is noticed.

use anyhow::Context as _;
use sqlx::FromRow;

use super::Store;
use crate::domain::{Ledger, LedgerRow};

#[derive(FromRow)]
struct Row {
    package: String,
    version_current: Option<String>,
    hash_current: Option<String>,
    version_highest: Option<String>,
    hash_highest: Option<String>,
}

impl Store {
    /// The memory of the channel `key`, by package; empty where nothing was saved yet.
    pub async fn ledger(&self, key: &str) -> anyhow::Result<Ledger> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT package, version_current, hash_current, version_highest, hash_highest \
             FROM ledger WHERE key = ?",
        )
        .bind(key)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the versions of {key}"))?;
        let remembered = rows.into_iter().map(|row| {
            let Row { package, version_current, hash_current, version_highest, hash_highest } = row;
            (package, LedgerRow { version_current, hash_current, version_highest, hash_highest })
        });
        Ok(remembered.collect())
    }

    /// Saves `rows` for the channel `key`. Packages that are not in `rows` keep what they have.
    pub async fn save_ledger(&self, key: &str, rows: &Ledger) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        for (package, row) in rows {
            sqlx::query(
                "INSERT OR REPLACE INTO ledger \
                 (key, package, version_current, hash_current, version_highest, hash_highest) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(key)
            .bind(package)
            .bind(&row.version_current)
            .bind(&row.hash_current)
            .bind(&row.version_highest)
            .bind(&row.hash_highest)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot save the versions of {package} in {key}"))?;
        }
        Ok(write.commit().await?)
    }
}
