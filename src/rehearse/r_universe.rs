//! Puts a world of R packages on stage: the simulated GitHub, universes and CRAN on loopback, and a
//! configuration whose addresses lead there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::github::git::{FileChanges, Oid};
use super::github::people::People;
use super::github::state::{PullRequest, Release, ScheduledCommit, WorkflowRun};
use super::github::{GitHubState, Repository, Served, SimulatedGitHub};
use super::output;
use super::packages::MadePackages;
use super::rehearsal::RehearsalSettings;
use super::scenery::{Scenery, Span};
use super::universe::{Listings, SimulatedUniverse, Surroundings, TargetedSeries};
use super::world::{LedgerEntry, OutageSource, Playback, World};
use crate::clock::SharedClock;
use crate::config::{AdvisorySource, Configuration, Distribution, Universe};
use crate::domain::Listing;
use crate::ecosystem::cran::files::{LedgerFile, LedgerRow, PackagesFile};
use crate::github::RepositoryName;
use crate::store::Store;

/// The workflow whose runs are a universe's builds.
const BUILD_WORKFLOW: &str = "build.yml";
/// The file that lists a channel's packages.
const PACKAGES: &str = "packages.json";

/// The name under which the universes and CRAN are reached. Messages about them are part of what a
/// rehearsal leaves behind, so they must not carry a port that is another one in every run.
const HOST: &str = "rehearsal.test";

/// A world of R packages on stage.
pub struct RUniverse {
    github: Arc<SimulatedGitHub>,
    served: Served,
    universe: SimulatedUniverse,
    playback: Arc<Playback>,
    listings: Listings,
    configuration: Configuration,
}

impl RUniverse {
    /// Serves the world, from where `journal` left it, for the jobs of `configuration`.
    pub async fn raise(
        world: World,
        configuration: &Configuration,
        settings: &RehearsalSettings,
        (journal, clock): (&Path, &SharedClock),
    ) -> anyhow::Result<Self> {
        let state = initial_state(&world)?;
        let github = Arc::new(SimulatedGitHub::open(state, journal, Arc::clone(clock))?);
        let served = Arc::clone(&github).serve().await?;
        let distribution = only_distribution(configuration)?;
        let playback = Arc::new(Playback::new(Arc::new(world)));
        let listings = listings(&github, &playback);
        let surroundings = Surroundings {
            clock: Arc::clone(clock),
            listings: Arc::clone(&listings),
            targeted_r: targeted_r(distribution, &playback),
            maker: Arc::new(MadePackages),
        };
        let universe = SimulatedUniverse::start(Arc::clone(&playback), surroundings)
            .await
            .context("cannot serve the simulated universe")?;
        let configuration = relocated(configuration, settings, (playback.world(), &universe))?;
        Ok(Self { github, served, universe, playback, listings, configuration })
    }

    fn set_builds(&self, now: Timestamp) {
        for universe in &self.playback.world().universes {
            let channel = &universe.channel;
            let Some(repository) = self.playback.world().builds_repository(channel) else { continue };
            let listings = (self.listings)(channel);
            let builds = self.playback.unfinished_builds(channel, &listings, now);
            let runs = builds.into_iter().map(|build| WorkflowRun {
                id: build.id,
                workflow: BUILD_WORKFLOW.to_owned(),
                name: "Build".to_owned(),
                display_title: format!("{} {}", build.package, build.commit),
                status: "in_progress".to_owned(),
                conclusion: None,
                html_url: build.url,
                created_at: build.started_at,
                run_started_at: build.started_at,
            });
            self.github.set_runs(&repository, runs.collect());
        }
    }

    /// The repositories that jobs cannot read during an outage of GitHub: those of the universe it
    /// names, and where that is the registry's, the sources of its packages too.
    fn unreachable(&self, now: Timestamp) -> Vec<String> {
        let world = self.playback.world();
        let mut names = Vec::new();
        for universe in &world.universes {
            if !world.outage(OutageSource::Github, &universe.channel, now) {
                continue;
            }
            names.push(universe.repository.clone());
            names.extend(world.builds_repository(&universe.channel));
            if universe.channel == world.registry_channel() {
                names.extend(upstreams(world).into_iter().map(|upstream| upstream.name));
            }
        }
        names
    }

    /// The pull requests of every repository that has real git objects, by repository and number.
    fn pull_requests(&self) -> Vec<(String, PullRequest)> {
        self.github.read(|state| {
            let repositories = state.repositories.values();
            let pulls = repositories.flat_map(|repository| {
                repository.pulls.values().map(|pull| (repository.name.clone(), pull.clone()))
            });
            pulls.collect()
        })
    }
}

