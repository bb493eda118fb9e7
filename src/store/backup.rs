//! Backup and restore of the database file. A plain copy would miss what is still in the
//! write-ahead log, so SQLite writes the copy itself.

use std::path::Path;

use anyhow::{Context as _, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::lock::StateLock;
use super::{DATABASE, Store};

impl Store {
    /// Writes a complete, compact copy of the database to the file `to`. The name appears only
    /// when the copy is whole; a file that was there before is replaced in one step.
    pub async fn backup(&self, to: &Path) -> anyhow::Result<()> {
        let folder = match to.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => Path::new("."),
        };
        let beside = tempfile::Builder::new()
            .prefix(".tidegate-backup-")
            .tempdir_in(folder)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let copy = beside.path().join(DATABASE);
        let name = copy.to_str().context("the backup's path is not valid UTF-8")?;
        sqlx::query("VACUUM INTO ?")
            .bind(name)
            .execute(&self.pool)
            .await
            .with_context(|| format!("cannot copy {} to {}", self.path.display(), copy.display()))?;
        check(&copy).await?;
        std::fs::File::open(&copy)?.sync_all()?;
        std::fs::rename(&copy, to).with_context(|| format!("cannot move the backup to {}", to.display()))?;
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    }

    /// Puts the backup `from` into the state folder `dir`, whose old database stays beside it with
    /// the ending `.before-restore`. Takes the writer's lock, so no daemon may be running.
    pub async fn restore(from: &Path, dir: &Path, at: jiff::Timestamp) -> anyhow::Result<()> {
        check(from).await?;
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the state folder {}", dir.display()))?;
        let _lock = StateLock::take(dir, at)?;
        let database = dir.join(DATABASE);
        let beside = tempfile::NamedTempFile::new_in(dir)
            .with_context(|| format!("cannot write to {}", dir.display()))?;
        std::fs::copy(from, beside.path()).with_context(|| format!("cannot copy {}", from.display()))?;
        beside.as_file().sync_all()?;
        // The write-ahead log belongs to the old database: SQLite would replay it into the new one.
        for ending in ["", "-wal", "-shm"] {
            let old = dir.join(format!("{DATABASE}{ending}"));
            if old.exists() {
                let kept = dir.join(format!("{DATABASE}.before-restore{ending}"));
                std::fs::rename(&old, &kept)
                    .with_context(|| format!("cannot set {} aside", old.display()))?;
            }
        }
        beside.persist(&database).with_context(|| format!("cannot put {} in place", database.display()))?;
        std::fs::File::open(dir)?.sync_all()?;
        Ok(())
    }
}

/// Refuses a file that is not a whole database of tidegate.
async fn check(file: &Path) -> anyhow::Result<()> {
    ensure!(file.is_file(), "{} is not a file", file.display());
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .with_context(|| format!("{} is not a database", file.display()))?;
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&pool)
        .await
        .with_context(|| format!("{} is not a database", file.display()))?;
    let steps: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations")
        .fetch_one(&pool)
        .await
        .with_context(|| format!("{} is not a state database of tidegate", file.display()))?;
    pool.close().await;
    ensure!(verdict == "ok" && steps > 0, "{} is damaged: {verdict}", file.display());
    Ok(())
}
