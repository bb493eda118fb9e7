//! What the timeline says of the integration repository: each commit, and each pull request when it is opened,
//! updated, merged or closed.
//!
//! An event is told before the journal says that its action is done, under a key that follows from the effect, so
//! that a pass which takes an effect over tells the same once.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Integrate;
use crate::config::IntegrationRepository;
use crate::daemon::{RunContext, RunError};
use crate::github::{PullRequestSeen, PullRequestState};
use crate::store::NewEvent;

/// What a commit or a pull request brings to the repository.
pub(super) struct Told {
    /// The version of the metapackage.
    pub version: String,
    /// The members whose lines change.
    pub members: Vec<String>,
    /// A digest of the wanted files.
    pub fingerprint: String,
}

impl Told {
    /// What an intention in the journal was about.
    pub(super) fn of_intent(intent: &Value, fingerprint: &str) -> Self {
        let members = intent["changes"].as_object().into_iter().flat_map(|changes| changes.keys().cloned());
        Self {
            version: intent["version"].as_str().unwrap_or_default().to_owned(),
            members: members.collect(),
            fingerprint: fingerprint.to_owned(),
        }
    }
}

impl Integrate {
    /// The first line of a commit, and the title of a pull request.
    pub(super) fn headline(&self, version: &str) -> String {
        format!("Update {} to {version}", self.distribution.metapackage)
    }

    /// Tells of a commit to the repository.
    pub(super) async fn tell_of_commit(
        &self,
        settings: &IntegrationRepository,
        told: &Told,
        commit: &str,
        context: &RunContext,
    ) -> anyhow::Result<()> {
        let body =
            json!({ "repository": settings.name, "commit": commit, "title": self.headline(&told.version) });
        let key = format!("commit/{}/{commit}", settings.name);
        self.add(("commit", key), (body, &told.members), context, self.services.clock.now()).await.map(drop)
    }

    /// Tells of a pull request that has just been opened or updated, and follows it from here on.
    pub(super) async fn tell_of_pull(
        &self,
        settings: &IntegrationRepository,
        told: &Told,
        number: u64,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let (title, now) = (self.headline(&told.version), self.services.clock.now());
        let key = |action: &str, of: &str| format!("pull-request/{}/{number}/{action}/{of}", settings.name);
        let body = |action: &str| self.body_of_pull(settings, (number, action), &title);
        let opened = ("pull-request", key("opened", ""));
        let is_new = self.add(opened, (body("opened")?, &told.members), context, now).await?;
        if !is_new {
            let updated = ("pull-request", key("updated", &told.fingerprint));
            self.add(updated, (body("updated")?, &told.members), context, now).await?;
        }
        Ok(self.note_followed(Some(number)).await?)
    }

    /// Looks at the pull request that was open when it was seen last, and tells of it once it is merged or closed.
    pub(super) async fn follow_pull(
        &self,
        settings: &IntegrationRepository,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let noted = self.services.store.latest_seen(&self.followed_source()).await?;
        let number = noted.and_then(|seen| String::from_utf8(seen.bytes).ok()?.parse::<u64>().ok());
        let Some(number) = number else { return Ok(()) };
        let pulls = self.pulls(settings).await?;
        let Some(pull) = pulls.iter().find(|pull| pull.number == number) else { return Ok(()) };
        let Some((action, at)) = ended(pull) else { return Ok(()) };
        let key = ("pull-request", format!("pull-request/{}/{number}/{action}/", settings.name));
        let body = self.body_of_pull(settings, (number, action), &pull.title)?;
        let at = at.unwrap_or_else(|| self.services.clock.now());
        self.add(key, (body, &[]), context, at).await?;
        Ok(self.note_followed(None).await?)
    }

    /// Remembers the pull request that is open; none: none is.
    pub(super) async fn note_followed(&self, number: Option<u64>) -> anyhow::Result<()> {
        let text = number.map(|number| number.to_string()).unwrap_or_default();
        let now = self.services.clock.now();
        self.services.store.record_seen(&self.followed_source(), text.as_bytes(), now).await.map(drop)
    }

    fn followed_source(&self) -> String {
        format!("integration-pull:{}/{}", self.distribution.name, self.settings.to)
    }

    fn body_of_pull(
        &self,
        settings: &IntegrationRepository,
        (number, action): (u64, &str),
        title: &str,
    ) -> anyhow::Result<Value> {
        let branch = self.branch()?.to_string();
        Ok(json!({
            "action": action, "number": number, "title": title, "branch": branch, "repository": settings.name,
        }))
    }

    /// Adds an event about the metapackage and these members; false where it was told before.
    async fn add(
        &self,
        (kind, dedup_key): (&str, String),
        (mut body, members): (Value, &[String]),
        context: &RunContext,
        at: Timestamp,
    ) -> anyhow::Result<bool> {
        body["distribution"] = self.distribution.name.as_str().into();
        body["packages"] = members.into();
        let event = NewEvent {
            at,
            kind: kind.to_owned(),
            job: context.job.clone(),
            package: Some(self.distribution.metapackage.clone()),
            body,
            dedup_key,
        };
        self.services.store.add_event(&event).await
    }
}

/// How a pull request ended, and when; none while it is open.
fn ended(pull: &PullRequestSeen) -> Option<(&'static str, Option<Timestamp>)> {
    match pull.state {
        PullRequestState::Open => None,
        PullRequestState::Merged => Some(("merged", pull.merged_at)),
        PullRequestState::Closed => Some(("closed", pull.closed_at)),
    }
}
