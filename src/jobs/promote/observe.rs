//! What a promotion looks at: both repositories at their heads, its pull requests, and what other
//! jobs stored.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::people::Channels;
use super::recovery::TakenOver;
use super::{Promote, json, proposals};
use crate::calendar::Targets;
use crate::daemon::{RunContext, RunError};
use crate::digest::sha256_hex;
use crate::domain::{
    ChannelHead, ChannelStatus, EvidencePolicy, Fact, FreezeException, Listing, PackageName, PromotionFacts,
    Release, StagingModel, UpstreamFacts,
};
use crate::ecosystem::cran::files::{ConfigFile, PackagesFile, read_snapshot};
use crate::github::{Oid, RepositoryName, RepositoryView};
use crate::jobs::channel_files::{self, PACKAGES};
use crate::jobs::check_status::SeenUniverse;
use crate::jobs::point_and_targets;
use crate::jobs::poll_releases::SeenReleases;
use crate::jobs::sources::{fresh_fact, names};
use crate::store::{ChannelChange, ChannelEntry, NewEvent, Origin};

/// The files of a channel besides its list.
pub const CONFIG: &str = "config.json";
pub const SNAPSHOT: &str = "snapshot.json";

/// What was seen, ready to decide on.
pub struct Observed {
    /// The facts of the decision.
    pub facts: PromotionFacts,
    /// The same as JSON, which is stored.
    pub bytes: Vec<u8>,
    /// The SHA-256 of `bytes`.
    pub digest: String,
    /// The source channel's `packages.json`, byte by byte.
    pub source_text: String,
    /// The channel's own, with all that its rows hold.
    pub channel_file: PackagesFile,
    /// The channel's files as they are.
    pub texts: BTreeMap<String, Option<String>>,
    /// The login that the token belongs to.
    pub viewer: String,
    /// The channel's repository.
    pub repository: RepositoryName,
    /// Its default branch.
    pub default_branch: String,
    /// The head of that branch.
    pub head: Oid,
}

/// What tells the version of a pin, and whose it is.
struct Known<'a> {
    status: &'a Fact<ChannelStatus>,
    releases: &'a BTreeMap<PackageName, Fact<Option<Release>>>,
    taken_over: &'a TakenOver,
}

impl Promote {
    /// Looks at everything, and brings what the store knows of the channel and its pull requests up
    /// to date with it.
    pub async fn observe(&self, context: &RunContext, now: Timestamp) -> Result<Observed, RunError> {
        let (point, targets) = point_and_targets(&self.distribution, context.nominal)?;
        let from_repository = channel_files::repository(&self.distribution, &self.settings.from)?;
        let repository = channel_files::repository(&self.distribution, &self.settings.to)?;
        let from_view = self.services.github()?.view(from_repository, &[PACKAGES], &[]).await?;
        let source_text =
            from_view.files.get(PACKAGES).and_then(Option::as_deref).unwrap_or_default().to_owned();
        let source = channel_files::parse_listings(from_repository, Some(&source_text))?.listings;
        let open = proposals::open_numbers(&self.services.store, repository).await?;
        let view = self.services.github()?.view(repository, &[PACKAGES, CONFIG, SNAPSHOT], &open).await?;
        let channel_file = channel_files::parse_listings(repository, text_of(&view, PACKAGES))?;
        let head = read_head(&view, channel_file.listings.clone());
        let taken_over = self.recover(repository, &view, context, now).await?;
        let proposals = self.sync_proposals(repository, &view, context, now).await?;
        let status = self.status(now).await?;
        let universe = self.source_universe(now).await?;
        let releases = self.releases(&source, &universe, now).await?;
        let released = self.released(&releases, &head.listings, &universe, now).await?;
        let upstream = self.upstream(&source, now).await?;
        let removals = self.services.store.removals_in_force(&self.distribution.name).await?;
        let known = Known { status: &status, releases: &releases, taken_over: &taken_over };
        let entries = self.entries(&head.listings, &known, now).await?;
        self.sync_entries(&entries, context, now).await?;
        for (key, receipt) in &taken_over.done {
            self.services.store.finish(key, receipt, now).await?;
        }
        let channels = Channels {
            repository,
            view: &view,
            head: &head.listings,
            source: &source,
            releases: &releases,
            removals: &removals,
        };
        let mut people = self.people(&channels, &proposals, &point, now).await?;
        people.past_exceptions = self.past_exceptions(&entries, now);
        let queue = self.queue(&channels, &proposals, now).await?;
        let facts = PromotionFacts {
            distribution: self.distribution.name.clone(),
            from: self.settings.from.clone(),
            to: self.settings.to.clone(),
            exceptions: self.distribution.exceptions_at(now),
            point,
            targets,
            staging: self.distribution.policy.staging,
            via: self.via(),
            guarded: self.distribution.policy.evidence == EvidencePolicy::Guarded,
            max_open: self.distribution.policy.pull_request.max_open as usize,
            source,
            head,
            releases,
            status,
            released,
            universe: self.public_universe(),
            held_versions: held_versions(&entries),
            pinned_by_person: pinned_by_person(&entries),
            proposals,
            people,
            queue,
            upstream,
            removals,
        };
        let bytes = json(&facts)?;
        let digest = sha256_hex(&bytes);
        Ok(Observed {
            facts,
            bytes,
            digest,
            source_text,
            channel_file,
            texts: view.files,
            viewer: view.viewer,
            repository: repository.clone(),
            default_branch: view.default_branch,
            head: view.head,
        })
    }