impl Scenery for RUniverse {
    type Summary = output::Summary;

    fn github(&self) -> &SimulatedGitHub {
        &self.github
    }

    fn github_url(&self) -> String {
        self.served.base_url()
    }

    /// It reaches the simulated universes and CRAN by the addresses in the configuration.
    fn http(&self) -> anyhow::Result<reqwest::Client> {
        let client = reqwest::Client::builder().no_proxy().resolve(HOST, self.universe.address()).build();
        client.context("cannot make an HTTP client")
    }

    fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    async fn open(&mut self, _: &Store) -> anyhow::Result<()> {
        Ok(())
    }

    /// Builds that run, and outages of GitHub: everything else is asked for by its time.
    async fn prepare(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.github.set_unreachable(self.unreachable(now).iter().map(String::as_str));
        self.set_builds(now);
        Ok(())
    }

    /// People and the registry act on GitHub, which knows of them itself.
    fn next_change_after(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }

    fn violations(&self) -> Vec<String> {
        let mut violations = self.github.violations();
        violations.extend(self.universe.violations());
        violations
    }

    async fn leave_behind(&self, out: &Path, store: &Store, span: Span) -> anyhow::Result<output::Summary> {
        let span = (span.start, span.end);
        output::write(out, store, &self.configuration, &self.pull_requests(), span).await
    }
}

/// The configuration with its addresses, repositories and releases of R replaced by the world's,
/// and its policy by what the settings ask for.
fn relocated(
    configuration: &Configuration,
    settings: &RehearsalSettings,
    (world, served): (&World, &SimulatedUniverse),
) -> anyhow::Result<Configuration> {
    let mut relocated = configuration.clone().without_targets();
    // A world of R packages has no channels of conda for other jobs to work on.
    relocated.conda.clear();
    relocated.jobs.retain(|_, job| configuration.distributions.contains_key(&job.distribution));
    for distribution in relocated.distributions.values_mut() {
        for universe in &world.universes {
            let channel = &universe.channel;
            let builds = world.builds_repository(channel).unwrap_or_else(|| universe.repository.clone());
            let named = |url: String| url.replace(&served.address().to_string(), HOST);
            let moved = Universe {
                url: named(served.universe_url(channel)),
                cran: Some(named(served.cran_url(channel))),
                builds: builds.parse()?,
            };
            distribution.relocate(channel, universe.repository.parse()?, moved)?;
        }
        // A distribution without advisories has none in a rehearsal either.
        if distribution.advisories.is_some() {
            let address = served.advisories_url().replace(&served.address().to_string(), HOST);
            distribution.advisories = Some(AdvisorySource::Archive(address));
        }
        if !world.r_releases.is_empty() {
            distribution.r.releases = world
                .r_releases
                .iter()
                .map(|release| crate::calendar::RRelease {
                    version: release.version.clone(),
                    date: release.date,
                })
                .collect();
        }
        let policy = &mut distribution.policy;
        policy.staging = settings.staging.unwrap_or(policy.staging);
        policy.via = settings.via.unwrap_or(policy.via);
        policy.evidence = settings.policy.unwrap_or(policy.evidence);
    }
    Ok(relocated)
}

fn only_distribution(configuration: &Configuration) -> anyhow::Result<&Distribution> {
    let mut distributions = configuration.distributions.values();
    match (distributions.next(), distributions.next()) {
        (Some(one), None) => Ok(one),
        _ => anyhow::bail!("a rehearsal plays the jobs of exactly one distribution"),
    }
}

/// The rows of a channel's `packages.json` at the head of its repository. They are asked for at every step of
/// the world and every request of its universes, and are another file a few times a day: so each is read once.
fn listings(github: &Arc<SimulatedGitHub>, playback: &Arc<Playback>) -> Listings {
    let (github, playback) = (Arc::clone(github), Arc::clone(playback));
    let read: Mutex<BTreeMap<String, (Oid, Vec<Listing>)>> = Mutex::default();
    Arc::new(move |channel| {
        let universe = playback.world().universes.iter().find(|universe| universe.channel == channel);
        let file = universe.and_then(|universe| file_at_head(&github, &universe.repository, PACKAGES));
        let Some((oid, bytes)) = file else { return Vec::new() };
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, listings)) = read.get(channel).filter(|(known, _)| *known == oid) {
            return listings.clone();
        }
        let listings = PackagesFile::read(PACKAGES, &bytes).map(|file| file.listings).unwrap_or_default();
        read.insert(channel.to_owned(), (oid, listings.clone()));
        listings
    })
}

