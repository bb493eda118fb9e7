//! The world on stage: its channels, its GitHub, and those who visit tidegate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;

use super::channels::{Archives, ExternalChannels, put};
use super::relocated::{drop_folder, relocated};
use super::visits::Visits;
use super::{CondaSummary, report, summary, trial};
use crate::clock::SharedClock;
use crate::config::{Configuration, LocalEngine};
use crate::ecosystem::conda::pack::stored_zip;
use crate::rehearse::github::state::{Artifact, WorkflowRun};
use crate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use crate::rehearse::output::replace;
use crate::rehearse::scenery::{Scenery, Span};
use crate::rehearse::world::{CondaWorld, DeedKind, WorkflowBuild};
use crate::store::Store;
use crate::web::WebServer;

/// The folder of the world inside the output folder: channels of others, the drop folder, the journal of
/// visits.
const ROOT: &str = "world";
/// The workflow whose runs build members.
const WORKFLOW: &str = "ci.yml";

/// A world of conda packages on stage.
pub(in crate::rehearse) struct CondaScenery {
    world: CondaWorld,
    archives: Archives,
    channels: ExternalChannels,
    visits: Visits,
    github: Arc<SimulatedGitHub>,
    served: Served,
    configuration: Configuration,
    clock: SharedClock,
    http: reqwest::Client,
    /// tidegate's own, once there is a state for it.
    web: Option<WebServer>,
}

impl CondaScenery {
    /// Refuses a world that cannot be played on this machine, before anything is written.
    pub(in crate::rehearse) fn check(
        world: &CondaWorld,
        engine: &LocalEngine,
        clock: SharedClock,
    ) -> anyhow::Result<()> {
        trial::check(world, engine, clock)
    }

    /// Puts the world on stage in the output folder `out`, from where `journal` left it.
    pub(in crate::rehearse) async fn raise(
        world: CondaWorld,
        engine: &LocalEngine,
        out: &Path,
        (journal, clock): (&Path, &SharedClock),
    ) -> anyhow::Result<Self> {
        crate::tls::prepare();
        if !journal.exists() {
            trial::run(engine, out, Arc::clone(clock)).await?;
        }
        let root: PathBuf = out.join(ROOT);
        let drop = drop_folder(&root);
        std::fs::create_dir_all(&drop).with_context(|| format!("cannot make {}", drop.display()))?;
        // What the commands read that only look at the output afterwards.
        for (name, text) in &world.configuration_files {
            put(&out.join(name), text.as_bytes())?;
        }
        let mut archives = Archives::new();
        for (name, build) in &world.builds {
            archives.insert(name.clone(), build.archive()?);
        }
        let state = github_at_start(&world, &archives)?;
        let github = Arc::new(SimulatedGitHub::open(state, journal, Arc::clone(clock))?);
        let served = Arc::clone(&github).serve().await?;
        Ok(Self {
            configuration: relocated(&world, engine, out, &root),
            channels: ExternalChannels::new(root.clone()),
            visits: Visits::open(&root)?,
            http: reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?,
            clock: Arc::clone(clock),
            web: None,
            world,
            archives,
            github,
            served,
        })
    }
}

impl Scenery for CondaScenery {
    type Summary = CondaSummary;

    fn github(&self) -> &SimulatedGitHub {
        &self.github
    }

    fn github_url(&self) -> String {
        self.served.base_url()
    }

    fn http(&self) -> anyhow::Result<reqwest::Client> {
        Ok(self.http.clone())
    }

    fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    async fn open(&mut self, store: &Store) -> anyhow::Result<()> {
        let clock = Arc::clone(&self.clock);
        self.web = WebServer::start(&self.configuration, store.clone(), clock).await?;
        Ok(())
    }

    async fn prepare(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.channels.bring_to(now, &self.world, &self.archives)?;
        let web = self.web.as_ref().context("nobody listens for notices")?;
        let address = format!("http://{}", web.address());
        let (world, http) = ((&self.world, &self.archives), (&self.http, address.as_str()));
        self.visits.catch_up(now, world, http).await
    }

    fn next_change_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.world.deeds.iter().map(|deed| deed.at).find(|at| *at > now)
    }

    fn violations(&self) -> Vec<String> {
        self.github.violations()
    }

    async fn leave_behind(&self, out: &Path, store: &Store, span: Span) -> anyhow::Result<CondaSummary> {
        let distribution = self.configuration.conda.values().next().context("a world has a distribution")?;
        let summary = summary::collect(out, store, distribution).await?;
        let mut bytes = serde_json::to_vec_pretty(&summary)?;
        bytes.push(b'\n');
        replace(&out.join("summary.json"), &bytes)?;
        let report = report::render(store, (&self.world, distribution), &summary, span).await?;
        replace(&out.join("report.html"), report.as_bytes())?;
        Ok(summary)
    }
}

/// GitHub with every run that there will be; each is seen when its time has come.
fn github_at_start(world: &CondaWorld, archives: &Archives) -> anyhow::Result<GitHubState> {
    let mut repositories: BTreeMap<String, Repository> = BTreeMap::new();
    for package in world.distribution().packages.values() {
        let name = package.repository.clone();
        repositories.entry(name.to_lowercase()).or_insert_with(|| Repository::upstream(name));
    }
    for deed in &world.deeds {
        let DeedKind::Build(build) = &deed.what else { continue };
        let Some(repository) = repositories.get_mut(&build.repository.to_lowercase()) else { continue };
        repository.runs.push(run(build, deed.at));
        repository.artifacts.push(artifact(build, archives)?);
    }
    let mut state = GitHubState::default();
    repositories.into_values().for_each(|repository| state.add(repository));
    Ok(state)
}

fn run(build: &WorkflowBuild, at: Timestamp) -> WorkflowRun {
    WorkflowRun {
        id: build.run,
        workflow: WORKFLOW.to_owned(),
        name: "Build".to_owned(),
        display_title: format!("{} {}", build.package, build.version),
        status: "completed".to_owned(),
        conclusion: Some("success".to_owned()),
        html_url: format!("https://github.com/{}/actions/runs/{}", build.repository, build.run),
        created_at: at,
        run_started_at: at,
    }
}

/// One artifact for each run, with the run's number as its own.
fn artifact(build: &WorkflowBuild, archives: &Archives) -> anyhow::Result<Artifact> {
    let mut members = Vec::new();
    for name in &build.builds {
        let bytes = archives.get(name).with_context(|| format!("{name} was not made"))?;
        members.push((name.clone(), bytes.clone()));
    }
    Ok(Artifact {
        id: build.run,
        run_id: build.run,
        name: build.artifact.clone(),
        content: stored_zip(&members)
            .with_context(|| format!("cannot make the artifact of {}", build.run))?,
        created_at: build.uploaded,
        expired: false,
    })
}
