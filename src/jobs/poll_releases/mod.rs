//! `poll-releases`: where the repository of every listed package stands, and which of its releases counts.
//!
//! Observes the channel's `packages.json`, sweeps the repositories on GitHub in batches, and reads
//! the DESCRIPTION of each release's commit once. [`crate::decide::upstream`] says which release counts and
//! when a repository is gone; what a release may do is decided later. A look-up that fails keeps what was
//! known, with the time since when it fails. Where the list itself has to change, since a repository has
//! another name or a person asked for a removal, a pull request proposes it.

mod descriptions;
mod listing;
mod look;
mod news;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::descriptions::Descriptions;
use self::look::{Look, Offer, Revision};
use super::sources::names;
use super::{Pass, Services, channel_files};
use crate::config::{Distribution, PollReleases as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::upstream::{self, Chosen, Extent, Offered};
use crate::domain::{
    Absence, DeletionPolicy, Listing, PackageName, RepositorySeen, TaggedRelease, UpstreamFacts,
    WithdrawnRelease,
};
use crate::store::SeenFact;

/// What is known of the upstream of each package, as it is stored.
pub type SeenReleases = BTreeMap<PackageName, SeenRelease>;

/// What is known of one package's upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRelease {
    /// The release that counts; absent where the repository has none, or was never seen.
    pub release: Option<TaggedRelease>,
    /// True once the repository has answered.
    pub answered: bool,
    /// Since when its look-up fails, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Where its repository stands; absent where it is there under its listed name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositorySeen>,
    /// A release that counted and was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawnRelease>,
}

impl SeenRelease {
    /// What decisions have to know beside the release itself; nothing where all is as usual.
    pub fn facts(&self, deleted: DeletionPolicy) -> Option<UpstreamFacts> {
        upstream::facts(self.repository.as_ref(), self.release.as_ref(), self.withdrawn.as_ref(), deleted)
    }
}

/// The packages whose repository is not to be seen, as snapshots see them.
pub fn absences(seen: SeenReleases, deleted: DeletionPolicy) -> BTreeMap<PackageName, Absence> {
    let absent = seen.into_iter().filter_map(|(package, row)| Some((package, row.facts(deleted)?.absence?)));
    absent.collect()
}

/// A look-up that keeps failing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The first look that failed.
    pub since: Timestamp,
    /// What the last one said.
    pub why: String,
    /// The last look before that had an answer; absent where none ever had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

