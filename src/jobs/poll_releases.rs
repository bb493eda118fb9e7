//! `poll-releases`: which release is the newest of every package that a channel lists.
//!
//! Observes the channel's `packages.json`, sweeps the repositories on GitHub in batches, and reads
//! the DESCRIPTION of a release's commit once, when the release is new. Nothing else: what a release
//! may do is decided later. A repository whose look-up fails keeps what was known of it, with the
//! time since when it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sources::names;
use super::{Services, channel_files};
use crate::config::{Distribution, PollReleases as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::domain::{Listing, PackageName};
use crate::ecosystem::cran::description::Description;
use crate::github::{FileAt, Lookup, Oid, Prereleases, ReleaseSeen, RepositoryName};
use crate::store::NewEvent;

/// What is known of the newest release of each package, as it is stored.
pub type SeenReleases = BTreeMap<PackageName, SeenRelease>;

/// What is known of one package's newest release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRelease {
    /// The newest release; absent where the repository has none, or was never seen.
    pub release: Option<TaggedRelease>,
    /// True once the repository has answered.
    pub answered: bool,
    /// Since when its look-up fails, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// A release with what the DESCRIPTION at its commit says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggedRelease {
    /// Its tag.
    pub tag: String,
    /// The commit the tag points at.
    pub commit: String,
    /// The version in the DESCRIPTION; empty where it cannot be read.
    pub version: String,
    /// What the light checks find: clauses.
    pub problems: Vec<String>,
}

/// A look-up that keeps failing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The first look that failed.
    pub since: Timestamp,
    /// What the last one said.
    pub why: String,
}

/// The job.
pub struct PollReleases {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
}

impl JobWork for PollReleases {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.poll(context))
    }
}

impl PollReleases {
    async fn poll(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let store = &self.services.store;
        let now = self.services.clock.now();
        let source = names::releases(&self.distribution.name);
        let listings =
            channel_files::listings(&self.services, &self.distribution, &self.settings.channel).await?;
        let before: SeenReleases = match store.latest_seen(&source).await? {
            Some(fact) => serde_json::from_slice(&fact.bytes).map_err(anyhow::Error::from)?,
            None => SeenReleases::new(),
        };
        let seen = self.sweep(&listings, &before, now).await?;
        let bytes = serde_json::to_vec(&seen).map_err(anyhow::Error::from)?;
        // Told before it is stored: what is stored is no news to the pass after an interruption. What
        // was there at the first look is no news either.
        let mut new = 0;
        for (package, release) in newer(&before, &seen).filter(|_| !before.is_empty()) {
            new += 1;
            self.announce(&context, package, release, now).await?;
        }
        let recorded = store.record_seen(&source, &bytes, now).await?;
        if !recorded.changed {
            return Ok(RunOutcome::Unchanged { summary: format!("{} packages, nothing new", seen.len()) });
        }
        let failing = seen.values().filter(|seen| seen.failing.is_some()).count();
        Ok(RunOutcome::done(format!(
            "{} packages, {new} new releases, {failing} look-ups failing",
            seen.len()
        )))
    }

    async fn sweep(
        &self,
        listings: &[Listing],
        before: &SeenReleases,
        now: Timestamp,
    ) -> Result<SeenReleases, RunError> {
        let mut repositories: BTreeMap<RepositoryName, Vec<&Listing>> = BTreeMap::new();
        for listing in listings {
            // Other hosts have no releases here; their packages are seen through the universe.
            if let Ok(repository) = RepositoryName::from_url(&listing.url) {
                repositories.entry(repository).or_default().push(listing);
            }
        }
        let wanted: Vec<RepositoryName> = repositories.keys().cloned().collect();
        let answers = self.services.github()?.poll_releases(&wanted, self.settings.batch as usize).await?;
        let mut seen = SeenReleases::new();
        let mut unread: Vec<(PackageName, FileAt, ReleaseSeen)> = Vec::new();
        for (repository, listings) in &repositories {
            for listing in listings {
                let known = before.get(&listing.package).cloned().unwrap_or_default();
                let row = match answers.get(repository) {
                    Some(Lookup::Found(releases)) => match releases.newest(Prereleases::Ignore) {
                        None => SeenRelease { answered: true, ..SeenRelease::default() },
                        Some(newest) if is_known(&known, newest) => {
                            SeenRelease { failing: None, answered: true, ..known }
                        }
                        Some(newest) => {
                            unread.extend(description_of(repository, listing, newest));
                            known
                        }
                    },
                    Some(Lookup::Absent { reason }) => failing(known, reason.to_string(), now),
                    Some(Lookup::Failed(failure)) => failing(known, failure.to_string(), now),
                    None => failing(known, "it was not asked".to_owned(), now),
                };
                seen.insert(listing.package.clone(), row);
            }
        }
        self.read_descriptions(unread, &mut seen, now).await?;
        Ok(seen)
    }

