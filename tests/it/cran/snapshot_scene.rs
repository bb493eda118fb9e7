//! A distribution whose channel is photographed: three packages that are pinned and pass unless its story says
//! otherwise, a universe behind a server that can misbehave, and the jobs `status` and `snapshot`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, Planner, RunLimits, Runner, new_boot_id};
use tidegate::domain::Listing;
use tidegate::ecosystem::cran::make;
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::snapshot::Manifest;
use tidegate::jobs::snapshot_wishes::SnapshotWishes;
use tidegate::jobs::{self, Pass, Services};
use tidegate::publish::content::ContentStore;
use tidegate::publish::signing::Signer;
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::rehearse::packages::MadePackages;
use tidegate::rehearse::universe::{MadePackage, PackageMaker, Platform, SimulatedUniverse, Surroundings};
use tidegate::rehearse::world::{Playback, World};
use tidegate::store::{Durability, Run, Store};
use tokio_util::sync::CancellationToken;

use super::meddler::Meddler;

/// The packages; `top` depends on `bass`.
pub const PACKAGES: [&str; 3] = ["bass", "other", "top"];
/// The hour before the snapshot, its time, and a time after it.
pub const BEFORE: &str = "2026-06-15T01:12:00Z";
pub const DAY: &str = "2026-06-15T02:00:00Z";
/// The same of the quarter after it.
pub const NEXT_BEFORE: &str = "2026-09-15T01:12:00Z";
pub const NEXT_DAY: &str = "2026-09-15T02:00:00Z";

/// What happens beside that every package is built once and passes.
#[derive(Clone, Default)]
pub struct Story {
    /// Packages whose check fails, each from a time on.
    pub failing: Vec<(&'static str, &'static str)>,
    /// Packages of which the universe has a later commit with the version 1.1.0, each from a time on.
    pub moved: Vec<(&'static str, &'static str)>,
    /// The platforms for which there are binaries.
    pub platforms: Vec<Platform>,
}

pub struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub store: Store,
    story: Story,
    playback: Arc<Playback>,
    universe: SimulatedUniverse,
    pub meddler: Meddler,
    github: Served,
    /// Further lines of the tables `[policy]`, `[check-status]` and `[snapshot]`.
    pub policy: &'static str,
    pub keep: &'static str,
    pub fetch: &'static str,
    pub signer: Signer,
}

/// Makes packages as rehearsals do; each packing of a source has bytes of its own.
struct Packer {
    packing: u32,
    platforms: Vec<Platform>,
}

impl PackageMaker for Packer {
    fn source(&self, package: &MadePackage) -> Vec<u8> {
        if self.packing == 1 {
            return MadePackages.source(package);
        }
        let made = make::MadePackage {
            package: package.package.clone(),
            version: package.version.clone(),
            license: package.license.clone(),
            imports: package.imports.clone(),
            commit: Some(package.commit.clone()),
            url: Some(format!("https://example.org/packing/{}", self.packing)),
            ..make::MadePackage::default()
        };
        make::source_package(&made).unwrap()
    }

    fn binary(&self, package: &MadePackage, platform: Platform, r: &str) -> Vec<u8> {
        MadePackages.binary(package, platform, r)
    }

    fn platforms(&self) -> &[Platform] {
        &self.platforms
    }
}

/// The commit at which a package is pinned.
pub fn commit(package: &str) -> String {
    let hex: String = package.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0>40}")
}

/// The commit to which its universe may move.
pub fn later_commit(package: &str) -> String {
    commit(package).replacen('0', "f", 1)
}

fn listing(package: &str) -> Listing {
    let url = format!("https://github.com/someone/{package}");
    Listing { package: package.to_owned(), url, branch: Some(commit(package)), subdir: None }
}

impl Scene {
    pub async fn new() -> Self {
        let platforms = Platform::USUAL.to_vec();
        Self::of(Story { platforms, ..Story::default() }).await
    }

