//! `recheck` of R packages: runs `R CMD check` on an engine, as evidence beside the checks of the universe.
//!
//! Observes what the universe has, as `check-status` stored it; decides by [`crate::decide::own_check`] what is
//! checked; has an engine check it, and decides again with what came out, until nothing is wanted. What
//! stands then is stored as a source of its own, which `check-status` reads like any other.
//!
//! Every step can be done again: a check has its row before it begins, and an engine adopts one that runs.

mod observe;
mod record;
mod testing;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::check_status::SeenUniverse;
use super::settled::Settled;
use super::sources::{fresh_fact, names};
use super::{Pass, Services, planned_only, point_and_targets};
use crate::calendar::Targets;
use crate::config::{Distribution, RecheckR as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::own_check::{OwnCheckFacts, OwnCheckPlan, is_open, own_checks};
use crate::decide::words::counted;
use crate::digest::sha256_hex;
use crate::domain::{Fact, OwnResult};

/// The job.
pub struct RecheckR {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for RecheckR {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.recheck(context))
    }
}

impl RecheckR {
    async fn recheck(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let now = self.services.clock.now();
        let store = &self.services.store;
        let (_, targets) = point_and_targets(&self.distribution, context.nominal)?;
        let universe = match self.universe(now).await? {
            Fact::Known(universe) => universe,
            Fact::Unknown { why } => return Ok(RunOutcome::Skipped { reason: why }),
        };
        let digest = self.seen_digest(&targets).await?;
        if self.pass == Pass::Full && self.settled().is(&digest).await? {
            store.still_seen(&[self.own_source()], now).await?;
            return Ok(RunOutcome::Unchanged { summary: "nothing new since the last pass".to_owned() });
        }
        let facts = self.facts(&universe, &targets, &context).await?;
        let (facts, plan) = self.settle(facts, &context).await?;
        if self.pass == Pass::Full {
            self.engine_tests().abandon(&context).await?;
        }
        let now = self.services.clock.now();
        let input_digest = store.put_blob(&json(&facts)?, now).await?;
        let plan_digest = store.put_blob(&json(&plan)?, now).await?;
        let done = RunOutcome::Done {
            summary: in_numbers(&plan),
            input_digest: Some(input_digest),
            plan_digest: Some(plan_digest),
        };
        if self.pass == Pass::PlanOnly {
            return Ok(planned_only(done));
        }
        self.record(&plan, &context, now).await?;
        // What the machine failed at is tried again, whether anything changes outside or not.
        let settled = !plan.own_checks.values().any(|check| is_open(check, &targets.r));
        self.settled().remember(if settled { &digest } else { "" }, now).await?;
        Ok(done)
    }

    /// Decides, has the wanted checks run, and decides again, until none is wanted.
    async fn settle(
        &self,
        mut facts: OwnCheckFacts,
        context: &RunContext,
    ) -> Result<(OwnCheckFacts, OwnCheckPlan), RunError> {
        loop {
            let plan = own_checks(&facts);
            if plan.tests.is_empty() || self.pass == Pass::PlanOnly {
                return Ok((facts, plan));
            }
            self.run_tests(&mut facts, &plan.tests, context).await?;
        }
    }

    /// What the universe has, as it was seen last.
    async fn universe(&self, now: Timestamp) -> anyhow::Result<Fact<SeenUniverse>> {
        let max_age = self.distribution.policy.max_age.get();
        fresh_fact(&self.services.store, &self.universe_source(), now, max_age).await
    }

    /// The digest of everything that decides what is checked, and how.
    async fn seen_digest(&self, targets: &Targets) -> anyhow::Result<String> {
        let universe = self.services.store.latest_seen(&self.universe_source()).await?;
        let digest = universe.map(|fact| fact.digest);
        Ok(sha256_hex(&json(&(digest, targets, &self.settings))?))
    }

    fn universe_source(&self) -> String {
        names::universe(&self.distribution.name, &self.settings.channel)
    }

    fn own_source(&self) -> String {
        names::own_checks(&self.distribution.name, &self.settings.channel)
    }

    fn settled(&self) -> Settled<'_> {
        let memory = format!("{}/own-checks", self.settings.channel);
        Settled::of(&self.services.store, &self.distribution.name, &memory)
    }
}

fn in_numbers(plan: &OwnCheckPlan) -> String {
    let count = |result: OwnResult| plan.own_checks.values().filter(|check| check.result == result).count();
    let mut parts = vec![format!("{} passed", count(OwnResult::Passed))];
    for (result, words) in [
        (OwnResult::Failed, "failed"),
        (OwnResult::Waiting, "still to be checked"),
        (OwnResult::Unknown, "of which nobody can tell"),
    ] {
        parts.extend(Some(count(result)).filter(|count| *count > 0).map(|count| format!("{count} {words}")));
    }
    format!("own checks of {}: {}", counted(plan.own_checks.len(), "package"), parts.join(", "))
}

/// JSON with a stable order of keys: what digests are made of.
fn json(value: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}