    /// Exceptions that have run out whose versions the channel still holds.
    fn past_exceptions(&self, entries: &[ChannelEntry], now: Timestamp) -> Vec<FreezeException> {
        let in_force = self.distribution.exceptions_at(now);
        let holds = |leave: &FreezeException| {
            entries
                .iter()
                .any(|entry| entry.package == leave.package && entry.version.as_ref() == Some(&leave.version))
        };
        let all = self.distribution.exceptions.iter().map(FreezeException::from);
        all.filter(|leave| holds(leave) && !in_force.contains(leave)).collect()
    }

    async fn status(&self, now: Timestamp) -> anyhow::Result<Fact<ChannelStatus>> {
        let source = names::status(&self.distribution.name, &self.settings.to);
        fresh_fact(&self.services.store, &source, now, self.distribution.policy.max_age.get()).await
    }

    /// What is out of the ordinary about the upstream of listed packages, as far as that is known.
    async fn upstream(
        &self,
        source: &[Listing],
        now: Timestamp,
    ) -> anyhow::Result<BTreeMap<PackageName, UpstreamFacts>> {
        let policy = &self.distribution.policy;
        let name = names::releases(&self.distribution.name);
        let seen: Fact<SeenReleases> =
            fresh_fact(&self.services.store, &name, now, policy.max_age.get()).await?;
        let Fact::Known(seen) = seen else { return Ok(BTreeMap::new()) };
        let listed = source.iter().filter_map(|listing| {
            let facts = seen.get(&listing.package)?.facts(policy.upstream.deleted)?;
            Some((listing.package.clone(), facts))
        });
        Ok(listed.collect())
    }

    /// The newest release of every listed package. `follow` pins what staging's universe built, so it
    /// needs only those of packages that an exception names.
    async fn releases(
        &self,
        source: &[Listing],
        universe: &Fact<SeenUniverse>,
        now: Timestamp,
    ) -> anyhow::Result<BTreeMap<PackageName, Fact<Option<Release>>>> {
        let leaves = self.distribution.exceptions_at(now);
        let excepted = |package: &str| leaves.iter().any(|leave| leave.package == package);
        let follows = self.distribution.policy.staging == StagingModel::Follow;
        if follows && leaves.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (store, max_age) = (&self.services.store, self.distribution.policy.max_age.get());
        let distribution = &self.distribution.name;
        let seen: Fact<SeenReleases> =
            fresh_fact(store, &names::releases(distribution), now, max_age).await?;
        let release = |listing: &Listing| match RepositoryName::from_url(&listing.url) {
            Ok(_) => self.tagged_release(&seen, listing, now),
            Err(_) => built_release(universe, listing),
        };
        let asked = source.iter().filter(|listing| !follows || excepted(&listing.package));
        Ok(asked.map(|listing| (listing.package.clone(), release(listing))).collect())
    }

    fn tagged_release(
        &self,
        seen: &Fact<SeenReleases>,
        listing: &Listing,
        now: Timestamp,
    ) -> Fact<Option<Release>> {
        let seen = match seen {
            Fact::Known(seen) => seen,
            Fact::Unknown { why } => return Fact::unknown(why.clone()),
        };
        let Some(row) = seen.get(&listing.package) else {
            return Fact::unknown(format!("the releases of {} were never read", listing.url));
        };
        let too_long = row.failing.as_ref().filter(|failing| {
            !row.answered
                || now.duration_since(failing.since).unsigned_abs() > self.distribution.policy.max_age.get()
        });
        if let Some(failing) = too_long {
            let (url, since, why) = (&listing.url, failing.since, &failing.why);
            return Fact::unknown(format!("the releases of {url} could not be read since {since} ({why})"));
        }
        if !row.answered {
            return Fact::unknown(format!("the releases of {} were never read", listing.url));
        }
        Fact::Known(row.release.as_ref().map(|release| Release {
            version: release.version.clone(),
            commit: release.commit.clone(),
            tag: Some(release.tag.clone()).filter(|tag| !tag.is_empty()),
            problems: release.problems.clone(),
        }))
    }

