//! `integrate`: makes the next metapackage of a distribution.
//!
//! Observes the channel of new builds and the newest metapackage; decides by [`crate::decide::integrate`]
//! which builds come next and whether they have settled; asks the solver whether they can be installed
//! together on every platform; writes the metapackage and publishes it with its members in one step for all
//! platforms. Where they cannot, nothing is published, and the two at fault are named.
//!
//! When the power fails before the switch of the channel, the next attempt at the same time writes the same
//! bytes again. After it, the next pass finds nothing to publish, and writes down what is missing in the store:
//! rows and events are made of what the channel holds, so that they can be made again.

mod observe;
mod record;
mod release;
mod repository;
mod timeline;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::conda_channels::{self, Channels};
use super::{Pass, Services, channel_patches, planned_only};
use crate::config::{CondaDistribution, Integrate as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::conda_words::{self, Against};
use crate::decide::integrate::{
    Candidate, IntegrateFacts, Step, candidate, settles_at, solution_source, version_of,
};
use crate::digest::sha256_hex;
use crate::store::{NewEvent, VerdictRow};
use release::Answer;

/// The job.
pub struct Integrate {
    pub services: Arc<Services>,
    pub distribution: Arc<CondaDistribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for Integrate {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.integrate(context))
    }
}

impl Integrate {
    async fn integrate(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let (services, distribution) = (&*self.services, &*self.distribution);
        if self.pass == Pass::Full {
            channel_patches::renew(services, distribution, &self.settings.to).await?;
        }
        let channels =
            conda_channels::read(services, distribution, &self.settings.from, &self.settings).await?;
        let Some(channels) = channels else {
            return Ok(RunOutcome::Skipped {
                reason: format!("{} is not published yet", self.settings.from),
            });
        };
        let held = self.held().await?;
        let facts = self.facts(&channels, held.as_ref()).await?;
        let candidate = candidate(&facts);
        let now = self.services.clock.now();
        let input_digest = self.services.store.put_blob(&bytes(&facts)?, now).await?;
        let plan_digest = self.services.store.put_blob(&bytes(&candidate)?, now).await?;
        let done = |summary: String| RunOutcome::Done {
            summary,
            input_digest: Some(input_digest.clone()),
            plan_digest: Some(plan_digest.clone()),
        };
        if self.pass == Pass::PlanOnly {
            return Ok(planned_only(done(conda_words::step(&candidate.step))));
        }
        match &candidate.step {
            Step::Nothing => {
                self.store_verdicts(&candidate, &BTreeMap::new(), &context).await?;
                let Some(held) = &held else {
                    return Ok(RunOutcome::Unchanged { summary: conda_words::step(&candidate.step) });
                };
                self.record(held, &context).await?;
                Ok(match self.tell_repository(held, &context).await? {
                    Some(told) => done(told),
                    None => RunOutcome::Unchanged { summary: conda_words::step(&candidate.step) },
                })
            }
            Step::Missing(_) => {
                self.store_verdicts(&candidate, &BTreeMap::new(), &context).await?;
                Ok(done(conda_words::step(&candidate.step)))
            }
            Step::Backwards(_) => Ok(RunOutcome::Held { reason: conda_words::step(&candidate.step) }),
            Step::Wanted => {
                if let Some(until) = self.settling(&candidate, &facts, context.nominal).await? {
                    return Ok(done(format!("the newest builds are left to settle until {until}")));
                }
                self.make(&channels, &candidate, &context).await.map(done)
            }
        }
    }

    /// Until when the candidate has to stay as it is; nothing where it has stayed long enough.
    async fn settling(
        &self,
        candidate: &Candidate,
        facts: &IntegrateFacts,
        nominal: Timestamp,
    ) -> Result<Option<Timestamp>, RunError> {
        let digest = sha256_hex(&bytes(&candidate.members)?);
        let source = format!("candidate:{}/{}", self.distribution.name, self.settings.to);
        let store = &self.services.store;
        // The nominal time, not that of the clock: a pass that is late decides as if it had been on time.
        store.record_seen(&source, digest.as_bytes(), nominal).await?;
        let seen = store.latest_seen(&source).await?;
        let since = seen.map_or(nominal, |seen| seen.first_at);
        Ok(settles_at(facts, since, nominal))
    }

