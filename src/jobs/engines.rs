//! The engines that `tidegate.toml` sets up, each made when a job first needs it: a machine that rechecks
//! nothing needs no sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::SharedClock;
use crate::config::{EngineKind, Engines as Settings};
use crate::engine::Engine;
use crate::engine::github_actions::packed::ServedFolder;
use crate::engine::github_actions::{GitHubActionsEngine, GitHubActionsSettings};
use crate::engine::local::{LocalEngine, LocalSettings, WorkerStart};
use crate::engine::slurm::{SlurmEngine, SlurmSettings};
use crate::engine::worker::WorkerSettings;
use crate::failure::Failure;
use crate::github::{GitHub, NotAName, Workflow};

/// The engines by name.
pub struct Engines {
    settings: Settings,
    state: PathBuf,
    program: Option<PathBuf>,
    github: Option<GitHub>,
    clock: SharedClock,
    made: Mutex<BTreeMap<EngineKind, JobEngine>>,
}

/// An engine, and the folder below which its assignments lie.
#[derive(Clone)]
pub struct JobEngine {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// The folder.
    pub root: PathBuf,
}

impl Engines {
    /// The engines as set up. What this machine needs for tests lies in the folder `state`.
    pub fn new(settings: Settings, state: PathBuf, clock: SharedClock) -> Self {
        Self { settings, state, program: None, github: None, clock, made: Mutex::new(BTreeMap::new()) }
    }

    /// The same, with workers of the program `program`: for whatever is not tidegate's own binary itself.
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program: Some(program), ..self }
    }

    /// The same, with GitHub for the engine that needs it.
    pub fn with_github(self, github: Option<GitHub>) -> Self {
        Self { github, ..self }
    }

    /// The platform of the machines behind an engine.
    pub fn platform(&self, kind: EngineKind) -> &str {
        let Settings { slurm, github_actions, .. } = &self.settings;
        let elsewhere = match kind {
            EngineKind::Local => None,
            EngineKind::Slurm => slurm.as_ref().map(|cluster| cluster.platform.as_str()),
            EngineKind::GithubActions => github_actions.as_ref().map(|actions| actions.platform.as_str()),
        };
        elsewhere.unwrap_or(host_platform())
    }

    /// The engine of that kind. One that cannot work on this machine is a [`Failure::Configuration`].
    pub fn get(&self, kind: EngineKind) -> Result<JobEngine, Failure> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = made.get(&kind) {
            return Ok(engine.clone());
        }
        let engine = match kind {
            EngineKind::Local => self.local()?,
            EngineKind::Slurm => self.slurm()?,
            EngineKind::GithubActions => self.github_actions()?,
        };
        made.insert(kind, engine.clone());
        Ok(engine)
    }

    fn local(&self) -> Result<JobEngine, Failure> {
        let local = &self.settings.local;
        let root = self.state.join("assignments");
        let start = match &local.socket {
            Some(socket) => WorkerStart::Socket(socket.clone()),
            None => {
                let program = match &self.program {
                    Some(program) => program.clone(),
                    None => std::env::current_exe().map_err(|error| {
                        Failure::permanent(format!("cannot tell where this program lies: {error}"))
                    })?,
                };
                let settings = WorkerSettings { sandbox: local.sandbox, cache: self.state.join("packages") };
                WorkerStart::Process { program, settings }
            }
        };
        let settings = LocalSettings { root: root.clone(), workers: local.workers as usize, start };
        let engine = LocalEngine::new(settings)?;
        Ok(JobEngine { engine: Arc::new(engine), root: canonical(root)? })
    }

    fn slurm(&self) -> Result<JobEngine, Failure> {
        let cluster = self.settings.slurm.as_ref().ok_or_else(|| Failure::Configuration {
            message: "tidegate.toml sets up no cluster".to_owned(),
            hint: Some("add `[engine.slurm]` with `folder` and `program`".to_owned()),
        })?;
        let root = cluster.folder.join("assignments");
        let cache = cluster.cache.clone().unwrap_or_else(|| cluster.folder.join("packages"));
        let settings = SlurmSettings {
            root: root.clone(),
            program: cluster.program.clone(),
            worker: WorkerSettings { cache, sandbox: cluster.sandbox },
            partition: cluster.partition.clone(),
            account: cluster.account.clone(),
            array_size: cluster.array_size,
            array_running: cluster.array_running,
            arguments: cluster.arguments.clone(),
            configuration: cluster.configuration.clone(),
            programs: None,
        };
        let engine = SlurmEngine::new(settings, Arc::clone(&self.clock))?;
        Ok(JobEngine { engine: Arc::new(engine), root: canonical(root)? })
    }

    fn github_actions(&self) -> Result<JobEngine, Failure> {
        let actions = self.settings.github_actions.as_ref().ok_or_else(|| Failure::Configuration {
            message: "tidegate.toml sets up no workflow of GitHub Actions".to_owned(),
            hint: Some("add `[engine.github-actions]` with `repository`".to_owned()),
        })?;
        let github = self.github.clone().ok_or_else(|| Failure::Configuration {
            message: "tests on GitHub Actions need a GitHub token".to_owned(),
            hint: Some("add `token` to [github]; it needs to read and write Actions".to_owned()),
        })?;
        let misnamed = |error: NotAName| Failure::Configuration { message: error.to_string(), hint: None };
        let workflow = Workflow {
            repository: actions.repository.clone(),
            file: actions.workflow.parse().map_err(misnamed)?,
            branch: actions.branch.parse().map_err(misnamed)?,
        };
        let served = actions.served.iter().map(|served| {
            let address = served.address.parse().map_err(|error| Failure::Configuration {
                message: format!("`{}` is no address: {error}", served.address),
                hint: None,
            })?;
            Ok(ServedFolder { folder: served.folder.clone(), address })
        });
        let root = self.state.join("github-actions");
        let settings = GitHubActionsSettings {
            root: root.clone(),
            workflow,
            most: actions.most as usize,
            interval: actions.interval.get(),
            served: served.collect::<Result<_, Failure>>()?,
        };
        let engine = GitHubActionsEngine::new(settings, github, Arc::clone(&self.clock))?;
        Ok(JobEngine { engine: Arc::new(engine), root: canonical(root)? })
    }
}

/// The folder as engines know it: they made it, and follow no links to it.
fn canonical(root: PathBuf) -> Result<PathBuf, Failure> {
    root.canonicalize().map_err(|error| {
        Failure::permanent(format!("the folder of tests, {}, cannot be used: {error}", root.display()))
    })
}

/// conda's name for the platform of this machine.
fn host_platform() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => "osx-arm64",
        ("macos", _) => "osx-64",
        (_, "aarch64") => "linux-aarch64",
        (_, _) => "linux-64",
    }
}
