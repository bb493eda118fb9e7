//! What a job saw when it last left nothing to do: a pass that sees the same ends there.

use jiff::Timestamp;

use crate::store::Store;

/// The memory of one job for one channel.
pub(super) struct Settled<'s> {
    store: &'s Store,
    source: String,
}

impl<'s> Settled<'s> {
    /// The memory about the channel `channel` of a distribution.
    pub(super) fn of(store: &'s Store, distribution: &str, channel: &str) -> Self {
        Self { store, source: format!("settled:{distribution}/{channel}") }
    }

    /// Everything that was seen is the same as after the last pass that left nothing to do.
    pub(super) async fn is(&self, digest: &str) -> anyhow::Result<bool> {
        let settled = self.store.latest_seen(&self.source).await?;
        Ok(settled.is_some_and(|fact| fact.bytes == digest.as_bytes()))
    }

    /// A pass left nothing to do that saw this; or, where it is empty, it left something.
    pub(super) async fn remember(&self, digest: &str, now: Timestamp) -> anyhow::Result<()> {
        self.store.record_seen(&self.source, digest.as_bytes(), now).await.map(drop)
    }
}