    /// Solves for all platforms, and publishes what integrates on each of them.
    async fn make(
        &self,
        channels: &Channels,
        candidate: &Candidate,
        context: &RunContext,
    ) -> Result<String, RunError> {
        let digest = sha256_hex(format!("{} {:?}", channels.digest, candidate.members).as_bytes());
        if let Some(told) = self.failed_before(&digest).await? {
            return Ok(format!("nothing has changed since: {told}"));
        }
        let solutions = match self.solve(channels, candidate).await? {
            Answer::Conflicts(conflicts) => {
                let told = self.tell_of_conflicts(candidate, &conflicts, &digest, context).await?;
                self.remember_failure(&digest, &told).await?;
                return Ok(told);
            }
            Answer::Integrates(solutions) => solutions,
        };
        self.publish(candidate, &solutions, context).await?;
        self.store_verdicts(candidate, &BTreeMap::new(), context).await?;
        let members = candidate.members.len();
        let version = version_of(context.nominal);
        let made = format!("{} {version} holds {members} members", self.distribution.metapackage);
        // Read back from the channel: what is told is what readers see.
        let Some(held) = self.held().await? else { return Ok(made) };
        let told = self.tell_repository(&held, context).await?;
        Ok(told.map_or_else(|| made.clone(), |told| format!("{made}; {told}")))
    }

    /// What each member stands at, for whoever asks; `against` has what speaks against members, by name.
    async fn store_verdicts(
        &self,
        candidate: &Candidate,
        against: &BTreeMap<String, Against>,
        context: &RunContext,
    ) -> anyhow::Result<()> {
        let mut rows = BTreeMap::new();
        for (name, choice) in &candidate.members {
            let kind = match (against.contains_key(name), choice.builds.is_empty()) {
                (true, _) => "conflict",
                (false, true) => "incomplete",
                (false, false) => "chosen",
            };
            let known = against.get(name);
            let mut body = json!({ "integrate": { "choice": choice, "why": known.map(|known| &known.why) } });
            if let Some(largest) = known.and_then(|known| known.largest.as_ref()) {
                body["integrate"]["largest"] = largest.as_str().into();
            }
            rows.insert(name.clone(), VerdictRow { kind: kind.to_owned(), body });
        }
        let (store, distribution) = (&self.services.store, &self.distribution.name);
        let scope = format!("integrate/{}", self.settings.to);
        store
            .replace_verdicts(distribution, &scope, &rows, self.services.clock.now(), context.run_id)
            .await?;
        Ok(())
    }

    async fn add_event(
        &self,
        kind: &str,
        key: &str,
        body: serde_json::Value,
        context: &RunContext,
    ) -> anyhow::Result<()> {
        let event = NewEvent {
            at: self.services.clock.now(),
            kind: kind.to_owned(),
            job: context.job.clone(),
            package: Some(self.distribution.metapackage.clone()),
            body,
            dedup_key: format!("{kind}/{}/{}/{key}", self.distribution.name, self.settings.to),
        };
        self.services.store.add_event(&event).await.map(drop)
    }

    /// What was told of exactly this when it was tried before and did not integrate.
    async fn failed_before(&self, digest: &str) -> anyhow::Result<Option<String>> {
        let Some(failed) = self.services.store.latest_seen(&self.failure_source()).await? else {
            return Ok(None);
        };
        let (tried, told): (String, String) = serde_json::from_slice(&failed.bytes)?;
        Ok((tried == digest).then_some(told))
    }

    async fn remember_failure(&self, digest: &str, told: &str) -> anyhow::Result<()> {
        let now = self.services.clock.now();
        let bytes = bytes(&(digest, told))?;
        self.services.store.record_seen(&self.failure_source(), &bytes, now).await.map(drop)
    }

    fn failure_source(&self) -> String {
        format!("conflict:{}/{}", self.distribution.name, self.settings.to)
    }

    fn solution_source(&self, version: &str) -> String {
        solution_source(&self.distribution.name, &self.settings.to, version)
    }

    fn folder(&self, channel: &str) -> Result<PathBuf, RunError> {
        conda_channels::folder(&self.services, &self.distribution, channel)
    }

    fn settle(&self) -> SignedDuration {
        SignedDuration::try_from(self.settings.settle.get()).unwrap_or(SignedDuration::MAX)
    }
}

fn bytes(value: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}
