//! A distribution with one channel, of which `check-status` draws the status: a world that goes on by the
//! hour, a simulated universe, GitHub and advisory database, and a clock of its own.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::domain::{Assessment, ChannelStatus, Listing};
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::rehearse::universe::{MadePackage, PackageMaker, Platform, SimulatedUniverse, Surroundings};
use tidegate::rehearse::world::{Playback, World};
use tidegate::store::{Durability, Run, Store};
use tokio_util::sync::CancellationToken;

/// What one scene differs in from the others.
#[derive(Default)]
pub struct Told {
    /// Rows of `evidence.jsonl`, beside the first one of each package; see [`seen`].
    pub evidence: Vec<Value>,
    /// Outages: the source, from, to.
    pub outages: Vec<(&'static str, &'static str, &'static str)>,
    /// Packages that the channel lists and its universe does not have.
    pub listed_only: Vec<&'static str>,
    /// Lines of `[policy]`.
    pub policy: &'static str,
    /// Where advisories are read instead of the simulated database.
    pub advisories: Option<String>,
}

/// `base`, and `top` that depends on it.
pub struct Scene {
    _folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub store: Store,
    universe: SimulatedUniverse,
    github: Served,
    configuration: Configuration,
}

/// The commit of a version.
pub fn commit(package: &str, version: &str) -> String {
    let hex: String = format!("{package}{version}").bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0>40}")
}

