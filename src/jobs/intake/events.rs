//! What the intake tells: each thing once, with what to do about it.

use serde_json::{Value, json};

use super::Intake;
use crate::daemon::RunContext;
use crate::store::NewEvent;

impl Intake {
    /// An event about builds of this distribution. Two with the same `key` are one.
    pub(super) fn event(
        &self,
        context: &RunContext,
        kind: &str,
        package: Option<&str>,
        body: Value,
        key: &str,
    ) -> NewEvent {
        let mut whole = json!({ "distribution": self.distribution.name, "channel": self.settings.to });
        if let (Some(whole), Value::Object(body)) = (whole.as_object_mut(), body) {
            whole.extend(body);
        }
        NewEvent {
            at: self.services.clock.now(),
            kind: kind.to_owned(),
            job: context.job.clone(),
            package: package.map(str::to_owned),
            body: whole,
            dedup_key: format!("intake/{}/{kind}/{key}", self.distribution.name),
        }
    }
}
