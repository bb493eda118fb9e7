//! The state of one tidegate in SQLite. Only this room knows SQL; one file per group of tables.
//!
//! One process writes (see [`Store::open_state`]); readers open the same file in WAL mode. Write
//! transactions begin immediate, and no network call happens inside one.

mod actions;
mod arrivals;
mod backup;
mod blobs;
mod catalogues;
mod channels;
mod columns;
mod content;
mod culprit_wishes;
mod descriptions;
mod events;
mod guard_confirmations;
mod http_cache;
mod jobs;
mod ledger;
mod lock;
mod notices;
mod observations;
mod occurrences;
mod overrides;
mod publications;
mod pull_requests;
mod rate_limits;
mod rechecks;
mod registry;
mod removals;
mod reports;
mod retention;
mod runs;
mod snapshot_withdrawals;
mod snapshots;
mod status;
mod suites;
mod verdicts;
mod withdrawals;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

pub use actions::{Action, ActionState, Intention};
pub use arrivals::{Arrival, ArrivalId, Clash, NewArrival};
pub use catalogues::{CatalogueAtTarget, CatalogueOf};
pub use channels::{ChannelChange, ChannelEntry, Origin};
pub use content::{ChannelOf, KeptFile, failing_suite};
pub use culprit_wishes::{CulpritWishId, KeptCulpritWish};
pub use descriptions::{DescriptionFinding, DescriptionKey};
pub use events::{Event, NewEvent, TimelinePlace};
pub use guard_confirmations::NewGuardConfirmation;
pub use http_cache::{CacheKey, KeptAnswer};
pub use jobs::{JobAdvance, JobCursor, Pause, SkipNext, SkipNextUse};
pub use lock::StateLock;
pub use notices::{NewNotice, Notice, NoticeId, NoticeKind, NoticeState, Taken};
pub use observations::{LatestObservation, Seen, SeenFact, SourceFailure};
pub use occurrences::{
    Claim, NewOccurrence, Occurrence, OccurrenceId, OccurrenceState, OpenOccurrence, Trigger,
};
pub use publications::{
    FailedAttempt, LatestAtTarget, NewPublication, Publication, PublicationId, PublicationState,
};
pub use pull_requests::{PullRequest, PullRequestState};
pub use rate_limits::{SavedLimits, SavedQuota};
pub use rechecks::{NewRecheckTest, RecheckTest, RecheckTestId, TestSubject};
pub use registry::{
    Artifact, Ecosystem, PackageId, PackageKind, Replacement, ReplacementKind, RevisionId, StateEvent,
    Subject,
};
pub use removals::{RemovalRow, Undone};
pub use reports::{NewReportComment, Report, ReportComment, ReportId, ReportStanding, Telling};
pub use retention::Pruned;
pub use runs::{BootId, Recovered, Run, RunEnd, RunId, RunState};
pub use snapshot_withdrawals::{NewSnapshotWithdrawal, SnapshotWithdrawal, SnapshotWithdrawalId};
pub use snapshots::{Snapshot, SnapshotState};
pub use status::DaemonStatus;
pub use suites::{PublishedSuite, SuiteHoldings, SuiteLeaf, SuiteMember};
pub use verdicts::{Verdict, VerdictRow};
pub use withdrawals::{Withdrawal, WithdrawalId};

/// The name of the database's file inside a state folder.
pub const DATABASE: &str = "tidegate.db";

static SCHEMA: Migrator = sqlx::migrate!("src/store/migrations");

/// The state database. Cheap to clone: clones share one pool and, where this process is the
/// writer, one lock, which lives as long as any clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    /// Where the database lies; backups and messages name it.
    path: PathBuf,
    /// Held, never read: dropping it lets the next writer in.
    _lock: Option<Arc<StateLock>>,
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
    /// Takes the state folder `dir` for this process (creating it where it is missing) and opens
    /// its database for writing. `since` is written into the lock file for people to read.
    ///
    /// Fails where another process holds the folder, and says which one.
    pub async fn open_state(
        dir: &Path,
        durability: Durability,
        since: jiff::Timestamp,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the state folder {}", dir.display()))?;
        let lock = StateLock::take(dir, since)?;
        let mut store = Self::open(&dir.join(DATABASE), durability).await?;
        store._lock = Some(Arc::new(lock));
        Ok(store)
    }

    /// Opens the database in the file `path`, creates it where it is missing, and brings it to the
    /// newest schema. Takes no lock: the caller answers for being the only writer.
    pub async fn open(path: &Path, durability: Durability) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::PowerFailure => SqliteSynchronous::Full,
                Durability::ProcessCrash => SqliteSynchronous::Normal,
            });
        let store = Self::connect(path, options).await?;
        SCHEMA
            .run(&store.pool)
            .await
            .with_context(|| format!("cannot bring {} to the newest schema", path.display()))?;
        Ok(store)
    }

    /// Opens the database of the state folder `dir` for reading, beside a daemon that writes.
    ///
    /// Fails where there is none, or where its schema is not this program's.
    pub async fn open_read_only(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(DATABASE);
        ensure!(path.exists(), "there is no state in {}: no {DATABASE} lies there", dir.display());
        let store = Self::connect(&path, SqliteConnectOptions::new().filename(&path).read_only(true)).await?;
        let found: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&store.pool)
                .await
                .with_context(|| format!("{} is not a state database of tidegate", path.display()))?;
        let expected = SCHEMA.iter().map(|step| step.version).max();
        ensure!(
            found == expected,
            "{} has schema {}, this program reads schema {}: run the same version of tidegate as the daemon",
            path.display(),
            found.unwrap_or_default(),
            expected.unwrap_or_default(),
        );
        Ok(store)
    }

    /// Waits for what is under way and closes the database, for every clone. Dropping a store closes
    /// it too, but without waiting.
    pub async fn close(self) {
        self.pool.close().await;
    }

    async fn connect(path: &Path, options: SqliteConnectOptions) -> anyhow::Result<Self> {
        let options = options.foreign_keys(true).busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .with_context(|| format!("cannot open the state database {}", path.display()))?;
        Ok(Self { pool, path: path.to_owned(), _lock: None })
    }

    /// Begins a write. Immediate, because a transaction that reads first and writes later fails at
    /// once, without waiting, when another connection wrote in between.
    async fn write(&self) -> anyhow::Result<Transaction<'static, Sqlite>> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .with_context(|| format!("cannot begin a write to {}", self.path.display()))
    }
}
