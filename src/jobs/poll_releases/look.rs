//! The look at GitHub: what each listed repository is, and what it offers as releases.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{PollReleases, SeenReleases};
use crate::daemon::RunError;
use crate::decide::upstream::{Extent, Followed, followed};
use crate::domain::{Absent, Listing, PackageName, Sighting};
use crate::failure::Failure;
use crate::github::{
    Absence, BranchName, Lookup, Oid, ReferencesSeen, ReleasesSeen, RepositoryName, Sought, Window,
};

/// How many repositories that are not found are looked at once more, by REST. More in one pass are no
/// news of packages but of GitHub, and count as look-ups that failed.
const SECOND_LOOKS: usize = 20;

/// What a look at the repository of one package came to.
pub struct Look {
    /// The name by which it is listed.
    pub listed: RepositoryName,
    /// What was seen of the repository; none where the look failed.
    pub sighting: Option<Sighting>,
    /// What it offers, or why that is not known.
    pub offer: Result<Offer, String>,
}

/// What a repository offers.
pub enum Offer {
    /// It is not there.
    Nothing,
    /// Releases or tags.
    Releases(Vec<Revision>, Extent),
    /// The head of a branch; none where there is no such branch.
    Head(Option<Revision>),
}

/// A commit that may be a release.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The repository under its name today.
    pub repository: RepositoryName,
    /// The tag; empty where a branch is followed.
    pub tag: String,
    /// The commit.
    pub commit: Oid,
    /// The date of the commit, where it is known.
    pub at: Option<Timestamp>,
}

/// One package with what is asked about it.
struct Target<'l> {
    listing: &'l Listing,
    listed: RepositoryName,
    asked: RepositoryName,
    followed: Followed,
}

/// A repository as it answered, whatever was asked for.
struct Answered {
    name: RepositoryName,
    archived: Option<bool>,
    found: Vec<(String, Oid, Option<Timestamp>)>,
    extent: Extent,
}

impl PollReleases {
    /// Looks at every listed repository on GitHub. Other hosts have no releases here; their packages are
    /// seen through the universe.
    pub(super) async fn look(
        &self,
        listings: &[Listing],
        before: &SeenReleases,
    ) -> Result<BTreeMap<PackageName, Look>, RunError> {
        let targets: Vec<Target<'_>> =
            listings.iter().filter_map(|listing| self.target(listing, before)).collect();
        let github = self.services.github()?;
        let by_releases: BTreeSet<RepositoryName> = targets
            .iter()
            .filter(|target| target.followed == Followed::Releases)
            .map(|target| target.asked.clone())
            .collect();
        let by_releases: Vec<RepositoryName> = by_releases.into_iter().collect();
        let releases = github.poll_releases(&by_releases, self.settings.batch as usize).await?;
        let others: Vec<(RepositoryName, Sought)> = targets
            .iter()
            .filter_map(|target| Some((target.asked.clone(), sought(&target.followed)?.ok()?)))
            .collect();
        let references = if others.is_empty() { BTreeMap::new() } else { github.references(&others).await? };
        let answer = |target: &Target<'_>| match sought(&target.followed) {
            None => releases.get(&target.asked).map_or_else(unasked, of_releases),
            Some(Ok(what)) => {
                references.get(&(target.asked.clone(), what)).map_or_else(unasked, of_references)
            }
            Some(Err(failure)) => Lookup::Failed(failure),
        };
        let answers: Vec<(Target<'_>, Lookup<Answered>)> = targets
            .into_iter()
            .map(|target| {
                let answer = answer(&target);
                (target, answer)
            })
            .collect();
        let second = self.look_twice(&answers, before).await?;
        let looks = answers
            .into_iter()
            .map(|(target, answer)| (target.listing.package.clone(), look_of(target, answer, &second)));
        Ok(looks.collect())
    }

