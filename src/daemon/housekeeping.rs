//! What a daemon does once a day for its own state: history that is older than it is to be kept goes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::store::{Pruned, Store};

/// How often that happens: at the start, and from then on.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers of GitHub that were not used for so long go in any case: losing one costs a request.
const ANSWERS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long history is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The age at which runs go with all that belongs to them; none where they are kept.
    pub runs: Option<Duration>,
}

/// What a round of housekeeping came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// What went with the runs; nothing where they are kept.
    pub history: Option<Pruned>,
    /// Kept answers of GitHub that went.
    pub answers: u64,
}

/// One round.
pub async fn keep_house(store: &Store, retention: Retention, now: Timestamp) -> anyhow::Result<Kept> {
    let age = retention.runs.map(SignedDuration::try_from).transpose()?;
    let ago = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let answers = store.prune_answers(ago(age.map_or(ANSWERS, |age| age.min(ANSWERS)))).await?;
    let history = match age {
        Some(age) => Some(store.prune(ago(age), now).await?),
        None => None,
    };
    Ok(Kept { history, answers })
}

/// A round now and one each day, until `stop`. One that fails is logged and left to the next: nothing waits for it.
pub(super) async fn keep_house_daily(
    store: Store,
    clock: SharedClock,
    retention: Retention,
    stop: CancellationToken,
) {
    loop {
        match keep_house(&store, retention, clock.now()).await {
            Ok(kept) => tracing::info!(?kept, "old history is gone"),
            Err(error) => tracing::error!("old history could not be deleted: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
