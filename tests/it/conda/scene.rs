//! A conda distribution with its channels and jobs, in a folder of its own and with its own clock.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::FolderIndex;
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::channel_wishes::ChannelWishes;
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::Served;
use tidegate::store::{Durability, Event, Run, Store};
use tokio_util::sync::CancellationToken;

use super::made::{Entry, Made, made};

/// A published folder with the channels `tested`, `staged` and `passed`, a channel of others, and the jobs
/// `integrate` and `recheck`.
pub struct Scene {
    folder: Arc<tempfile::TempDir>,
    pub clock: Arc<ManualClock>,
    pub store: Store,
    /// The members, as a list of TOML holds them.
    members: &'static str,
    /// The platforms, likewise.
    pub platforms: &'static str,
    /// The modes of the recheck, likewise.
    pub modes: &'static str,
    /// GitHub, and what the integration's file says of a repository there.
    pub github: Option<Served>,
    pub repository: &'static str,
    /// What the distribution's file says of who is told.
    pub reports: &'static str,
    /// What tidegate.toml says of engines, and the one that the recheck names.
    pub engines: String,
    pub engine: &'static str,
    /// The engine of a second recheck of the same channels, `recheck-elsewhere`, where there is one.
    pub elsewhere: Option<&'static str>,
    /// What the recheck's file says of limits beside time and memory.
    pub limits: &'static str,
    /// What the distribution's file says of the channel `tested`, and of `staged`.
    pub patches: [String; 2],
}

impl Scene {
    /// The distribution `tiny` of these members, on linux-64.
    pub async fn new(members: &'static str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let clock = ManualClock::new("2026-11-20T04:00:00Z".parse().unwrap());
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        let store = store_in(&folder).await;
        Self {
            folder,
            clock,
            store,
            members,
            platforms: r#""linux-64""#,
            modes: r#""latest""#,
            engines: String::new(),
            engine: "local",
            elsewhere: None,
            github: None,
            repository: "",
            reports: "",
            limits: "",
            patches: Default::default(),
        }
    }

    /// The same place after a crash, as a new process finds it.
    pub async fn after_a_crash(&self) -> Self {
        let (folder, clock) = (Arc::clone(&self.folder), Arc::clone(&self.clock));
        let store = store_in(&folder).await;
        let Self { members, platforms, modes, engine, elsewhere, repository, reports, limits, .. } = *self;
        let (engines, patches) = (self.engines.clone(), self.patches.clone());
        Self {
            folder,
            clock,
            store,
            members,
            platforms,
            modes,
            engines,
            engine,
            elsewhere,
            github: None,
            repository,
            reports,
            limits,
            patches,
        }
    }

