//! What people did about the channel: rows that they took out, pull requests of theirs that do what tidegate
//! would propose, and what waits because enough is open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Promote, json};
use crate::calendar::CyclePoint;
use crate::daemon::RunError;
use crate::decide::promote::TakenOut;
use crate::domain::{
    Fact, HourlyRoom, Listing, PackageName, PeoplesDoings, PersonsProposal, ProposalSeen, ProposalState,
    QueueFacts, Release, Removal, VerdictKind, is_commit,
};
use crate::ecosystem::cran::description::Description;
use crate::ecosystem::cran::files::PackagesFile;
use crate::github::{FileAt, Lookup, PullRequestSeen, PullRequestState, RepositoryName, RepositoryView};
use crate::jobs::channel_files::PACKAGES;
use crate::jobs::sources::names;

/// So many pull requests of others are read, those that changed last first. Strangers open as many as they
/// like, and must not hold the work up.
const MOST_READ: usize = 30;

/// Both channels as they were seen.
pub(super) struct Channels<'a> {
    pub(super) repository: &'a RepositoryName,
    pub(super) view: &'a RepositoryView,
    pub(super) head: &'a [Listing],
    pub(super) source: &'a [Listing],
    pub(super) releases: &'a BTreeMap<PackageName, Fact<Option<Release>>>,
    pub(super) removals: &'a BTreeMap<PackageName, Removal>,
}

impl Promote {
    pub(super) async fn people(
        &self,
        channels: &Channels<'_>,
        known: &[ProposalSeen],
        point: &CyclePoint,
        now: Timestamp,
    ) -> Result<PeoplesDoings, RunError> {
        let (proposals, unread) = self.proposals_of_people(channels, known).await?;
        Ok(PeoplesDoings {
            removed: self.taken_out(channels, point, now).await?.removed,
            proposals,
            unread,
            propose_again: Some(self.distribution.policy.pull_request.propose_again.clone()),
            past_exceptions: Vec::new(),
        })
    }

    /// The memory of what the channel lists, brought up to date.
    async fn taken_out(
        &self,
        channels: &Channels<'_>,
        point: &CyclePoint,
        now: Timestamp,
    ) -> anyhow::Result<TakenOut> {
        let store = &self.services.store;
        let source = names::taken_out(&self.distribution.name, &self.settings.to);
        let before = store.latest_seen(&source).await?;
        // A memory that cannot be read any more begins anew.
        let before: Option<TakenOut> = before.and_then(|fact| serde_json::from_slice(&fact.bytes).ok());
        let mut after = TakenOut::after(before.as_ref(), point.cycle_start, channels.head, channels.source);
        // What left on request left by tidegate's own hand, and comes back once the request is undone.
        let on_request = |package: &PackageName| {
            channels.removals.get(package).is_some_and(|removal| removal.covers(&self.settings.to))
        };
        after.removed.retain(|package| !on_request(package));
        if before.as_ref() != Some(&after) {
            store.record_seen(&source, &json(&after)?, now).await?;
        }
        Ok(after)
    }

    /// Open pull requests of others to the channel that pin a newest release, by its commit, its tag or another
    /// commit of the same version; and why some could not be read. What is too large, is no list, or has none says nothing.
    async fn proposals_of_people(
        &self,
        channels: &Channels<'_>,
        known: &[ProposalSeen],
    ) -> Result<(Vec<PersonsProposal>, Option<String>), RunError> {
        let Channels { repository, view, .. } = channels;
        let wanted = wanted(channels);
        let prefix = self.distribution.policy.pull_request.branch_prefix.as_str();
        let is_other = |pull: &&PullRequestSeen| {
            // One of ours that lost its text is ours all the same: it is found by its branch.
            let ours = view.is_ours(pull) && pull.head_ref.starts_with(prefix);
            !ours
                && pull.state == PullRequestState::Open
                && pull.base_ref == view.default_branch
                && !known.iter().any(|ours| ours.number == pull.number)
        };
        let mut others: Vec<&PullRequestSeen> = view.pulls.iter().filter(is_other).collect();
        if wanted.is_empty() || others.is_empty() {
            return Ok((Vec::new(), None));
        }
        others.sort_by_key(|pull| (std::cmp::Reverse(pull.updated_at), pull.number));
        if others.len() > MOST_READ {
            tracing::warn!("{repository} has {} pull requests of others; {MOST_READ} are read", others.len());
            others.truncate(MOST_READ);
        }
        let at =
            |pull: &PullRequestSeen| ((*repository).clone(), pull.head_oid.to_string(), PACKAGES.to_owned());
        let files: Vec<_> = others.iter().map(|pull| at(pull)).collect();
        let answers = self.services.github()?.files_at(&files).await;
        let (mut pins, mut unread) = (Vec::new(), None);
        others.sort_by_key(|pull| pull.number);
        for pull in others {
            match answers.get(&at(pull)) {
                Some(Lookup::Found(text)) => {
                    pins.extend(
                        new_pins(text, channels.head, &wanted).into_iter().map(|pin| (pull.number, pin)),
                    );
                }
                Some(Lookup::Failed(failure)) if failure.is_transient() => {
                    let number = pull.number;
                    unread.get_or_insert(format!("pull request #{number} could not be read ({failure})"));
                }
                Some(Lookup::Absent { .. } | Lookup::Failed(_)) | None => {}
            }
        }
        let same = self.pins_of_the_same_version(&pins, &wanted, &mut unread).await?;
        let mut proposals: BTreeMap<u64, PersonsProposal> = BTreeMap::new();
        for (number, pin) in pins {
            let release = wanted[pin.package.as_str()];
            if is_release(&pin, release) || same.contains(&(pin.package.clone(), pin.branch)) {
                let theirs = PersonsProposal { number, commits: BTreeMap::new() };
                let theirs = proposals.entry(number).or_insert(theirs);
                theirs.commits.insert(pin.package, release.commit.clone());
            }
        }
        Ok((proposals.into_values().collect(), unread))
    }