/// A file on a simulated repository's default branch, with its object's name.
fn file_at_head(github: &SimulatedGitHub, repository: &str, path: &str) -> Option<(Oid, Arc<[u8]>)> {
    github.read(|state| {
        let repository = state.repository(repository)?;
        let git = repository.git.as_ref()?;
        let tree = git.commit(git.branch(repository.default_branch())?)?.tree;
        let oid = git.entry(tree, path)?.oid;
        git.blob(oid).map(|blob| (oid, Arc::clone(blob)))
    })
}

/// The R that the distribution targets at a time, by the world's releases of R.
fn targeted_r(distribution: &Distribution, playback: &Arc<Playback>) -> TargetedSeries {
    let mut distribution = distribution.clone();
    let releases = &playback.world().r_releases;
    if !releases.is_empty() {
        distribution.r.releases = releases
            .iter()
            .map(|release| crate::calendar::RRelease { version: release.version.clone(), date: release.date })
            .collect();
    }
    Arc::new(move |at| {
        let point = distribution.point(at);
        distribution.targets(&point).map(|targets| targets.r).unwrap_or_default()
    })
}

/// GitHub as the world has it at its start, with the commits that the registry will make.
fn initial_state(world: &World) -> anyhow::Result<GitHubState> {
    let mut state = GitHubState::default();
    state.people = Some(people(world));
    for universe in &world.universes {
        let mut files = BTreeMap::new();
        if let Some(initial) = world.initial.get(&universe.channel) {
            files.insert(PACKAGES, PackagesFile::new(initial.packages.clone()).write());
            files.insert(
                "versions.json",
                LedgerFile(initial.versions.iter().map(ledger_row).collect()).write(),
            );
        }
        let repository = Repository::with_files(&*universe.repository, files, world.start)
            .map_err(|refused| anyhow::anyhow!(refused.message))?;
        state.add(repository);
        if let Some(builds) = world.builds_repository(&universe.channel) {
            let mut repository = Repository::upstream(builds);
            repository.workflows.insert(BUILD_WORKFLOW.to_owned());
            state.add(repository);
        }
    }
    for upstream in upstreams(world) {
        state.add(upstream);
    }
    let registry = world.universes.first().map(|universe| universe.repository.clone()).unwrap_or_default();
    state.schedule(world.listing_commits().into_iter().map(|commit| ScheduledCommit {
        at: commit.at,
        repository: registry.clone(),
        changes: FileChanges::write([(PACKAGES, commit.packages_json)]),
        message: "Update packages.json".to_owned(),
    }));
    Ok(state)
}

fn ledger_row(entry: &LedgerEntry) -> LedgerRow {
    LedgerRow {
        package: entry.package.clone(),
        version_current: Some(entry.version_current.to_string()),
        hash_current: Some(entry.hash_current.clone()),
        version_highest: entry.highest.as_ref().map(|(version, _)| version.to_string()),
        hash_highest: entry.highest.as_ref().map(|(_, commit)| commit.clone()),
    }
}

fn people(world: &World) -> People {
    People {
        merge_after: Duration::try_from(world.people.merge_after).unwrap_or_default(),
        close: world.people.close.iter().cloned().collect(),
        edit: world.people.edit.iter().cloned().collect(),
    }
}

/// The repositories of the world's releases that live on GitHub, with their releases and the
/// DESCRIPTION files at each.
fn upstreams(world: &World) -> Vec<Repository> {
    let mut upstreams: BTreeMap<RepositoryName, Repository> = BTreeMap::new();
    let listed = world.initial.values().flat_map(|initial| initial.packages.iter());
    let listed = listed.chain(world.registry.iter().flat_map(|change| change.set.values()));
    for listing in listed {
        if let Ok(name) = RepositoryName::from_url(&listing.url) {
            upstreams.entry(name.clone()).or_insert_with(|| Repository::upstream(name.as_str()));
        }
    }
    for release in &world.releases {
        let Ok(name) = RepositoryName::from_url(&release.repository) else { continue };
        let upstream = upstreams.entry(name.clone()).or_insert_with(|| Repository::upstream(name.as_str()));
        let seen =
            upstream.releases.iter().any(|known| known.tag == release.tag && known.commit == release.commit);
        if !seen {
            upstream.releases.push(Release::new(&*release.tag, &*release.commit, release.at));
        }
    }
    for release in world.release_files() {
        let Ok(name) = RepositoryName::from_url(&release.repository) else { continue };
        if let Some(upstream) = upstreams.get_mut(&name) {
            upstream.files.entry(release.commit).or_default().extend(release.files);
        }
    }
    upstreams.into_values().collect()
}