    fn target<'l>(&self, listing: &'l Listing, before: &SeenReleases) -> Option<Target<'l>> {
        let listed = RepositoryName::from_url(&listing.url).ok()?;
        let known = before.get(&listing.package).and_then(|row| row.repository.as_ref());
        let known = known.filter(|seen| seen.listed.eq_ignore_ascii_case(listed.as_str()));
        // The new name is asked for: the old one may belong to somebody else by now.
        let moved = known.and_then(|seen| seen.moved.as_ref()?.to.parse().ok());
        Some(Target {
            listing,
            asked: moved.unwrap_or_else(|| listed.clone()),
            listed,
            followed: followed(listing, self.distribution.policy.upstream.releases_of(&listing.package)),
        })
    }

    /// Asks by REST for what GraphQL did not find, unless that is confirmed already: REST tells what is
    /// withheld from what is gone, and two answers of different services are better than one.
    async fn look_twice(
        &self,
        answers: &[(Target<'_>, Lookup<Answered>)],
        before: &SeenReleases,
    ) -> Result<BTreeMap<RepositoryName, Lookup<Sighting>>, RunError> {
        let doubtful = |(target, answer): &&(Target<'_>, Lookup<Answered>)| match answer {
            Lookup::Found(_) => false,
            Lookup::Absent { .. } => !is_confirmed(before, &target.listing.package),
            Lookup::Failed(failure) => !failure.is_transient(),
        };
        let doubtful: BTreeSet<&RepositoryName> =
            answers.iter().filter(doubtful).map(|(target, _)| &target.asked).collect();
        let mut seen = BTreeMap::new();
        for (index, repository) in doubtful.into_iter().enumerate() {
            let lookup = match index < SECOND_LOOKS {
                true => self.services.github()?.repository_today(repository).await,
                false => Lookup::Failed(Failure::transient(
                    "it was not found, as too many others at once to be believed".to_owned(),
                )),
            };
            let there = |today: crate::github::RepositoryToday| Sighting::There {
                name: today.name.to_string(),
                archived: Some(today.archived),
            };
            seen.insert(repository.clone(), lookup.map(there));
        }
        Ok(seen)
    }
}

fn is_confirmed(before: &SeenReleases, package: &str) -> bool {
    let missing = before.get(package).and_then(|row| row.repository.as_ref()?.missing.as_ref());
    missing.is_some_and(|missing| missing.confirmed_at.is_some())
}

/// What to ask for beside releases; none where releases are what is followed.
fn sought(followed: &Followed) -> Option<Result<Sought, Failure>> {
    match followed {
        Followed::Releases => None,
        Followed::Tags => Some(Ok(Sought::Tags)),
        // A fixed commit asks whether the repository is there.
        Followed::DefaultBranch | Followed::Commit(_) => Some(Ok(Sought::DefaultBranch)),
        Followed::Named(name) => Some(match name.parse::<BranchName>() {
            Ok(name) => Ok(Sought::Named(name)),
            Err(error) => Err(Failure::permanent(format!("its row names no branch: {error}"))),
        }),
    }
}

fn unasked() -> Lookup<Answered> {
    Lookup::Failed(Failure::transient("it was not asked".to_owned()))
}

fn of_releases(lookup: &Lookup<ReleasesSeen>) -> Lookup<Answered> {
    copied(lookup, |seen| Answered {
        name: seen.name_with_owner.clone(),
        archived: seen.archived,
        found: seen
            .full()
            .filter_map(|release| {
                Some((release.tag.clone(), release.commit.clone()?, Some(release.created_at)))
            })
            .collect(),
        extent: extent(seen.window),
    })
}

fn of_references(lookup: &Lookup<ReferencesSeen>) -> Lookup<Answered> {
    copied(lookup, |seen| Answered {
        name: seen.name_with_owner.clone(),
        archived: Some(seen.archived),
        found: seen
            .revisions
            .iter()
            .map(|one| (one.name.clone(), one.commit.clone(), Some(one.committed_at)))
            .collect(),
        extent: extent(seen.window),
    })
}

fn copied<T, U>(lookup: &Lookup<T>, read: impl FnOnce(&T) -> U) -> Lookup<U> {
    match lookup {
        Lookup::Found(found) => Lookup::Found(read(found)),
        Lookup::Absent { reason } => Lookup::Absent { reason: *reason },
        Lookup::Failed(failure) => Lookup::Failed(failure.clone()),
    }
}

fn extent(window: Window) -> Extent {
    match window {
        Window::Whole => Extent::Whole,
        Window::Since(oldest) => Extent::Since(oldest),
        Window::One => Extent::One,
    }
}

fn look_of(
    target: Target<'_>,
    answer: Lookup<Answered>,
    second: &BTreeMap<RepositoryName, Lookup<Sighting>>,
) -> Look {
    let Target { listed, asked, followed, .. } = target;
    let (sighting, offer) = match (answer, second.get(&asked)) {
        (Lookup::Found(answered), _) => {
            let name = answered.name.to_string();
            (Some(Sighting::There { name, archived: answered.archived }), Ok(offer(answered, &followed)))
        }
        (_, Some(Lookup::Absent { reason })) => (Some(Sighting::Absent(absent(*reason))), Ok(Offer::Nothing)),
        (Lookup::Absent { reason }, None) => (Some(Sighting::Absent(absent(reason))), Ok(Offer::Nothing)),
        (Lookup::Failed(failure), None) => (None, Err(failure.to_string())),
        (first, Some(Lookup::Found(there))) => {
            let why = match first {
                Lookup::Failed(failure) => failure.to_string(),
                _ => format!("GraphQL did not find {asked}, and REST did"),
            };
            (Some(there.clone()), Err(why))
        }
        (_, Some(Lookup::Failed(failure))) => (None, Err(failure.to_string())),
    };
    Look { listed, sighting, offer }
}

/// Only what says that something is not there comes here: a repository that is gone or private, or one that
/// is withheld.
fn absent(reason: Absence) -> Absent {
    match reason {
        Absence::Withheld => Absent::Blocked,
        Absence::NotFound | Absence::Gone | Absence::NoSuchFile | Absence::NoSuchBranch => Absent::NotFound,
    }
}

fn offer(answered: Answered, followed: &Followed) -> Offer {
    let Answered { name, found, extent, .. } = answered;
    let mut revisions = found.into_iter().map(|(tag, commit, at)| {
        let tag = match followed {
            Followed::Releases | Followed::Tags => tag,
            Followed::DefaultBranch | Followed::Named(_) | Followed::Commit(_) => String::new(),
        };
        Revision { repository: name.clone(), tag, commit, at }
    });
    match followed {
        Followed::Releases | Followed::Tags => Offer::Releases(revisions.collect(), extent),
        Followed::DefaultBranch | Followed::Named(_) => Offer::Head(revisions.next()),
        Followed::Commit(commit) => {
            let commit = commit.parse().ok();
            let fixed = commit.map(|commit| Revision {
                repository: name.clone(),
                tag: String::new(),
                commit,
                at: None,
            });
            Offer::Head(fixed)
        }
    }
}
