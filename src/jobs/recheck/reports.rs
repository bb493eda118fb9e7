//! What a recheck tells: an event for each change of state.

use jiff::Timestamp;

use super::{Recheck, scope};
use crate::daemon::RunContext;
use crate::decide::recheck::RecheckPlan;
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
