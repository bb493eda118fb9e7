//! What a recheck tells in the timeline: an event for each change of state, and one for each fault that was
//! found.

use super::{Recheck, scope};
use crate::daemon::RunContext;
use crate::decide::recheck::{CaseFacts, CaseVerdict, RecheckFacts, RecheckPlan, StateChange};
use crate::domain::RecheckCase;
use crate::store::NewEvent;

impl Recheck {
    /// Tells of every case that settled on something else, and of every fault that was found, once. What was
    /// told before the search for faults is not told again after it.
    pub(super) async fn report(
        &self,
        (facts, plan): &(RecheckFacts, RecheckPlan),
        context: &RunContext,
    ) -> anyhow::Result<()> {
        let verdict_on = |case: &RecheckCase| plan.verdicts.iter().find(|verdict| verdict.case == *case);
        for change in &plan.changes {
            if let Some(verdict) = verdict_on(&change.case) {
                self.services.store.add_event(&self.changed(change, verdict, context)).await?;
            }
        }
        for case in &facts.cases {
            if let Some(verdict) = verdict_on(&case.case)
                && is_found_now(case, verdict)
            {
                self.services.store.add_event(&self.found(verdict, context)).await?;
            }
        }
        Ok(())
    }

    fn changed(&self, change: &StateChange, verdict: &CaseVerdict, context: &RunContext) -> NewEvent {
        let body = serde_json::json!({
            "from": change.from, "to": change.to,
            "result": verdict.result, "changed": verdict.changed_since_green,
        });
        self.event("recheck", verdict, body, context)
    }

    fn found(&self, verdict: &CaseVerdict, context: &RunContext) -> NewEvent {
        let body = serde_json::json!({ "culprit": verdict.culprit, "suspected": verdict.suspected });
        self.event("culprit", verdict, body, context)
    }

    fn event(
        &self,
        kind: &str,
        verdict: &CaseVerdict,
        mut body: serde_json::Value,
        context: &RunContext,
    ) -> NewEvent {
        let (case, member) = (&verdict.case, &verdict.case.member);
        body["distribution"] = self.distribution.name.as_str().into();
        body["version"] = member.version.as_str().into();
        body["build"] = member.build.as_str().into();
        body["platform"] = case.platform.as_str().into();
        body["mode"] = case.mode.to_string().into();
        NewEvent {
            at: self.services.clock.now(),
            kind: kind.to_owned(),
            job: context.job.clone(),
            package: Some(member.name.clone()),
            body,
            // The nominal time makes it the change of this occurrence, however often it is tried.
            dedup_key: format!(
                "{kind}/{}/{}/{}/{}",
                self.distribution.name,
                scope(case),
                member.name,
                context.nominal
            ),
        }
    }
}

/// Whether it came out in this pass what is at fault, or that it cannot be told.
fn is_found_now(case: &CaseFacts, verdict: &CaseVerdict) -> bool {
    let known = case.blamed_before.as_ref().map(|blamed| &blamed.changes);
    match (&verdict.culprit, &verdict.suspected) {
        (Some(culprit), _) => known != Some(culprit),
        (None, Some(_)) => !case.mixtures.is_empty(),
        (None, None) => false,
    }
}
