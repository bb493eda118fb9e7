//! A distribution whose channel is photographed: three packages that are pinned and pass, a universe behind a
//! server that can misbehave, and the jobs `status` and `snapshot`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::domain::Listing;
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::publish::content::ContentStore;
use tidegate::publish::signing::Signer;
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::rehearse::packages::MadePackages;
use tidegate::rehearse::universe::{SimulatedUniverse, Surroundings};
use tidegate::rehearse::world::{Playback, World};
use tidegate::store::{Durability, Run, Store};
use tokio_util::sync::CancellationToken;

use super::meddler::Meddler;

/// The packages; `top` depends on `base`.
pub const PACKAGES: [&str; 3] = ["base", "other", "top"];
/// The hour before the snapshot, its time, and a time after it.
pub const BEFORE: &str = "2026-06-15T01:12:00Z";
pub const DAY: &str = "2026-06-15T02:00:00Z";

pub struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub store: Store,
    universe: SimulatedUniverse,
    pub meddler: Meddler,
    github: Served,
    /// Further lines of the tables `[check-status]` and `[snapshot]`.
    pub keep: &'static str,
    pub fetch: &'static str,
    pub signer: Signer,
}

/// The commit at which a package is pinned.
pub fn commit(package: &str) -> String {
    let hex: String = package.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0>40}")
}

fn listing(package: &str) -> Listing {
    let url = format!("https://github.com/someone/{package}");
    Listing { package: package.to_owned(), url, branch: Some(commit(package)), subdir: None }
}

impl Scene {
    pub async fn new() -> Self {
        tidegate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(BEFORE.parse().unwrap());
        let github = serve_github(&folder, &clock).await;
        let surroundings = Surroundings {
            clock: clock.clone(),
            listings: Arc::new(|_| PACKAGES.map(listing).to_vec()),
            targeted_r: Arc::new(|_| "4.5".to_owned()),
            maker: Arc::new(MadePackages),
        };
        let playback = Arc::new(Playback::new(Arc::new(world(&folder))));
        let universe = SimulatedUniverse::start(playback, surroundings).await.unwrap();
        let meddler = Meddler::before(universe.address()).await;
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        let database = folder.path().join("state/tidegate.db");
        let store = Store::open(&database, Durability::ProcessCrash).await.unwrap();
        Self {
            folder,
            clock,
            store,
            universe,
            meddler,
            github,
            keep: "",
            fetch: "",
            signer: Signer::default(),
        }
    }

    /// The job of this name, at this time.
    pub async fn run(&self, job: &str, at: &str) -> Run {
        let at: Timestamp = at.parse().unwrap();
        // A try that comes after a failure is one of a later time.
        self.clock.set(self.clock.now().max(at) + jiff::SignedDuration::from_secs(60));
        let configuration = self.configuration();
        let address = self.github.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let state = self.folder.path().join("state");
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            signer: self.signer.clone(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(configuration.settings.engine.clone(), state, self.clock.clone()),
        };
        let jobs = Jobs::new(jobs::runnable(&configuration, &Arc::new(services), Pass::Full)).unwrap();
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        let run = runner.run_once(job, at, "a test", CancellationToken::new()).await.unwrap();
        assert_eq!(self.universe.violations(), Vec::<String>::new());
        run
    }

    /// How a run ended, in one line.
    pub fn told(run: &Run) -> String {
        let state = serde_json::to_value(run.state).unwrap();
        format!(
            "{}: {}",
            state.as_str().unwrap(),
            run.summary.as_deref().or(run.error.as_deref()).unwrap_or_default()
        )
    }

    /// The folder of the snapshot, where it is published.
    pub fn published(&self) -> Option<PathBuf> {
        Some(self.publish_folder().join("2026-06-15")).filter(|folder| folder.exists())
    }

    pub fn publish_folder(&self) -> PathBuf {
        self.folder.path().join("published/demo")
    }