    /// What the channel's list pins, with the version of each pin and whose it is.
    async fn entries(
        &self,
        listings: &[Listing],
        known: &Known<'_>,
        now: Timestamp,
    ) -> anyhow::Result<Vec<ChannelEntry>> {
        let (distribution, channel) = (&self.distribution.name, &self.settings.to);
        let stored = self.services.store.channel_at(distribution, channel, now).await?;
        let mut ours = proposals::commits_of_ours(&self.services.store, &self.channel_repository()?).await?;
        ours.extend(known.taken_over.commits.clone());
        let first_sight = stored.is_empty();
        let mut entries = Vec::new();
        for listing in listings {
            let Some(pin) = listing.pin() else { continue };
            let package = &listing.package;
            let before = stored.get(package).map(|(entry, _)| entry).filter(|entry| entry.commit_sha == pin);
            let built = known.status.known().and_then(|status| status.packages.get(package));
            let built = built.filter(|built| built.commit.as_deref() == Some(pin));
            let released = known.releases.get(package).and_then(|fact| fact.known()?.as_ref());
            let released = released.filter(|release| release.commit == pin);
            let proposed = ours.get(&(package.clone(), pin.to_owned()));
            let version = before
                .and_then(|entry| entry.version.clone())
                .or_else(|| built.and_then(|built| built.version.clone()))
                .or_else(|| released.map(|release| release.version.clone()))
                .or_else(|| proposed.cloned().flatten());
            let origin = match before {
                Some(entry) => entry.origin,
                None if proposed.is_some() => Origin::Tidegate,
                None if first_sight => Origin::Import,
                None => Origin::Person,
            };
            entries.push(ChannelEntry {
                package: package.clone(),
                version,
                commit_sha: pin.to_owned(),
                origin,
            });
        }
        Ok(entries)
    }

    /// Brings the store up to date with what the channel holds, and tells of every commit that
    /// became staged. The first look at a channel is no news.
    pub async fn sync_entries(
        &self,
        entries: &[ChannelEntry],
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let (distribution, channel) = (&self.distribution.name, &self.settings.to);
        let tell = |change: &ChannelChange| {
            let after = change.after.as_ref()?;
            let same = change.before.as_ref().is_some_and(|before| before.commit_sha == after.commit_sha);
            if same || after.origin == Origin::Import {
                return None;
            }
            let package = &change.package;
            Some(NewEvent {
                at: now,
                kind: "staged".to_owned(),
                job: context.job.clone(),
                package: Some(package.clone()),
                body: serde_json::json!({ "commit": after.commit_sha, "version": after.version, "channel": channel }),
                dedup_key: format!("staged/{distribution}/{channel}/{package}/{}/{now}", after.commit_sha),
            })
        };
        self.services.store.sync_channel(distribution, channel, entries, now, &tell).await.map(drop)
    }

    /// The repository of the channel that packages move into.
    pub fn channel_repository(&self) -> anyhow::Result<RepositoryName> {
        Ok(channel_files::repository(&self.distribution, &self.settings.to)?.clone())
    }
}

/// A package on another host is seen through the version and commit that community's universe built.
fn built_release(universe: &Fact<SeenUniverse>, listing: &Listing) -> Fact<Option<Release>> {
    let universe = match universe {
        Fact::Known(universe) => universe,
        Fact::Unknown { why } => return Fact::unknown(why.clone()),
    };
    Fact::Known(universe.get(&listing.package).and_then(|seen| {
        let mut problems = Vec::new();
        if !seen.facts.remotes.is_empty() {
            problems.push(format!("its DESCRIPTION has Remotes: {}", seen.facts.remotes.join(", ")));
        }
        Some(Release {
            version: seen.facts.version.clone()?,
            commit: seen.facts.commit.clone()?,
            tag: None,
            problems,
        })
    }))
}

fn text_of<'v>(view: &'v RepositoryView, file: &str) -> Option<&'v str> {
    view.files.get(file).and_then(Option::as_deref)
}

fn read_head(view: &RepositoryView, listings: Vec<Listing>) -> ChannelHead {
    let targets = written_targets(text_of(view, CONFIG), text_of(view, SNAPSHOT));
    ChannelHead { commit: view.head.to_string(), listings, targets }
}

/// The dates that a channel's files give; none where one is missing, malformed or they disagree.
fn written_targets(config: Option<&str>, snapshot: Option<&str>) -> Option<Targets> {
    let config = ConfigFile::read(CONFIG, config?.as_bytes()).ok()?;
    let targets = Targets::from(read_snapshot(SNAPSHOT, snapshot?.as_bytes()).ok()?);
    (config.cran_version == targets.dependency_freeze).then_some(targets)
}

fn held_versions(entries: &[ChannelEntry]) -> BTreeMap<PackageName, String> {
    entries.iter().filter_map(|entry| Some((entry.package.clone(), entry.version.clone()?))).collect()
}

fn pinned_by_person(entries: &[ChannelEntry]) -> BTreeSet<PackageName> {
    let theirs = entries.iter().filter(|entry| entry.origin == Origin::Person);
    theirs.map(|entry| entry.package.clone()).collect()
}
