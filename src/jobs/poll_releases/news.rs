//! What a look at upstream tells people: new releases, and repositories that moved, went or came back.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{PollReleases, SeenRelease, SeenReleases};
use crate::daemon::RunContext;
use crate::domain::{Absent, TaggedRelease};
use crate::store::NewEvent;

impl PollReleases {
    /// Tells what is new since `before`, and counts the new releases.
    pub(super) async fn announce(
        &self,
        before: &SeenReleases,
        seen: &SeenReleases,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<usize> {
        let nothing = SeenRelease::default();
        let mut new = 0;
        for (package, row) in seen {
            let known = before.get(package).unwrap_or(&nothing);
            let mut events = Vec::new();
            if let Some(release) = new_release(known, row) {
                new += 1;
                let body = json!({
                    "version": release.version, "commit": release.commit, "tag": release.tag,
                });
                events.push(("release", body, release.commit.clone()));
            }
            events.extend(of_upstream(known, row, now).map(|(key, body)| ("upstream", body, key)));
            for (kind, body, key) in events {
                let event = NewEvent {
                    at: now,
                    kind: kind.to_owned(),
                    job: context.job.clone(),
                    package: Some(package.clone()),
                    body,
                    dedup_key: format!("{kind}/{}/{package}/{key}", self.distribution.name),
                };
                self.services.store.add_event(&event).await?;
            }
        }
        Ok(new)
    }
}

/// A release that was not known. One that counts again since a later one was withdrawn is none.
fn new_release<'r>(known: &SeenRelease, row: &'r SeenRelease) -> Option<&'r TaggedRelease> {
    let release = row.release.as_ref()?;
    let before = known.release.as_ref();
    let same = before.is_some_and(|known| known.commit == release.commit && known.tag == release.tag);
    let fell_back = row.withdrawn.is_some() && row.withdrawn != known.withdrawn;
    (!same && !fell_back).then_some(release)
}

/// What became of a repository or of its releases, each with a key of its own.
fn of_upstream(
    known: &SeenRelease,
    row: &SeenRelease,
    now: Timestamp,
) -> impl Iterator<Item = (String, Value)> {
    let (before, after) = (known.repository.as_ref(), row.repository.as_ref());
    let mut news: Vec<(&str, Timestamp, Value)> = Vec::new();
    let moved_before = before.and_then(|seen| seen.moved.as_ref());
    if let Some(moved) =
        after.and_then(|seen| seen.moved.as_ref()).filter(|moved| Some(*moved) != moved_before)
    {
        let listed = after.map(|seen| seen.listed.as_str()).unwrap_or_default();
        news.push(("moved", moved.since, json!({ "what": "moved", "from": listed, "to": moved.to })));
    }
    let archived_before = before.and_then(|seen| seen.archived_since);
    match after.and_then(|seen| seen.archived_since) {
        Some(since) if archived_before.is_none() => {
            news.push(("archived", since, json!({ "what": "archived" })));
        }
        _ => {}
    }
    let confirmed = |seen: Option<&crate::domain::RepositorySeen>| {
        seen.and_then(|seen| seen.missing.clone()).filter(|missing| missing.confirmed_at.is_some())
    };
    match (confirmed(before), confirmed(after)) {
        (None, Some(missing)) => {
            let what = match missing.how {
                Absent::NotFound => "gone",
                Absent::Blocked => "blocked",
            };
            let body = json!({ "what": what, "since": missing.since, "looks": missing.looks });
            news.push((what, missing.since, body));
        }
        (Some(_), None) => news.push(("back", now, json!({ "what": "back" }))),
        _ => {}
    }
    if let Some(gone) = row.withdrawn.as_ref().filter(|gone| Some(*gone) != known.withdrawn.as_ref()) {
        let body = json!({ "what": "release-withdrawn", "version": gone.version, "tag": gone.tag });
        news.push(("release-withdrawn", gone.since, body));
    }
    news.into_iter().map(|(what, since, body)| (format!("{what}/{since}"), body))
}