    pub fn content(&self) -> ContentStore {
        ContentStore::new(self.folder.path().join("state/artifacts"))
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The files of the snapshot by path, as the folder has them; indexes and what else surrounds the packages
    /// are left out.
    pub fn archives(&self) -> Vec<String> {
        let folder = self.published().unwrap();
        let mut found = Vec::new();
        walk(&folder, &folder, &mut found);
        found.retain(|path| path.ends_with(".tar.gz") || path.ends_with(".tgz") || path.ends_with(".zip"));
        found.sort();
        found
    }

    /// Writes the configuration for a command, and gives back its folder.
    pub fn written_configuration(&self) -> PathBuf {
        let config = self.folder.path().join("config");
        for (name, text) in self.files() {
            let path = config.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        config
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        let cran = self.universe.cran_url("staging");
        let url = self.meddler.url("/universe/staging");
        let distribution = format!(
            "title = \"Demo\"\necosystem = \"r-universe\"\n\
             [[channel]]\nname = \"staging\"\nrepository = \"demo/staging\"\nuniverse = \"{url}\"\n\
             builds = \"demo/builds\"\n\
             [[channel]]\nname = \"production\"\npublish = \"directory\"\n\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = 15 }}\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
             [[calendar.phase]]\nname = \"standstill\"\nstarts = {{ month = 2, day = 15 }}\npromote = \"none\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
             [r]\ncran = \"{cran}\"\nproduction = \"https://production.example.org/{{date}}\"\n\
             [[r.release]]\nversion = \"4.5.0\"\ndate = \"2025-04-11\"\n"
        );
        let status = format!(
            "kind = \"check-status\"\ndistribution = \"demo\"\nschedule = \"12 * * * *\"\n\
             [check-status]\nchannel = \"staging\"\n{}\n",
            self.keep
        );
        let snapshot = format!(
            "kind = \"snapshot\"\ndistribution = \"demo\"\non = \"snapshot\"\nat = \"02:00\"\ncatch_up = \"all\"\n\
             [snapshot]\nfrom = \"staging\"\nto = \"production\"\n{}\n",
            self.fetch
        );
        vec![
            ("tidegate.toml", "jobs = \"jobs\"\npublish = { directory = \"published\" }\n".to_owned()),
            ("distributions/demo.toml", distribution),
            ("jobs/status.toml", status),
            ("jobs/snapshot.toml", snapshot),
        ]
    }

    fn configuration(&self) -> Configuration {
        let files = self.files().into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect();
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(root, &path, found),
            false => found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned()),
        }
    }
}

async fn serve_github(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> Served {
    let mut state = GitHubState::default();
    let rows: Vec<Value> = PACKAGES
        .map(listing)
        .iter()
        .map(|row| json!({"package": row.package, "url": row.url, "branch": row.branch}))
        .collect();
    let files = [("packages.json", Value::from(rows).to_string())];
    state.add(
        Repository::with_files("demo/staging", files, clock.now())
            .unwrap_or_else(|_| panic!("no repository")),
    );
    let mut builds = Repository::upstream("demo/builds");
    builds.workflows.insert("build.yml".to_owned());
    state.add(builds);
    let journal = folder.path().join("github.jsonl");
    Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap()).serve().await.unwrap()
}

/// A world in which every package is built and passes.
fn world(folder: &tempfile::TempDir) -> World {
    let root = folder.path().join("world");
    std::fs::create_dir_all(&root).unwrap();
    let lines = |row: &dyn Fn(&str) -> Value| -> String {
        PACKAGES.iter().map(|package| format!("{}\n", row(package))).collect()
    };
    let releases = lines(&|package| {
        json!({"at": "2026-04-01T00:00:00Z", "repository": listing(package).url, "tag": "v1.0.0",
               "commit": commit(package), "packages": {package: "1.0.0"}})
    });
    let evidence = lines(&|package| {
        json!({"at": "2026-04-02T00:00:00Z", "universe": "staging", "package": package,
               "commit": commit(package), "version": "1.0.0", "published": "2026-04-01 10:00:00.250 UTC"})
    });
    let rows: Vec<Value> = PACKAGES
        .map(listing)
        .iter()
        .map(|row| json!({"package": row.package, "url": row.url, "branch": row.branch}))
        .collect();
    let dependencies: BTreeMap<&str, Vec<&str>> =
        BTreeMap::from([("base", vec![]), ("other", vec![]), ("top", vec!["base"])]);
    let files = [
        (
            "world.toml",
            "format = 1\nname = \"A demo\"\necosystem = \"r-universe\"\nstart = \"2026-04-01T00:00:00Z\"\n\
             end = \"2026-07-01T00:00:00Z\"\n[[universe]]\nchannel = \"staging\"\nrepository = \"demo/staging\"\n\
             [people]\nmerge_after = \"6h\"\nclose = []\nedit = []\n\
             [[r_release]]\nversion = \"4.5.0\"\ndate = \"2020-01-01\"\n"
                .to_owned(),
        ),
        ("initial.json", json!({"staging": {"packages": rows, "versions": []}}).to_string()),
        ("registry.jsonl", String::new()),
        ("releases.jsonl", releases),
        ("evidence.jsonl", evidence),
        ("cran.json", json!({"2026-04-15": {"litedown": "0.10"}}).to_string()),
        ("dependencies.json", json!({"dependencies": dependencies}).to_string()),
    ];
    for (name, text) in files {
        std::fs::write(root.join(name), text).unwrap();
    }
    World::load(&root).unwrap_or_else(|problem| panic!("{problem:?}"))
}
