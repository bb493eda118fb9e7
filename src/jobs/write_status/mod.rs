//! `write-status`: keeps the files of a channel's repository that follow from its status: `status.json`, `versions.json`
//! and `nonstandard_licenses.json`, with the bytes that upstream's own tools would write. Some days after a snapshot it
//! deletes `config.json`.
//!
//! What is wanted follows from what other jobs stored; files that say it already need nothing. What changes goes in as one
//! commit on the head that was looked at. Where nobody can tell, nothing is written, and what was known stays.

mod act;
mod wanted;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::channel_files;
use super::sources::{fresh_fact, names};
use super::{Pass, Services, planned_only, point_and_targets};
use crate::config::{Distribution, WriteStatus as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::domain::{ChannelStatus, Fact};
use crate::github::RepositoryName;
use act::Acted;
use wanted::{FILES, Judged, Look, Wanted};

/// How often a pass looks again because somebody else changed the channel meanwhile.
const RACES: usize = 3;

/// The job.
pub struct WriteStatus {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for WriteStatus {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.write(context))
    }
}

impl WriteStatus {
    async fn write(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let now = self.services.clock.now();
        let repository = channel_files::repository(&self.distribution, &self.settings.channel)?;
        let judged = self.judged(now).await?;
        let mut taken_over = false;
        for _ in 0..RACES {
            let view = self.services.github()?.view(repository, &FILES, &[]).await?;
            taken_over |= self.recover(repository, &view, &context, now).await?;
            let look = Look { view: &view, written: self.written().await? };
            let wanted = self.wanted(&look, &judged, &context)?;
            if wanted.files.is_empty() {
                if self.pass == Pass::Full && matches!(judged, Judged::Known { .. }) {
                    self.remember(&wanted, now).await?;
                }
                return Ok(as_it_is(&judged, taken_over));
            }
            let (headline, body) = wanted.words();
            if self.pass == Pass::PlanOnly {
                return Ok(planned_only(RunOutcome::done(format!("would commit: {headline}"))));
            }
            match self.commit(repository, &view, &wanted, (&headline, &body), (&context, now)).await? {
                Acted::Committed => return Ok(committed(&judged, headline)),
                Acted::HeadMoved => {}
            }
        }
        Err(RunError::Transient(anyhow::anyhow!("{repository} moved under every attempt"), None))
    }

    /// What the stored facts say, or why nobody can tell.
    async fn judged(&self, now: Timestamp) -> Result<Judged, RunError> {
        let (store, distribution, channel) =
            (&self.services.store, &self.distribution.name, &self.settings.channel);
        let source = names::status(distribution, channel);
        let status: ChannelStatus =
            match fresh_fact(store, &source, now, self.distribution.policy.max_age.get()).await? {
                Fact::Known(status) => status,
                Fact::Unknown { why } => return Ok(Judged::Open { why }),
            };
        if let Some(held) = status.held.first() {
            return Ok(Judged::Open { why: format!("a guard holds the status of {channel}: {held}") });
        }
        let ledger = store.ledger(&format!("{distribution}/{channel}")).await?;
        Ok(Judged::Known { status, ledger })
    }

    fn wanted(&self, look: &Look<'_>, judged: &Judged, context: &RunContext) -> Result<Wanted, RunError> {
        let (_, targets) = point_and_targets(&self.distribution, context.nominal)?;
        let today = context.nominal.to_zoned(self.distribution.calendar.timezone().clone()).date();
        let days = self.distribution.policy.config_json_days;
        Ok(Wanted::of(&self.settings.channel, look, judged, (&targets, today, days)))
    }

    /// The actions of this job in a repository begin so.
    fn prefix(repository: &RepositoryName) -> String {
        format!("{}/{repository}/", act::KIND)
    }
}

fn as_it_is(judged: &Judged, taken_over: bool) -> RunOutcome {
    match judged {
        Judged::Open { why } => RunOutcome::Held { reason: format!("nothing is written: {why}") },
        Judged::Known { .. } if taken_over => RunOutcome::done("took over the commit of an interrupted pass"),
        Judged::Known { status, .. } => RunOutcome::Unchanged {
            summary: format!("the files say the same of {} packages", status.packages.len()),
        },
    }
}

fn committed(judged: &Judged, headline: String) -> RunOutcome {
    match judged {
        Judged::Open { why } => {
            RunOutcome::Held { reason: format!("{headline}; no status is written: {why}") }
        }
        Judged::Known { .. } => RunOutcome::done(headline),
    }
}