    /// Pins to other commits than that of the release at which the package has the release's version all the same,
    /// as its DESCRIPTION there says: by package and commit.
    async fn pins_of_the_same_version(
        &self,
        pins: &[(u64, NewPin)],
        wanted: &BTreeMap<&str, &Release>,
        unread: &mut Option<String>,
    ) -> Result<BTreeSet<(PackageName, String)>, RunError> {
        let mut same = BTreeSet::new();
        let asked = pins.iter().filter_map(|(number, pin)| {
            let unclear = is_commit(&pin.branch) && !is_release(pin, wanted[pin.package.as_str()]);
            Some((*number, pin, pin.description()?)).filter(|_| unclear)
        });
        let asked: Vec<(u64, &NewPin, FileAt)> = asked.take(MOST_READ).collect();
        if asked.is_empty() {
            return Ok(same);
        }
        let files: Vec<FileAt> = asked.iter().map(|(_, _, file)| file.clone()).collect();
        let answers = self.services.github()?.files_at(&files).await;
        for (number, pin, file) in asked {
            match answers.get(&file) {
                Some(Lookup::Found(text)) => {
                    let version = Description::read(text.as_bytes()).ok().and_then(|read| read.version);
                    if version.as_ref() == Some(&wanted[pin.package.as_str()].version) {
                        same.insert((pin.package.clone(), pin.branch.clone()));
                    }
                }
                Some(Lookup::Failed(failure)) if failure.is_transient() => {
                    unread.get_or_insert(format!(
                        "what pull request #{number} pins {} at could not be read ({failure})",
                        pin.package
                    ));
                }
                // A commit that is not there has no version.
                Some(Lookup::Absent { .. } | Lookup::Failed(_)) | None => {}
            }
        }
        Ok(same)
    }

    /// How much room there is within the hour, counted on what people see, and since when packages wait.
    pub(super) async fn queue(
        &self,
        channels: &Channels<'_>,
        known: &[ProposalSeen],
        now: Timestamp,
    ) -> anyhow::Result<QueueFacts> {
        let view = channels.view;
        let policy = &self.distribution.policy.pull_request;
        let hour_ago = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
        let lately = |pull: &&PullRequestSeen| {
            pull.created_at > hour_ago && known.iter().any(|ours| ours.number == pull.number)
        };
        let most = policy.max_per_hour as usize;
        let left = most.saturating_sub(view.pulls.iter().filter(lately).count());
        let open = known.iter().filter(|seen| seen.state == ProposalState::Open).count();
        let room = (policy.max_open as usize).saturating_sub(open).min(wanted(channels).len());
        let narrower = left < room;
        let queued = serde_json::to_value(VerdictKind::Queued)?;
        let (distribution, channel) = (&self.distribution.name, &self.settings.to);
        let queued = queued.as_str().unwrap_or_default();
        Ok(QueueFacts {
            hourly: narrower.then_some(HourlyRoom { most, left }),
            waiting_since: self.services.store.verdicts_since(distribution, channel, queued).await?,
        })
    }
}

/// The newest releases that the channel does not hold, by package.
fn wanted<'a>(channels: &Channels<'a>) -> BTreeMap<&'a str, &'a Release> {
    let held: BTreeMap<&str, Option<&str>> =
        channels.head.iter().map(|listing| (&*listing.package, listing.pin())).collect();
    let newest = |(package, release): (&'a PackageName, &'a Fact<Option<Release>>)| {
        let release = release.known()?.as_ref()?;
        let holds = held.get(package.as_str()).copied().flatten();
        (holds != Some(release.commit.as_str())).then_some((package.as_str(), release))
    };
    channels.releases.iter().filter_map(newest).collect()
}

/// A row of somebody's list that holds a wanted package otherwise than the channel.
struct NewPin {
    package: PackageName,
    branch: String,
    url: String,
    subdir: Option<String>,
}

impl NewPin {
    /// The DESCRIPTION at the pin, where it lies on GitHub.
    fn description(&self) -> Option<FileAt> {
        let repository = RepositoryName::from_url(&self.url).ok()?;
        let path = match &self.subdir {
            Some(folder) => format!("{}/DESCRIPTION", folder.trim_matches('/')),
            None => "DESCRIPTION".to_owned(),
        };
        Some((repository, self.branch.clone(), path))
    }
}

/// What a list holds of what is wanted, and otherwise than the channel does.
fn new_pins(text: &str, head: &[Listing], wanted: &BTreeMap<&str, &Release>) -> Vec<NewPin> {
    let Ok(file) = PackagesFile::read(PACKAGES, text.as_bytes()) else { return Vec::new() };
    let held: BTreeMap<&str, Option<&str>> =
        head.iter().map(|listing| (&*listing.package, listing.branch.as_deref())).collect();
    let pin = |listing: Listing| {
        let branch = listing.branch.clone()?;
        let same = held.get(listing.package.as_str()) == Some(&Some(branch.as_str()));
        let is_new = !same && wanted.contains_key(listing.package.as_str());
        let Listing { package, url, subdir, .. } = listing;
        is_new.then_some(NewPin { package, branch, url, subdir })
    };
    file.listings.into_iter().filter_map(pin).collect()
}

/// True for a pin to the very commit or the tag of a release.
fn is_release(pin: &NewPin, release: &Release) -> bool {
    pin.branch == release.commit || release.tag.as_ref() == Some(&pin.branch)
}
