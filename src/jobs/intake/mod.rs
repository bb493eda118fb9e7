//! `intake`: takes in conda builds that notices tell of and those in a drop folder, and publishes each one
//! once all platforms of the distribution have it. A `noarch` build counts for all of them.
//!
//! When the power fails:
//!
//! | effect | before it | between it and its row | shown by `conda/intake` |
//! | --- | --- | --- | --- |
//! | fetching an artifact | the notice waits | a temporary file that nothing refers to; it is fetched again | not there yet, then there |
//! | keeping an archive by its digest | the notice waits | the file lies under its digest; it is kept again, the same | a crash before a build is written down |
//! | publishing | readers see the old channel | the channel has the builds; publishing them again changes nothing, and the rows follow | a crash between publishing and its rows |
//! | removing a file from the drop folder | it is taken in again, the same | there is no row: the file is gone last | the same file once more |
//!
//! An archive whose name another one has is refused, whatever came first; only one that expired frees its name.

mod admission;
mod archives;
mod artifact;
mod drop_folder;
mod events;
mod notices;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use futures_util::future::BoxFuture;

use super::{Pass, Services, channel_patches, conda_channels, planned_only};
use crate::config::{CondaDistribution, Intake as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::failure::Failure;
use crate::publish::channel::ChannelFolder;

/// The most notices that one pass takes; the others are due at the next.
const NOTICES: u32 = 200;

/// What builds do that lack a platform; that they still do is no news.
const WAITING: &str = "waiting";

/// The job.
pub struct Intake {
    pub services: Arc<Services>,
    pub distribution: Arc<CondaDistribution>,
    pub settings: Settings,
    pub pass: Pass,
}

/// What one pass did.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn add(&mut self, what: &'static str, count: usize) {
        if count > 0 {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// True where the pass did more than look at what waits.
    fn changed(&self) -> bool {
        self.counts.keys().any(|what| *what != WAITING)
    }

    fn summary(&self) -> String {
        let told: Vec<String> = self.counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
        if told.is_empty() { "nothing came in".to_owned() } else { told.join(", ") }
    }
}

impl JobWork for Intake {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.take_in(context))
    }
}

impl Intake {
    async fn take_in(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        if self.pass == Pass::PlanOnly {
            return self.plan().await;
        }
        let mut tally = Tally::default();
        // Until the rows of what comes in are written, nothing may be collected.
        let _keeping = self.services.keeping().await?;
        channel_patches::renew(&self.services, &self.distribution, &self.settings.to).await?;
        let published = self.published_sums().await?;
        // What one source fails at keeps nobody from taking in what the others bring.
        let notices = self.take_notices(&published, &context, &mut tally).await;
        let dropped = self.empty_drop_folder(&published, &context, &mut tally).await;
        self.admit(&context, &mut tally).await?;
        notices?;
        dropped?;
        Ok(match tally.changed() {
            true => RunOutcome::done(tally.summary()),
            false => RunOutcome::Unchanged { summary: tally.summary() },
        })
    }

    /// What a pass would look at.
    async fn plan(&self) -> Result<RunOutcome, RunError> {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let due = store.due_notices(&self.distribution.name, now, NOTICES).await?.len();
        let waiting = store.waiting_arrivals(&self.distribution.name).await?.len();
        let summary = format!("notices that are due: {due}, builds that wait: {waiting}");
        Ok(planned_only(RunOutcome::done(summary)))
    }

    /// The folder of the channel that gets the builds.
    fn channel(&self) -> Result<PathBuf, RunError> {
        conda_channels::folder(&self.services, &self.distribution, &self.settings.to)
    }

    /// SHA-256 of every file that the channel ever held, by `<subdir>/<file name>`.
    async fn published_sums(&self) -> Result<BTreeMap<String, String>, RunError> {
        let root = self.channel()?;
        blocking(move || {
            let channel = ChannelFolder::new(&root)?;
            match channel.current()? {
                Some(generation) => Ok(channel.contents(generation)?.ever),
                None => Ok(BTreeMap::new()),
            }
        })
        .await
    }

    /// The most bytes of an artifact or an archive.
    fn largest(&self) -> u64 {
        u64::from(self.settings.max_size_mib) * 1024 * 1024
    }
}

/// Does work that waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, RunError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| anyhow!("a task ended in the middle: {error}"))??)
}

fn stopped() -> RunError {
    Failure::transient("stopped before all notices were looked at").into()
}
