//! `write-status`: keeps the files of a channel's repository that follow from its status: `status.json`, `versions.json`
//! and `nonstandard_licenses.json`, with the bytes that upstream's own tools would write. Some days after a snapshot it
//! deletes `config.json`.
//!
//! What is wanted follows from what other jobs stored, by [`crate::decide::channel_files`]; files that say it already need nothing. What changes goes in as one
//! commit on the head that was looked at. Where nobody can tell, nothing is written, and what was known stays.

mod act;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::channel_files;
use super::sources::{fresh_fact, names};
use super::{Pass, Services, planned_only, point_and_targets};
use crate::config::{Distribution, WriteStatus as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::channel_files::{ChannelFilesFacts, FILES, FilesPlan, Judged, decide};
use crate::domain::{ChannelStatus, Fact};
use crate::github::{RepositoryName, RepositoryView};
use act::Acted;

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
            let facts = self.facts(&judged, &view, &context).await?;
            let plan = decide(&facts);
            if plan.files.is_empty() {
                if self.pass == Pass::Full && judged.known().is_some() {
                    self.remember_digests(&plan.digests, now).await?;
                }
                return Ok(as_it_is(&judged, taken_over));
            }
            let done = self.keep(&facts, &plan, now).await?;
            if self.pass == Pass::PlanOnly {
                return Ok(planned_only(done));
            }
            match self.commit(repository, &view, &plan, (&context, now)).await? {
                Acted::Committed => return Ok(committed(&judged, plan.headline, done)),
                Acted::HeadMoved => {}
            }
        }
        Err(RunError::Transient(anyhow::anyhow!("{repository} moved under every attempt"), None))
    }

    /// What the stored facts say, or why nobody can tell.
    async fn judged(&self, now: Timestamp) -> Result<Fact<Judged>, RunError> {
        let (store, distribution, channel) =
            (&self.services.store, &self.distribution.name, &self.settings.channel);
        let source = names::status(distribution, channel);
        let status: ChannelStatus =
            match fresh_fact(store, &source, now, self.distribution.policy.max_age.get()).await? {
                Fact::Known(status) => status,
                Fact::Unknown { why } => return Ok(Fact::Unknown { why }),
            };
        if let Some(held) = status.held.first() {
            return Ok(Fact::unknown(format!("a guard holds the status of {channel}: {held}")));
        }
        let ledger = store.ledger(&format!("{distribution}/{channel}")).await?;
        Ok(Fact::Known(Judged { status, ledger }))
    }

    async fn facts(
        &self,
        judged: &Fact<Judged>,
        view: &RepositoryView,
        context: &RunContext,
    ) -> Result<ChannelFilesFacts, RunError> {
        let (_, targets) = point_and_targets(&self.distribution, context.nominal)?;
        Ok(ChannelFilesFacts {
            channel: self.settings.channel.clone(),
            judged: judged.clone(),
            targets,
            today: context.nominal.to_zoned(self.distribution.calendar.timezone().clone()).date(),
            config_json_days: self.distribution.policy.config_json_days,
            texts: view.files.clone(),
            written: self.written().await?,
        })
    }

    /// Keeps what was decided and from what: the outcome of a pass that carries it out.
    async fn keep(
        &self,
        facts: &ChannelFilesFacts,
        plan: &FilesPlan,
        now: Timestamp,
    ) -> anyhow::Result<RunOutcome> {
        let store = &self.services.store;
        Ok(RunOutcome::Done {
            summary: match self.pass {
                Pass::Full => plan.headline.clone(),
                Pass::PlanOnly => format!("would commit: {}", plan.headline),
            },
            input_digest: Some(store.put_blob(&serde_json::to_vec(facts)?, now).await?),
            plan_digest: Some(store.put_blob(&serde_json::to_vec(plan)?, now).await?),
        })
    }

    /// The actions of this job in a repository begin so.
    fn prefix(repository: &RepositoryName) -> String {
        format!("{}/{repository}/", act::KIND)
    }
}

fn as_it_is(judged: &Fact<Judged>, taken_over: bool) -> RunOutcome {
    match judged {
        Fact::Unknown { why } => RunOutcome::Held { reason: format!("nothing is written: {why}") },
        Fact::Known(_) if taken_over => RunOutcome::done("took over the commit of an interrupted pass"),
        Fact::Known(judged) => RunOutcome::Unchanged {
            summary: format!("the files say the same of {} packages", judged.status.packages.len()),
        },
    }
}

fn committed(judged: &Fact<Judged>, headline: String, done: RunOutcome) -> RunOutcome {
    match judged {
        Fact::Unknown { why } => {
            RunOutcome::Held { reason: format!("{headline}; no status is written: {why}") }
        }
        Fact::Known(_) => done,
    }
}
