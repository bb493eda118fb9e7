//! `guard release`: a person's word that a held snapshot is meant as it is.

use clap::Args;
use jiff::civil::Date;

use super::super::steer::user;
use super::super::{CommandError, Context, chosen, state};
use super::{say, told_by_daemon};
use crate::daemon::{Request, wishes};
use crate::domain::ReleaseWish;
use crate::store::{SnapshotState, Store};

/// Let a snapshot be published though many packages of the one before are missing from it
#[derive(Debug, Args)]
#[command(
    after_help = "It counts for what is held now, word for word: if more packages are missing by the time the job runs again,
that is held anew. A snapshot without any package, and one of a channel of which nobody knows the status,
are not published by anybody's word.

Examples:
  tidegate guard release r-multiverse 2026-06-15 --reason 'a family of packages left the distribution'
  tidegate once r-multiverse-snapshot --at 2026-06-15T02:00:00Z
      Take the snapshot now"
)]
pub(super) struct Release {
    /// The distribution
    distribution: String,
    /// The date of the snapshot
    date: Date,
    /// Why; kept and shown
    #[arg(long, value_name = "R")]
    reason: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Release {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_in_force()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let told = state::block_on(async {
            let store = context.read_state().await?;
            let held = held(&store, &distribution.name, self.date).await?;
            store.close().await;
            let wish = ReleaseWish {
                distribution: distribution.name.clone(),
                date: self.date,
                held,
                by: self.by.clone().unwrap_or_else(user),
                reason: self.reason.clone(),
            };
            if let Some(told) =
                told_by_daemon(&configuration, &Request::ReleaseSnapshot(wish.clone())).await?
            {
                return Ok(told);
            }
            let store = context.write_state().await?;
            let told = wishes::release_snapshot(&store, &wish, context.clock.now()).await;
            store.close().await;
            Ok(told?)
        })?;
        say(&told, context)
    }
}

/// Why a snapshot is held; nothing where it is not.
async fn held(store: &Store, distribution: &str, date: Date) -> anyhow::Result<String> {
    let row = store.snapshot(distribution, date).await?;
    let held = row.filter(|row| row.state == SnapshotState::Held);
    Ok(held.and_then(|row| row.reason).unwrap_or_default())
}
