//! Stores how the own checks of a channel stand, and tells of each that came to another end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{RecheckR, json};
use crate::daemon::RunContext;
use crate::decide::own_check::OwnCheckPlan;
use crate::domain::{OwnCheck, OwnResult, PackageName};
use crate::store::NewEvent;

impl RecheckR {
    /// Stores what stands now as this job's source, and tells what is new.
    pub(super) async fn record(
        &self,
        plan: &OwnCheckPlan,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let store = &self.services.store;
        let before: BTreeMap<PackageName, OwnCheck> = match store.latest_seen(&self.own_source()).await? {
            Some(seen) => serde_json::from_slice(&seen.bytes)?,
            None => BTreeMap::new(),
        };
        for (package, check) in &plan.own_checks {
            let known = before.get(package).map(|known| (&known.commit, known.result));
            let settled = matches!(check.result, OwnResult::Passed | OwnResult::Failed);
            if settled && known != Some((&check.commit, check.result)) {
                self.tell(package, check, context).await?;
            }
        }
        store.record_seen(&self.own_source(), &json(&plan.own_checks)?, now).await.map(drop)
    }

    async fn tell(&self, package: &str, check: &OwnCheck, context: &RunContext) -> anyhow::Result<()> {
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let event = NewEvent {
            at: check.at.unwrap_or_else(|| self.services.clock.now()),
            kind: "own-check".to_owned(),
            job: context.job.clone(),
            package: Some(package.to_owned()),
            body: serde_json::json!({
                "distribution": distribution, "channel": channel,
                "version": check.version, "commit": check.commit, "result": check.result, "said": check.said,
                "r": check.r, "platform": check.platform, "tries": check.tries, "counts": check.counts,
                "reproduce": check.reproduce(),
            }),
            // The nominal time makes it the change of this occurrence, however often it is tried.
            dedup_key: format!("own-check/{distribution}/{channel}/{package}/{}", context.nominal),
        };
        self.services.store.add_event(&event).await.map(drop)
    }
}