/// What the universe says of a version from `at` on; `more` is added to the row.
pub fn seen(at: &str, package: &str, version: &str, more: Value) -> Value {
    let mut row = json!({"at": at, "universe": "staging", "package": package, "version": version,
                         "commit": commit(package, version)});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

struct NoFiles;

impl PackageMaker for NoFiles {
    fn source(&self, package: &MadePackage) -> Vec<u8> {
        package.package.clone().into_bytes()
    }

    fn binary(&self, _: &MadePackage, _: Platform, _: &str) -> Vec<u8> {
        Vec::new()
    }
}

fn listing(package: &str) -> Listing {
    let url = format!("https://github.com/someone/{package}");
    Listing { package: package.to_owned(), url, branch: Some("*release".to_owned()), subdir: None }
}

impl Scene {
    pub async fn new(told: Told) -> Self {
        tidegate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-04-16T08:00:00Z".parse().unwrap());
        let built = vec![listing("base"), listing("top")];
        let listed = built.iter().cloned().chain(told.listed_only.iter().map(|name| listing(name))).collect();
        let github = serve_github(&folder, &clock, listed).await;
        let surroundings = Surroundings {
            clock: clock.clone(),
            listings: Arc::new(move |_| built.clone()),
            targeted_r: Arc::new(|_| "4.5".to_owned()),
            maker: Arc::new(NoFiles),
        };
        let playback = Arc::new(Playback::new(Arc::new(world(&folder, &told))));
        let universe = SimulatedUniverse::start(playback, surroundings).await.unwrap();
        let configuration = configuration(&universe, &told);
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        let database = folder.path().join("state/tidegate.db");
        let store = Store::open(&database, Durability::ProcessCrash).await.unwrap();
        Self { _folder: folder, clock, store, universe, github, configuration }
    }

    /// One look at this time.
    pub async fn look(&self, at: &str) -> Run {
        let at: Timestamp = at.parse().unwrap();
        self.clock.set(at);
        let address = self.github.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let state = self._folder.path().join("state");
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self._folder.path().join("published"),
            signer: Default::default(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(self.configuration.settings.engine.clone(), state, self.clock.clone()),
        };
        let jobs = Jobs::new(jobs::runnable(&self.configuration, &Arc::new(services), Pass::Full)).unwrap();
        let boot = new_boot_id();
        self.store.recover(&boot, at).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        let run = runner.run_once("status", at, "a test", CancellationToken::new()).await.unwrap();
        assert_eq!(self.universe.violations(), Vec::<String>::new());
        run
    }

    /// The status as it was drawn last.
    pub async fn status(&self) -> ChannelStatus {
        let seen = self.store.latest_seen("status:demo/staging").await.unwrap().unwrap();
        serde_json::from_slice(&seen.bytes).unwrap()
    }

    pub async fn of(&self, package: &str) -> Assessment {
        self.status().await.packages.remove(package).unwrap()
    }
}

fn configuration(universe: &SimulatedUniverse, told: &Told) -> Configuration {
    let (url, cran) = (universe.universe_url("staging"), universe.cran_url("staging"));
    let advisories = told.advisories.clone().unwrap_or_else(|| universe.advisories_url());
    let distribution = format!(
        "title = \"Demo\"\necosystem = \"r-universe\"\n\
         [[channel]]\nname = \"staging\"\nrepository = \"demo/staging\"\nuniverse = \"{url}\"\n\
         builds = \"demo/builds\"\n\
         [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
         [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = 15 }}\npromote = \"all\"\n\
         [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
         [[calendar.phase]]\nname = \"standstill\"\nstarts = {{ month = 2, day = 15 }}\npromote = \"none\"\n\
         [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
         [r]\ncran = \"{cran}\"\nproduction = \"https://production.example.org/{{date}}\"\n\
         advisories = \"{advisories}\"\n\
         [[r.release]]\nversion = \"4.4.0\"\ndate = \"2024-04-24\"\n\
         [[r.release]]\nversion = \"4.5.0\"\ndate = \"2025-04-11\"\n\
         [policy]\n{}\n",
        told.policy
    );
    let status = "kind = \"check-status\"\ndistribution = \"demo\"\nschedule = \"12 * * * *\"\n\
                  [check-status]\nchannel = \"staging\"\n";
    let files = [
        ("tidegate.toml", "jobs = \"jobs\"\n".to_owned()),
        ("distributions/demo.toml", distribution),
        ("jobs/status.toml", status.to_owned()),
    ];
    let files = files.into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect();
    Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

async fn serve_github(folder: &tempfile::TempDir, clock: &Arc<ManualClock>, listed: Vec<Listing>) -> Served {
    let mut state = GitHubState::default();
    let rows: Vec<Value> = listed
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

fn world(folder: &tempfile::TempDir, told: &Told) -> World {
    let root = folder.path().join("world");
    std::fs::create_dir_all(&root).unwrap();
    let first = |package: &str, packed: &str, published: &str| {
        seen("2026-04-02T00:00:00Z", package, "1.0.0", json!({"created": packed, "published": published}))
    };
    let mut evidence = vec![
        first("base", "2026-04-01 09:50:00.000 UTC", "2026-04-01 10:00:00.000 UTC"),
        first("top", "2026-04-01 11:50:00.000 UTC", "2026-04-01 12:00:00.000 UTC"),
    ];
    evidence.extend(told.evidence.iter().cloned());
    let versions: BTreeMap<(String, String), String> = evidence
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let at = if text("version") == "1.0.0" { "2026-04-01T00:00:00Z".to_owned() } else { text("at") };
            ((text("package"), text("version")), at)
        })
        .collect();
    let mut releases: Vec<Value> = versions
        .iter()
        .map(|((package, version), at)| {
            json!({"at": at, "repository": listing(package).url, "tag": format!("v{version}"),
                   "commit": commit(package, version), "packages": {package.as_str(): version}})
        })
        .collect();
    releases.sort_by_key(|row| row["at"].as_str().unwrap().to_owned());
    let lines = |rows: &[Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let outages: String = told
        .outages
        .iter()
        .map(|(source, from, to)| {
            format!("[[outage]]\nsource = \"{source}\"\nuniverse = \"staging\"\nfrom = \"{from}\"\nto = \"{to}\"\n")
        })
        .collect();
    let rows: Vec<Value> = ["base", "top"]
        .map(listing)
        .iter()
        .map(|row| json!({"package": row.package, "url": row.url, "branch": row.branch}))
        .collect();
    let files = [
        (
            "world.toml",
            format!(
                "format = 1\nname = \"A demo\"\necosystem = \"r-universe\"\nstart = \"2026-04-01T00:00:00Z\"\n\
                 end = \"2026-04-20T00:00:00Z\"\n[[universe]]\nchannel = \"staging\"\nrepository = \"demo/staging\"\n\
                 [people]\nmerge_after = \"6h\"\nclose = []\nedit = []\n\
                 [[r_release]]\nversion = \"4.5.0\"\ndate = \"2020-01-01\"\n{outages}"
            ),
        ),
        ("initial.json", json!({"staging": {"packages": rows, "versions": []}}).to_string()),
        ("registry.jsonl", String::new()),
        ("releases.jsonl", lines(&releases)),
        ("evidence.jsonl", lines(&evidence)),
        ("cran.json", json!({"2026-04-15": {"base": "0.1"}}).to_string()),
        ("dependencies.json", json!({"dependencies": {"base": [], "top": ["base"]}}).to_string()),
    ];
    for (name, text) in files {
        std::fs::write(root.join(name), text).unwrap();
    }
    World::load(&root).unwrap_or_else(|problem| panic!("{problem:?}"))
}