/// The job.
pub struct PollReleases {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
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
        let last = store.latest_seen(&source).await?;
        let before: SeenReleases = match &last {
            Some(fact) => serde_json::from_slice(&fact.bytes).map_err(anyhow::Error::from)?,
            None => SeenReleases::new(),
        };
        let seen = self.sweep(&listings, &before, last.as_ref(), now).await?;
        let bytes = serde_json::to_vec(&seen).map_err(anyhow::Error::from)?;
        // Told before it is stored: what is stored is no news to the pass after an interruption. What
        // was there at the first look is no news either.
        let new = match before.is_empty() {
            true => 0,
            false => self.announce(&before, &seen, &context, now).await?,
        };
        let recorded = store.record_seen(&source, &bytes, now).await?;
        let proposed = match self.pass {
            Pass::Full => self.bring_list_up_to_date(&seen, &context, now).await?,
            Pass::PlanOnly => 0,
        };
        if !recorded.changed && proposed == 0 {
            return Ok(RunOutcome::Unchanged { summary: format!("{} packages, nothing new", seen.len()) });
        }
        let failing = seen.values().filter(|seen| seen.failing.is_some()).count();
        let proposed = match proposed {
            0 => String::new(),
            some => format!(", {some} changes of the list proposed"),
        };
        Ok(RunOutcome::done(format!(
            "{} packages, {new} new releases, {failing} look-ups failing{proposed}",
            seen.len()
        )))
    }

    async fn sweep(
        &self,
        listings: &[Listing],
        before: &SeenReleases,
        last: Option<&SeenFact>,
        now: Timestamp,
    ) -> Result<SeenReleases, RunError> {
        let looks = self.look(listings, before).await?;
        let offered = listings.iter().filter_map(|listing| {
            let offer = looks.get(&listing.package)?.offer.as_ref().ok()?;
            Some(revisions(offer).map(move |revision| (listing, revision)))
        });
        let wanted: Vec<(&Listing, &Revision)> = offered.flatten().collect();
        let descriptions = self.read_descriptions(&wanted, now).await?;
        let mut seen = SeenReleases::new();
        for listing in listings {
            let Some(look) = looks.get(&listing.package) else { continue };
            let known = before.get(&listing.package).cloned().unwrap_or_default();
            let mut row = self.row(listing, look, known.clone(), &descriptions, now);
            if let Some(failing) = &mut row.failing {
                let first = known.failing.is_none() && known.answered;
                let answered_at = last.filter(|_| first).map(|fact| fact.last_at);
                failing.answered_at = known.failing.and_then(|known| known.answered_at).or(answered_at);
            }
            seen.insert(listing.package.clone(), row);
        }
        Ok(seen)
    }

    /// What is known of a package after a look at its repository.
    fn row(
        &self,
        listing: &Listing,
        look: &Look,
        known: SeenRelease,
        descriptions: &Descriptions,
        now: Timestamp,
    ) -> SeenRelease {
        let confirmation = self.distribution.policy.upstream.confirmation();
        let repository = match &look.sighting {
            None => known.repository.clone(),
            Some(sighting) => {
                let listed = look.listed.as_str();
                upstream::look(known.repository.as_ref(), listed, sighting, now, confirmation)
            }
        };
        let known = SeenRelease { repository, ..known };
        let offered = look.offer.as_ref().map_err(String::clone).and_then(|offer| match offer {
            Offer::Nothing => Ok(None),
            offer => candidates(listing, offer, descriptions).map(Some),
        });
        match offered {
            Err(why) => failing(known, why, now),
            // Where the repository is gone, what was known of its releases stays: a commit is a commit.
            Ok(None) => SeenRelease { failing: None, ..known },
            Ok(Some(offered)) => {
                let before = Chosen { release: known.release, withdrawn: known.withdrawn };
                let Chosen { release, withdrawn } = upstream::choose(&before, offered, now);
                SeenRelease { release, withdrawn, answered: true, failing: None, ..known }
            }
        }
    }
}

fn revisions(offer: &Offer) -> impl Iterator<Item = &Revision> {
    let (many, one) = match offer {
        Offer::Nothing => (None, None),
        Offer::Releases(revisions, _) => (Some(revisions), None),
        Offer::Head(head) => (None, head.as_ref()),
    };
    many.into_iter().flatten().chain(one)
}

/// What is offered, with the DESCRIPTION of each. Fails where one cannot be read now: it may be the one
/// that counts.
fn candidates(listing: &Listing, offer: &Offer, descriptions: &Descriptions) -> Result<Offered, String> {
    match offer {
        Offer::Releases(revisions, extent) => {
            let candidates: Result<_, String> =
                revisions.iter().map(|revision| descriptions.candidate(listing, revision)).collect();
            Ok(Offered::Releases(candidates?, *extent))
        }
        Offer::Head(Some(head)) => descriptions.candidate(listing, head).map(Offered::Head),
        Offer::Head(None) => {
            let branch = listing.branch.as_deref().unwrap_or("default branch");
            Err(format!("its repository has no {branch}"))
        }
        Offer::Nothing => Ok(Offered::Releases(Vec::new(), Extent::One)),
    }
}

fn failing(known: SeenRelease, why: String, now: Timestamp) -> SeenRelease {
    let since = known.failing.as_ref().map_or(now, |failing| failing.since);
    SeenRelease { failing: Some(Failing { since, why, answered_at: None }), ..known }
}
