//! What a recheck tells: one line for the run, and an event for each change of state.

use jiff::Timestamp;

use super::{Recheck, scope};
use crate::daemon::RunContext;
use crate::decide::recheck::{CaseState, CaseVerdict, Gate, RecheckPlan};
use crate::store::NewEvent;

impl Recheck {
    /// Tells of every case that settled on something else, once.
    pub(super) async fn report(
        &self,
        plan: &RecheckPlan,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        for change in &plan.changes {
            let Some(verdict) = plan.verdicts.iter().find(|verdict| verdict.case == change.case) else {
                continue;
            };
            let member = &change.case.member;
            let event = NewEvent {
                at: now,
                kind: "recheck".to_owned(),
                job: context.job.clone(),
                package: Some(member.name.clone()),
                body: serde_json::json!({
                    "distribution": self.distribution.name,
                    "version": member.version, "build": member.build,
                    "platform": change.case.platform, "mode": change.case.mode,
                    "from": change.from, "to": change.to,
                    "result": verdict.result, "changed": verdict.changed_since_green,
                }),
                // The nominal time makes it the change of this occurrence, however often it is tried.
                dedup_key: format!(
                    "recheck/{}/{}/{}/{}",
                    self.distribution.name,
                    scope(&change.case),
                    member.name,
                    context.nominal
                ),
            };
            self.services.store.add_event(&event).await?;
        }
        Ok(())
    }
}

/// One line on what a pass found.
pub(super) fn summary(plan: &RecheckPlan) -> String {
    let count =
        |wanted: fn(&CaseVerdict) -> bool| plan.verdicts.iter().filter(|verdict| wanted(verdict)).count();
    let states = [
        ("green", count(|verdict| verdict.state == CaseState::Green)),
        ("red", count(|verdict| verdict.state == CaseState::Red)),
        ("without tests", count(|verdict| verdict.state == CaseState::NoTests)),
        ("unknown", count(|verdict| verdict.state == CaseState::Unknown)),
        ("to be tested", count(|verdict| verdict.state == CaseState::Waiting)),
    ];
    let told: Vec<String> = states
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let reused = match count(|verdict| verdict.reused) {
        0 => String::new(),
        reused => format!("; {reused} not tested again in the same environment"),
    };
    let gate = match &plan.gate {
        Gate::Open => "passes",
        Gate::Waiting => "waits for tests",
        Gate::Closed(_) => "does not pass",
    };
    let metapackage = &plan.metapackage;
    format!("{} {} {gate}: {}{reused}", metapackage.name, metapackage.version, told.join(", "))
}