    /// The folder that holds all channels.
    pub fn channels(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    pub fn tested(&self) -> PathBuf {
        self.folder.path().join("published/tiny/tested")
    }

    pub fn staged(&self) -> PathBuf {
        self.folder.path().join("published/tiny/staged")
    }

    pub fn forge(&self) -> PathBuf {
        self.folder.path().join("forge")
    }

    pub fn passed(&self) -> PathBuf {
        self.folder.path().join("published/tiny/passed")
    }

    /// Another place with the same channels and an empty state: what a power failure leaves between the
    /// switch of a channel and its rows, at its worst.
    pub async fn with_channels_of(other: &Self) -> Self {
        let scene = Self::new(other.members).await;
        for folder in ["published", "forge"] {
            let from = other.folder.path().join(folder);
            let copied =
                std::process::Command::new("cp").arg("-a").arg(from).arg(scene.folder.path()).status();
            assert!(copied.unwrap().success());
        }
        scene
    }

    /// Puts archives into a channel and indexes it.
    pub fn offer(channel: &Path, packages: &[Package]) {
        std::fs::create_dir_all(channel.join("noarch")).unwrap();
        for package in packages {
            package.0.put(channel, ArchiveFormat::TarBz2);
        }
        FolderIndex::of_folder(channel, &ArchiveLimits::default()).unwrap().write().unwrap();
    }

    /// Puts recorded archives into a channel.
    pub fn copy(channel: &Path, recorded: &Path, names: &[&str]) {
        std::fs::create_dir_all(channel.join("noarch")).unwrap();
        for name in names {
            std::fs::copy(recorded.join(name), channel.join("noarch").join(name)).unwrap();
        }
    }

    fn configuration(&self) -> Configuration {
        let files = self.files_of_the_operator();
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    fn files_of_the_operator(&self) -> Vec<(PathBuf, String)> {
        let settings = format!("[publish]\ndirectory = \"published\"\n{}", self.engines);
        let distribution = format!(
            "title = \"Tiny\"\necosystem = \"conda\"\nepoch = \"2026.10\"\nmetapackage = \"qiime2-tiny\"\n\
             platforms = [{}]\nmembers = [{}]\nexternal = [\"{}\"]\n\
             [[channel]]\nname = \"tested\"\npath = \"tiny/tested\"\n{}\n\
             [[channel]]\nname = \"staged\"\npath = \"tiny/staged\"\n{}\n\
             [[channel]]\nname = \"passed\"\npath = \"tiny/passed\"\n{}",
            self.platforms,
            self.members,
            self.forge().display(),
            self.patches[0],
            self.patches[1],
            self.reports,
        );
        let integrate = format!(
            "kind = \"integrate\"\ndistribution = \"tiny\"\nschedule = \"0 3 * * *\"\n\
             [integrate]\nfrom = \"tested\"\nto = \"staged\"\nsettle = \"30m\"\n{}",
            self.repository
        );
        let recheck = |engine: &str| {
            format!(
                "kind = \"recheck\"\ndistribution = \"tiny\"\nschedule = \"0 4 * * *\"\n\
                 [recheck]\nfrom = \"staged\"\nto = \"passed\"\nmodes = [{}]\ntest_time = \"60s\"\n\
                 test_memory = 1024\nengine = \"{engine}\"\n{}\n",
                self.modes, self.limits
            )
        };
        let root = self.folder.path();
        let mut files = vec![
            (root.join("tidegate.toml"), settings),
            (root.join("distributions/tiny.toml"), distribution),
            (root.join("jobs/integrate.toml"), integrate),
            (root.join("jobs/recheck.toml"), recheck(self.engine)),
        ];
        files
            .extend(self.elsewhere.map(|engine| (root.join("jobs/recheck-elsewhere.toml"), recheck(engine))));
        files
    }

    /// A command of an operator in this place: with the files on the disk, and in its state.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let config = self.folder.path().join("config");
        for (path, text) in self.files_of_the_operator() {
            // Jobs lie beside the folder of the configuration.
            let path = match path.strip_prefix(self.folder.path()).unwrap() {
                job if job.starts_with("jobs") => self.folder.path().join(job),
                other => config.join(other),
            };
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let published = self.folder.path().join("published").display().to_string();
            let text = text.replace("directory = \"published\"", &format!("directory = \"{published}\""));
            std::fs::write(path, text).unwrap();
        }
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("--config").arg(config).arg("--state").arg(self.folder.path().join("state"));
        command.args(arguments);
        command
    }

    /// One pass of a job, a day after the last one.
    pub async fn next_day(&self, job: &str) -> Run {
        self.clock.set(self.clock.now() + SignedDuration::from_hours(24));
        self.pass(job).await
    }

    /// One pass of a job now.
    pub async fn pass(&self, job: &str) -> Run {
        self.pass_until(job, CancellationToken::new()).await
    }

    /// One pass of a job that is told to stop after a while, as when the daemon stops.
    pub async fn pass_stopped_after(&self, job: &str, time: std::time::Duration) -> Run {
        let stop = CancellationToken::new();
        let told = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            told.cancel();
        });
        self.pass_until(job, stop).await
    }

    /// The folder of the state.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The assignments that lie with the engine of this machine.
    pub fn assignments(&self) -> usize {
        let folder = self.folder.path().join("state/assignments");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    async fn pass_until(&self, job: &str, stop: CancellationToken) -> Run {
        let configuration = self.configuration();
        let services = self.services(&configuration).await;
        let jobs = jobs::runnable(&configuration, &services, Pass::Full);
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: std::time::Duration::from_secs(1) };
        let jobs = Jobs::new(jobs).unwrap();
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        runner.run_once(job, self.clock.now(), "a test", stop).await.unwrap()
    }

    /// What people may ask of the channels.
    pub async fn wishes(&self) -> ChannelWishes {
        let configuration = self.configuration();
        ChannelWishes::new(self.services(&configuration).await, &configuration)
    }

    async fn services(&self, configuration: &Configuration) -> Arc<Services> {
        let state = self.folder.path().join("state");
        tidegate::tls::prepare();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tidegate"));
        let github = self.client().await;
        Arc::new(Services {
            store: self.store.clone(),
            github: github.clone(),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            signer: Default::default(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(configuration.settings.engine.clone(), state, self.clock.clone())
                .with_program(program)
                .with_github(github),
        })
    }

    async fn client(&self) -> Option<GitHub> {
        let served = self.github.as_ref()?;
        let address = served.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        Some(GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap())
    }

    /// What a command says that only reads.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("--state")
            .arg(self.folder.path().join("state"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What each member stands at, by scope and name.
    pub async fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for mode in ["latest", "pinned"] {
            let scope = format!("recheck/linux-64/{mode}");
            for (name, verdict) in self.store.verdicts_at("tiny", &scope, self.clock.now()).await.unwrap() {
                states.insert(format!("{name} {mode}"), verdict.kind);
            }
        }
        states
    }

    /// How many tests have ended, by the run that had them run.
    pub async fn tests_by_run(&self) -> BTreeMap<i64, i64> {
        let mut database = self.database().await;
        let counted = "SELECT run_id, count(*) FROM recheck_test WHERE ended_at IS NOT NULL GROUP BY run_id";
        let rows: Vec<(i64, i64)> = sqlx::query_as(counted).fetch_all(&mut database).await.unwrap();
        rows.into_iter().collect()
    }

    /// How the tests of each build in each environment came out, in their order.
    pub async fn results_by_environment(&self) -> Vec<String> {
        let mut database = self.database().await;
        let results = "SELECT group_concat(verdict ->> 'verdict', ' ' ORDER BY attempt) FROM recheck_test \
                       GROUP BY sha256, fingerprint";
        sqlx::query_scalar(results).fetch_all(&mut database).await.unwrap()
    }

    async fn database(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(database_in(&self.folder)).read_only(true);
        options.connect().await.unwrap()
    }

    pub async fn events(&self) -> Vec<Event> {
        self.store.events_after(0, 1000).await.unwrap()
    }

    /// Every change of state that was told, in order.
    pub async fn told(&self) -> Vec<String> {
        let events = self.events().await.into_iter().filter(|event| event.kind == "recheck");
        events
            .map(|event| {
                let word = |key: &str| event.body[key].as_str().unwrap_or("new").to_owned();
                let changed: Vec<&str> = event.body["changed"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|text| text.as_str())
                    .collect();
                let name = event.package.unwrap_or_default();
                format!("{name}: {} to {} [{}]", word("from"), word("to"), changed.join(", "))
            })
            .collect()
    }

    /// The files of a channel, by sub-directory and name.
    pub fn files(channel: &Path) -> Vec<String> {
        let mut files = Vec::new();
        for subdir in ["noarch", "linux-64", "osx-64"] {
            let Ok(entries) = std::fs::read_dir(channel.join(subdir)) else { continue };
            for entry in entries {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                if name.ends_with(".tar.bz2") || name.ends_with(".conda") {
                    files.push(format!("{subdir}/{name}"));
                }
            }
        }
        files.sort();
        files
    }
}

fn database_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("state/tidegate.db")
}