    pub async fn of(story: Story) -> Self {
        tidegate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(BEFORE.parse().unwrap());
        let github = serve_github(&folder, &clock).await;
        let playback = Arc::new(Playback::new(Arc::new(world(&folder, &story))));
        let universe = universe(&playback, &clock, &story, 1).await;
        let meddler = Meddler::before(universe.address()).await;
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        let database = folder.path().join("state/tidegate.db");
        let store = Store::open(&database, Durability::ProcessCrash).await.unwrap();
        Self {
            folder,
            clock,
            store,
            story,
            playback,
            universe,
            meddler,
            github,
            policy: "",
            keep: "",
            fetch: "",
            signer: Signer::default(),
        }
    }

    /// From now on the universe has packed every source anew, at the same commits.
    pub async fn pack_again(&mut self) {
        self.universe = universe(&self.playback, &self.clock, &self.story, 2).await;
        self.meddler = Meddler::before(self.universe.address()).await;
    }

    /// The job of this name, at this time.
    pub async fn run(&self, job: &str, at: &str) -> Run {
        let at: Timestamp = at.parse().unwrap();
        // A try that comes after a failure is one of a later time.
        self.clock.set(self.clock.now().max(at) + jiff::SignedDuration::from_secs(60));
        let runner = self.runner(&self.jobs().await).await;
        let run = runner.run_once(job, at, "a test", CancellationToken::new()).await.unwrap();
        assert_eq!(self.universe.violations(), Vec::<String>::new());
        run
    }

    /// What a daemon does that beats at this time: it plans all jobs, and runs what is due.
    pub async fn beat(&self, at: &str) -> usize {
        self.clock.set(at.parse().unwrap());
        let jobs = self.jobs().await;
        Planner::new(self.store.clone(), jobs.clone()).tick(self.clock.now()).await.unwrap();
        self.runner(&jobs).await.run_due().await.unwrap()
    }

    async fn runner(&self, jobs: &Jobs) -> Runner {
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        Runner::new(self.store.clone(), self.clock.clone(), jobs.clone(), boot, limits)
    }

    async fn jobs(&self) -> Jobs {
        Jobs::new(jobs::runnable(&self.configuration(), &self.services().await, Pass::Full)).unwrap()
    }

    /// What a daemon does to snapshots for whoever asks.
    pub async fn wishes(&self) -> SnapshotWishes {
        SnapshotWishes::new(self.services().await, &self.configuration())
    }

    async fn services(&self) -> Arc<Services> {
        let configuration = self.configuration();
        let address = self.github.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let state = self.folder.path().join("state");
        Arc::new(Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            signer: self.signer.clone(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(configuration.settings.engine.clone(), state, self.clock.clone()),
        })
    }