    /// Reads the DESCRIPTION of every release that is new. One that cannot be read now leaves the
    /// package as it was and is tried again in the next pass.
    async fn read_descriptions(
        &self,
        unread: Vec<(PackageName, FileAt, ReleaseSeen)>,
        seen: &mut SeenReleases,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let wanted: Vec<FileAt> =
            unread.iter().map(|(_, file, _)| file.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let texts = self.services.github()?.files_at(&wanted).await;
        for (package, file, release) in unread {
            let known = seen.remove(&package).unwrap_or_default();
            let row = match texts.get(&file) {
                Some(Lookup::Found(text)) => read_release(&package, &file, &release, text),
                Some(Lookup::Absent { .. }) => SeenRelease {
                    release: Some(TaggedRelease {
                        tag: release.tag.clone(),
                        commit: file.1.clone(),
                        version: String::new(),
                        problems: vec![format!("its release {} has no {}", release.tag, file.2)],
                    }),
                    answered: true,
                    failing: None,
                },
                Some(Lookup::Failed(failure)) => failing(known, failure.to_string(), now),
                None => failing(known, "it was not asked".to_owned(), now),
            };
            seen.insert(package, row);
        }
        Ok(())
    }

    async fn announce(
        &self,
        context: &RunContext,
        package: &str,
        release: &TaggedRelease,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let event = NewEvent {
            at: now,
            kind: "release".to_owned(),
            job: context.job.clone(),
            package: Some(package.to_owned()),
            body: serde_json::json!({
                "version": release.version, "commit": release.commit, "tag": release.tag,
            }),
            dedup_key: format!("release/{}/{package}/{}", self.distribution.name, release.commit),
        };
        self.services.store.add_event(&event).await?;
        Ok(())
    }
}

fn is_known(known: &SeenRelease, newest: &ReleaseSeen) -> bool {
    known.release.as_ref().is_some_and(|release| {
        Some(release.commit.as_str()) == newest.commit.as_ref().map(Oid::as_str) && release.tag == newest.tag
    })
}

/// The DESCRIPTION to read for a release; none where its tag points at no commit.
fn description_of(
    repository: &RepositoryName,
    listing: &Listing,
    newest: &ReleaseSeen,
) -> Option<(PackageName, FileAt, ReleaseSeen)> {
    let path = match &listing.subdir {
        Some(folder) => format!("{}/DESCRIPTION", folder.trim_matches('/')),
        None => "DESCRIPTION".to_owned(),
    };
    let file = (repository.clone(), newest.commit.as_ref()?.to_string(), path);
    Some((listing.package.clone(), file, newest.clone()))
}

/// The light checks that make a release admissible: a DESCRIPTION that is valid, and no `Remotes`.
fn read_release(package: &str, file: &FileAt, release: &ReleaseSeen, text: &str) -> SeenRelease {
    let (version, problems) = match Description::read(text.as_bytes()) {
        Err(problem) => (String::new(), vec![format!("its DESCRIPTION cannot be read: {problem}")]),
        Ok(description) => {
            let mut problems = description.problems(package);
            if !description.remotes.is_empty() {
                problems.push(format!("its DESCRIPTION has Remotes: {}", description.remotes.join(", ")));
            }
            (description.version.clone().unwrap_or_default(), problems)
        }
    };
    SeenRelease {
        release: Some(TaggedRelease { tag: release.tag.clone(), commit: file.1.clone(), version, problems }),
        answered: true,
        failing: None,
    }
}

fn failing(known: SeenRelease, why: String, now: Timestamp) -> SeenRelease {
    let since = known.failing.as_ref().map_or(now, |failing| failing.since);
    SeenRelease { failing: Some(Failing { since, why }), ..known }
}

fn newer<'a>(
    before: &'a SeenReleases,
    seen: &'a SeenReleases,
) -> impl Iterator<Item = (&'a PackageName, &'a TaggedRelease)> {
    seen.iter().filter_map(|(package, row)| {
        let release = row.release.as_ref()?;
        let known = before.get(package).and_then(|row| row.release.as_ref());
        (known != Some(release)).then_some((package, release))
    })
}