async fn store_in(folder: &tempfile::TempDir) -> Store {
    Store::open(&database_in(folder), Durability::ProcessCrash).await.unwrap()
}

/// A package for this scene; `noarch` unless it says otherwise.
pub struct Package(Made);

impl Package {
    pub fn new(name: &str, version: &str) -> Self {
        Self(made(name, version, "0"))
    }

    pub fn depends(self, specs: &[&str]) -> Self {
        Self(self.0.with("depends", json!(specs)))
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        let mut made = self.0;
        made.entries = vec![Entry::file(path, content)];
        Self(made)
    }

    /// For one platform.
    pub fn on(self, platform: &str) -> Self {
        Self(self.0.with("subdir", json!(platform)).with("noarch", json!(null)))
    }

    /// With a shell script as its test.
    pub fn test(self, script: &str) -> Self {
        Self(self.0.and(Entry::file("info/test/run_test.sh", script)))
    }

    /// With another file of its archive, below `info/` or not.
    pub fn and_file(self, path: &str, content: &str) -> Self {
        Self(self.0.and(Entry::file(path, content)))
    }

    pub fn test_needs(self, specs: &[&str]) -> Self {
        let needs = json!(specs).to_string();
        Self(self.0.and(Entry::file("info/test/test_time_dependencies.json", needs)))
    }
}
