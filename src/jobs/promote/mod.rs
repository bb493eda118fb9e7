//! `promote`: moves packages into a channel, as far as the calendar and the evidence allow.
//!
//! Observes the two channels' repositories and the pull requests; decides by
//! [`crate::decide::promote`]; acts through the journal, by commit or by pull request. A lost race
//! for the channel's head is decided anew on the new head.

mod act;
mod comment;
mod commit;
mod dress;
mod failures;
mod observe;
mod people;
mod proposals;
mod propose;
mod recovery;
mod released;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::settled::Settled;
use super::{Pass, Services, planned_only};
use crate::calendar::CyclePoint;
use crate::config::{Distribution, Promote as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide;
use crate::domain::{Plan, Via};
use crate::store::{NewEvent, VerdictRow};

/// How often a pass is decided anew because somebody else changed the channel meanwhile.
const RACES: usize = 3;

/// The job.
pub struct Promote {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for Promote {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.promote(context))
    }
}

impl Promote {
    async fn promote(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let now = self.services.clock.now();
        let nominal = self.distribution.calendar.point(context.nominal);
        if nominal.phase != self.distribution.calendar.point(now).phase {
            return Ok(RunOutcome::Skipped {
                reason: format!("phase passed: {} is over", nominal.phase.name),
            });
        }
        if self.pass == Pass::Full {
            self.announce_phase(&nominal, &context).await?;
        }
        for _ in 0..RACES {
            let seen = self.observe(&context, now).await?;
            // The commit is the last thing that a pass does, and its verdicts are stored.
            if self.has_committed(&context).await? {
                self.settled().remember("", now).await?;
                return Ok(RunOutcome::done("took over the commit of an interrupted pass"));
            }
            if self.pass == Pass::Full && self.settled().is(&seen.digest).await? {
                return Ok(RunOutcome::Unchanged { summary: "nothing new since the last pass".to_owned() });
            }
            let plan = decide::promote::promote(&seen.facts);
            let input_digest = self.services.store.put_blob(&seen.bytes, now).await?;
            let plan_digest = self.services.store.put_blob(&json(&plan)?, now).await?;
            if self.pass == Pass::PlanOnly {
                return Ok(planned_only(outcome(&plan, input_digest, plan_digest)));
            }
            self.store_verdicts(&plan, &context, now).await?;
            if self.act(&plan, &seen, &context, now).await? == act::Acted::HeadMoved {
                continue;
            }
            self.abandon_interrupted(&seen.repository, now).await?;
            // A pass that changed something outside is looked at once more before it counts as settled.
            let settled = if plan.actions.is_empty() { seen.digest.as_str() } else { "" };
            self.settled().remember(settled, now).await?;
            return Ok(outcome(&plan, input_digest, plan_digest));
        }
        Err(RunError::Transient(anyhow::anyhow!("{} moved under every attempt", self.settings.to), None))
    }

    /// Tells once of every phase, with the time at which it began.
    async fn announce_phase(&self, point: &CyclePoint, context: &RunContext) -> anyhow::Result<()> {
        let (distribution, phase) = (&self.distribution.name, &point.phase);
        let start = phase.start.to_zoned(self.distribution.calendar.timezone().clone())?;
        let event = NewEvent {
            at: start.timestamp(),
            kind: "phase".to_owned(),
            job: context.job.clone(),
            package: None,
            body: serde_json::json!({ "phase": phase.name, "until": phase.end, "promote": phase.promote }),
            dedup_key: format!("phase/{distribution}/{}/{}/{}", self.settings.to, phase.name, phase.start),
        };
        self.services.store.add_event(&event).await.map(drop)
    }

    /// True where this occurrence's commit was made already, by an attempt that did not come to its end
    /// or did not get the answer.
    async fn has_committed(&self, context: &RunContext) -> anyhow::Result<bool> {
        let done = self.services.store.done_for_occurrence_of(context.run_id).await?;
        Ok(done.iter().any(|action| action.kind == recovery::COMMIT))
    }

    fn settled(&self) -> Settled<'_> {
        Settled::of(&self.services.store, &self.distribution.name, &self.settings.to)
    }

    async fn store_verdicts(
        &self,
        plan: &Plan,
        context: &RunContext,
        now: jiff::Timestamp,
    ) -> anyhow::Result<()> {
        let mut rows = std::collections::BTreeMap::new();
        for (package, verdict) in &plan.verdicts {
            let kind = serde_json::to_value(verdict.kind)?.as_str().unwrap_or_default().to_owned();
            rows.insert(package.clone(), VerdictRow { kind, body: serde_json::to_value(verdict)? });
        }
        let (distribution, scope) = (&self.distribution.name, &self.settings.to);
        self.services.store.replace_verdicts(distribution, scope, &rows, now, context.run_id).await.map(drop)
    }

    fn via(&self) -> Via {
        self.distribution.policy.via
    }
}

fn outcome(plan: &Plan, input_digest: String, plan_digest: String) -> RunOutcome {
    let actions = match plan.actions.len() {
        0 => "nothing to do".to_owned(),
        1 => "1 action".to_owned(),
        more => format!("{more} actions"),
    };
    RunOutcome::Done {
        summary: format!("{} packages, {actions}", plan.verdicts.len()),
        input_digest: Some(input_digest),
        plan_digest: Some(plan_digest),
    }
}

/// JSON with a stable order of keys: what digests are made of.
fn json(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}
