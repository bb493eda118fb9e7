//! What the daemon last said of itself, for commands that read the state without asking it.

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::FromRow;

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::runs::BootId;

/// The daemon's own account.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, serde::Serialize)]
pub struct DaemonStatus {
    /// Its process.
    pub pid: i64,
    /// When it began.
    #[sqlx(try_from = "Micros")]
    pub started_at: Timestamp,
    /// When it stopped in order; `None` while it runs, and after a crash.
    #[sqlx(try_from = "MaybeMicros")]
    pub stopped_at: Option<Timestamp>,
    /// When the jobs that it runs were read.
    #[sqlx(try_from = "Micros")]
    pub config_loaded_at: Timestamp,
    /// Since when the files on disk are refused, so that older ones are in force.
    #[sqlx(try_from = "MaybeMicros")]
    pub config_stale_since: Option<Timestamp>,
    /// Why they are refused.
    pub config_error: Option<String>,
}

impl Store {
    /// Records that a daemon began, with a fresh configuration.
    pub async fn daemon_started(&self, boot: &BootId, pid: u32, now: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO daemon (id, boot_id, pid, started_at, config_loaded_at) \
             VALUES (1, ?1, ?2, ?3, ?3)",
        )
        .bind(boot)
        .bind(pid)
        .bind(Micros(now))
        .execute(&mut *write)
        .await
        .context("cannot record the start")?;
        Ok(write.commit().await?)
    }

    /// Records that the configuration was read again and is in force.
    pub async fn config_loaded(&self, now: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE daemon SET config_loaded_at = ?, config_stale_since = NULL, config_error = NULL")
            .bind(Micros(now))
            .execute(&mut *write)
            .await
            .context("cannot record the reload")?;
        Ok(write.commit().await?)
    }

    /// Records that the files on disk are refused and the old set stays in force.
    pub async fn config_refused(&self, error: &str, now: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE daemon SET config_stale_since = coalesce(config_stale_since, ?), config_error = ?",
        )
        .bind(Micros(now))
        .bind(error)
        .execute(&mut *write)
        .await
        .context("cannot record the refused reload")?;
        Ok(write.commit().await?)
    }

    /// Records that the daemon stopped in order.
    pub async fn daemon_stopped(&self, now: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE daemon SET stopped_at = ?")
            .bind(Micros(now))
            .execute(&mut *write)
            .await
            .context("cannot record the stop")?;
        Ok(write.commit().await?)
    }

    /// The account of the daemon that ran last, if one ever did.
    pub async fn daemon_status(&self) -> anyhow::Result<Option<DaemonStatus>> {
        sqlx::query_as("SELECT * FROM daemon")
            .fetch_optional(&self.pool)
            .await
            .context("cannot read the daemon's status")
    }
}