    /// What a command says on the scene's state, with its exit code.
    pub fn command(&self, line: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["--config", self.written_configuration().to_str().unwrap()])
            .args(["--state", self.state().to_str().unwrap()])
            .args(line)
            .output()
            .unwrap()
    }

    /// The output of a command that worked.
    #[track_caller]
    pub fn says(&self, line: &str) -> String {
        let output = self.command(&line.split(' ').collect::<Vec<_>>());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
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

    /// The manifest of a snapshot.
    pub fn manifest(&self, date: &str) -> Manifest {
        let file = self.publish_folder().join(date).join("manifest.json");
        Manifest::read(&std::fs::read(file).unwrap()).unwrap()
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
             [[r.release]]\nversion = \"4.5.0\"\ndate = \"2025-04-11\"\n[policy]\n{}\n",
            self.policy
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
        let published = self.folder.path().join("published");
        let settings = format!("jobs = \"jobs\"\npublish = {{ directory = \"{}\" }}\n", published.display());
        vec![
            ("tidegate.toml", settings),
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

/// The universe of a world, with the sources of that packing.
async fn universe(
    playback: &Arc<Playback>,
    clock: &Arc<ManualClock>,
    story: &Story,
    packing: u32,
) -> SimulatedUniverse {
    let (now, moved) = (clock.clone(), story.moved.clone());
    let listings = move |_: &str| -> Vec<Listing> {
        let branch = |package: &str| {
            let is_later = |(other, at): &(&str, &str)| *other == package && now.now() >= at.parse().unwrap();
            if moved.iter().any(is_later) { later_commit(package) } else { commit(package) }
        };
        PACKAGES.map(|package| Listing { branch: Some(branch(package)), ..listing(package) }).to_vec()
    };
    let surroundings = Surroundings {
        clock: clock.clone(),
        listings: Arc::new(listings),
        targeted_r: Arc::new(|_| "4.5".to_owned()),
        maker: Arc::new(Packer { packing, platforms: story.platforms.clone() }),
    };
    SimulatedUniverse::start(playback.clone(), surroundings).await.unwrap()
}

/// A world in which every package is built and passes, but for what the story tells.
fn world(folder: &tempfile::TempDir, story: &Story) -> World {
    let root = folder.path().join("world");
    std::fs::create_dir_all(&root).unwrap();
    // In the order of their times, which is that of these words.
    let lines = |mut rows: Vec<(&str, Value)>| -> String {
        rows.sort_by_key(|(at, _)| *at);
        rows.into_iter().map(|(_, row)| format!("{row}\n")).collect()
    };
    let release = |at, package: &str, version: &str, commit: String| {
        let row = json!({"at": at, "repository": listing(package).url, "tag": format!("v{version}"),
                         "commit": commit, "packages": {package: version}});
        (at, row)
    };
    let seen = |at, package: &str, version: &str, commit: String| {
        json!({"at": at, "universe": "staging", "package": package, "commit": commit, "version": version,
               "published": "2026-04-01 10:00:00.250 UTC"})
    };
    let (first, second) = ("2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z");
    let mut releases = Vec::from(PACKAGES.map(|package| release(first, package, "1.0.0", commit(package))));
    let mut evidence =
        Vec::from(PACKAGES.map(|package| (second, seen(second, package, "1.0.0", commit(package)))));
    for (package, at) in &story.failing {
        let mut row = seen(at, package, "1.0.0", commit(package));
        row["checks"] = json!([{"check": "ERROR", "config": "linux-release-x86_64", "r": "4.5.0",
                                "url": "https://github.com/demo/builds/actions/runs/7/job/8"}]);
        evidence.push((at, row));
    }
    for (package, at) in &story.moved {
        releases.push(release(at, package, "1.1.0", later_commit(package)));
        evidence.push((at, seen(at, package, "1.1.0", later_commit(package))));
    }
    let (releases, evidence) = (lines(releases), lines(evidence));
    let rows: Vec<Value> = PACKAGES
        .map(listing)
        .iter()
        .map(|row| json!({"package": row.package, "url": row.url, "branch": row.branch}))
        .collect();
    let dependencies: BTreeMap<&str, Vec<&str>> =
        BTreeMap::from([("bass", vec![]), ("other", vec![]), ("top", vec!["bass"])]);
    let files = [
        (
            "world.toml",
            "format = 1\nname = \"A demo\"\necosystem = \"r-universe\"\nstart = \"2026-04-01T00:00:00Z\"\n\
             end = \"2026-10-01T00:00:00Z\"\n[[universe]]\nchannel = \"staging\"\nrepository = \"demo/staging\"\n\
             [people]\nmerge_after = \"6h\"\nclose = []\nedit = []\n\
             [[r_release]]\nversion = \"4.5.0\"\ndate = \"2020-01-01\"\n"
                .to_owned(),
        ),
        ("initial.json", json!({"staging": {"packages": rows, "versions": []}}).to_string()),
        ("registry.jsonl", String::new()),
        ("releases.jsonl", releases),
        ("evidence.jsonl", evidence),
        ("cran.json", json!({"2026-04-15": {"litedown": "0.10"}, "2026-07-15": {"litedown": "0.11"}}).to_string()),
        ("dependencies.json", json!({"dependencies": dependencies}).to_string()),
    ];
    for (name, text) in files {
        std::fs::write(root.join(name), text).unwrap();
    }
    World::load(&root).unwrap_or_else(|problem| panic!("{problem:?}"))
}
