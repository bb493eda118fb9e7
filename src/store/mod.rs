//! The state of one tidegate in SQLite. Only this room knows SQL; one file per group of tables.
//!
//! One process writes (see [`Store::open`]); readers open the same file in WAL mode. Write
//! transactions begin immediate, and no network call happens inside one.

mod http_cache;
mod rate_limits;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub use http_cache::{CacheKey, KeptAnswer};
pub use rate_limits::{SavedLimits, SavedQuota};

/// The state database. Cheap to clone: clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

/// How much a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: every commit reaches the disk before it returns. What the daemon uses.
    PowerFailure,
    /// The end of the process only: much faster, for rehearsals and tests.
    ProcessCrash,
}

impl Store {
    /// Opens the database in the file `path`, creates it where it is missing, and brings it to the
    /// newest schema.
    pub async fn open(path: &Path, durability: Durability) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::PowerFailure => SqliteSynchronous::Full,
                Durability::ProcessCrash => SqliteSynchronous::Normal,
            })
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .with_context(|| format!("cannot open the state database {}", path.display()))?;
        sqlx::migrate!("src/store/migrations")
            .run(&pool)
            .await
            .with_context(|| format!("cannot bring {} to the newest schema", path.display()))?;
        Ok(Self { pool })
    }
}
