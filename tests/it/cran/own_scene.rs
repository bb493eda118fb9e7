//! A distribution of R packages with a simulated universe and GitHub, the jobs `status` and `again`, and a
//! clock of its own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::SignedDuration;
use serde_json::json;
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::domain::{ChannelStatus, Evidence, FailedStep, Listing, TestVerdict};
use tidegate::ecosystem::cran::make;
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::rehearse::universe::{MadePackage, PackageMaker, Platform, SimulatedUniverse, Surroundings};
use tidegate::rehearse::world::{Playback, World};
use tidegate::store::{Durability, Run, Store};
use tokio_util::sync::CancellationToken;

use super::made;

/// The version of R here; none where there is no R.
pub fn r_version() -> Option<String> {
    let code = "cat(paste(R.version$major, R.version$minor, sep = '.'))";
    match Command::new("Rscript").args(["--vanilla", "-e", code]).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(_) => {
            assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "Rscript is not installed");
            eprintln!("skipped: Rscript is not installed");
            None
        }
    }
}

/// A package at version 1.0.0 that `R CMD check` is content with, and whose check in the universe failed on
/// Linux.
#[derive(Clone)]
pub struct Package {
    name: &'static str,
    files: Vec<(&'static str, &'static str)>,
    imports: Vec<&'static str>,
    /// Where its check in the universe failed.
    failing: &'static str,
    withheld: bool,
}

impl Package {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            files: Vec::new(),
            imports: Vec::new(),
            failing: "linux-release-x86_64",
            withheld: false,
        }
    }

    /// With a file more.
    pub fn file(mut self, path: &'static str, text: &'static str) -> Self {
        self.files.push((path, text));
        self
    }

    pub fn imports(mut self, package: &'static str) -> Self {
        self.imports.push(package);
        self
    }

    /// Its checks in the universe passed.
    pub fn passes(self) -> Self {
        self.fails_on("")
    }

    /// Its check in the universe failed there, and not on Linux.
    pub fn fails_on(mut self, config: &'static str) -> Self {
        self.failing = config;
        self
    }

    /// The universe serves the archive of another package in its place.
    pub fn withheld(mut self) -> Self {
        self.withheld = true;
        self
    }

    fn commit(&self) -> String {
        let mut hex: String = self.name.bytes().map(|byte| format!("{byte:02x}")).collect();
        hex.truncate(40);
        format!("{hex:0>40}")
    }

    fn listing(&self) -> Listing {
        Listing {
            package: self.name.to_owned(),
            url: format!("https://github.com/someone/{}", self.name),
            branch: Some(self.commit()),
            subdir: None,
        }
    }

    /// The source: the made package, with its documentation, what it imports, and what else it has.
    fn source(&self) -> Vec<u8> {
        let name = if self.withheld { "another" } else { self.name };
        let made = make::source_package(&made(name, "1.0.0", &self.imports)).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(&made[..]));
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, content);
        }
        let page = "\\name{about}\n\\alias{about}\n\\title{About}\n\\description{Name and version.}\n\
                    \\usage{about()}\n\\value{A text.}\n";
        files.insert(format!("{name}/man/about.Rd"), page.into());
        for package in &self.imports {
            let code = format!("behind <- function() {package}::about()\n");
            files.insert(format!("{name}/R/behind.R"), code.into());
        }
        for (path, text) in &self.files {
            files.insert(format!("{name}/{path}"), (*text).into());
        }
        let mut packed = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_700_000_000);
            packed.append_data(&mut header, path, &content[..]).unwrap();
        }
        packed.into_inner().unwrap().finish().unwrap()
    }
}

/// Makes the packages of a scene.
struct Maker(Vec<Package>);

impl PackageMaker for Maker {
    fn source(&self, package: &MadePackage) -> Vec<u8> {
        self.0.iter().find(|known| known.name == package.package).unwrap().source()
    }

    fn binary(&self, _: &MadePackage, _: Platform, _: &str) -> Vec<u8> {
        Vec::new()
    }
}

/// The distribution, its services and its state.
pub struct Scene {
    folder: Arc<tempfile::TempDir>,
    clock: Arc<ManualClock>,
    store: Store,
    universe: Arc<SimulatedUniverse>,
    github: Arc<Served>,
    r: String,
    /// What the job file says of these keys.
    pub counts: &'static str,
    pub prepare: &'static str,
}

impl Scene {
    /// A distribution that targets the R of this machine, whose full version is `r`.
    pub async fn of(r: &str, packages: Vec<Package>) -> Self {
        tidegate::tls::prepare();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let clock = ManualClock::new("2026-04-16T08:00:00Z".parse().unwrap());
        let world = world(&folder, r, &packages);
        let listings: Vec<Listing> = packages.iter().map(Package::listing).collect();
        let github = serve_github(&folder, &clock, &listings).await;
        let series = series(r);
        let surroundings = Surroundings {
            clock: clock.clone(),
            listings: Arc::new(move |_| listings.clone()),
            targeted_r: Arc::new(move |_| series.clone()),
            maker: Arc::new(Maker(packages)),
        };
        let playback = Arc::new(Playback::new(Arc::new(world)));
        let universe = SimulatedUniverse::start(playback, surroundings).await.unwrap();
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        Self {
            store: open(&folder).await,
            folder,
            clock,
            universe: Arc::new(universe),
            github: Arc::new(github),
            r: r.to_owned(),
            counts: "shown",
            prepare: "",
        }
    }

    /// The same place as a new process finds it.
    pub async fn after_a_crash(&self) -> Self {
        let Self { folder, clock, universe, github, r, counts, prepare, .. } = self;
        Self {
            store: open(folder).await,
            folder: folder.clone(),
            clock: clock.clone(),
            universe: universe.clone(),
            github: github.clone(),
            r: r.clone(),
            counts,
            prepare,
        }
    }

    pub fn hours_later(&self, hours: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_hours(hours));
    }

    /// The files of the configuration, by their paths.
    fn files(&self) -> Vec<(&'static str, String)> {
        let (universe, cran) = (self.universe.universe_url("staging"), self.universe.cran_url("staging"));
        let distribution = format!(
            "title = \"Demo\"\necosystem = \"r-universe\"\n\
             [[channel]]\nname = \"staging\"\nrepository = \"demo/staging\"\nuniverse = \"{universe}\"\n\
             builds = \"demo/builds\"\n\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = 15 }}\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
             [[calendar.phase]]\nname = \"standstill\"\nstarts = {{ month = 2, day = 15 }}\npromote = \"none\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
             [r]\ncran = \"{cran}\"\nproduction = \"https://production.example.org/{{date}}\"\n\
             [[r.release]]\nversion = \"{}.0\"\ndate = \"2020-01-01\"\n",
            series(&self.r)
        );
        let status = "kind = \"check-status\"\ndistribution = \"demo\"\nschedule = \"12 * * * *\"\n\
                      [check-status]\nchannel = \"staging\"\n";
        let again = format!(
            "kind = \"recheck\"\ndistribution = \"demo\"\nschedule = \"27 * * * *\"\ntimeout = \"2h\"\n\
             [recheck]\nchannel = \"staging\"\ncounts = \"{}\"\ntest_time = \"10m\"\n{}",
            self.counts, self.prepare
        );
        vec![
            ("tidegate.toml", "jobs = \"jobs\"\n".to_owned()),
            ("distributions/demo.toml", distribution),
            ("jobs/status.toml", status.to_owned()),
            ("jobs/again.toml", again),
        ]
    }

    fn configuration(&self) -> Configuration {
        let files = self.files().into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect();
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// One pass of a job now.
    pub async fn pass(&self, job: &str) -> Run {
        self.pass_until(job, CancellationToken::new()).await
    }

    /// One pass of a job that is told to stop once a worker has begun on a test.
    pub async fn pass_stopped_once_a_test_began(&self, job: &str) -> Run {
        let stop = CancellationToken::new();
        let (told, assignments) = (stop.clone(), self.state().join("assignments"));
        tokio::spawn(async move {
            loop {
                let folders = std::fs::read_dir(&assignments).into_iter().flatten().flatten();
                if folders.into_iter().any(|folder| folder.path().join("begun.json").exists()) {
                    return told.cancel();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        self.pass_until(job, stop).await
    }

    async fn pass_until(&self, job: &str, stop: CancellationToken) -> Run {
        let configuration = self.configuration();
        let address = self.github.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let engines = Engines::new(configuration.settings.engine.clone(), self.state(), self.clock.clone());
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            signer: Default::default(),
            artifacts: self.state().join("artifacts"),
            engines: engines.with_program(PathBuf::from(env!("CARGO_BIN_EXE_tidegate"))),
        };
        let jobs = Jobs::new(jobs::runnable(&configuration, &Arc::new(services), Pass::Full)).unwrap();
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        let run = runner.run_once(job, self.clock.now(), "a test", stop).await.unwrap();
        // The next pass is another occurrence.
        self.clock.set(self.clock.now() + SignedDuration::from_secs(60));
        run
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The assignments that lie with the engine.
    pub fn assignments(&self) -> usize {
        std::fs::read_dir(self.state().join("assignments")).map_or(0, Iterator::count)
    }

    /// The tests of a run, one line each.
    pub async fn tests(&self, run: &Run) -> Vec<String> {
        let tests = self.store.recheck_tests_of_run(run.id).await.unwrap();
        let mut lines: Vec<String> = tests
            .into_iter()
            .map(|test| {
                let how = match test.verdict.unwrap() {
                    TestVerdict::Pass => "passed".to_owned(),
                    TestVerdict::Fail { step: FailedStep::Check(_), .. } => "failed".to_owned(),
                    TestVerdict::Infrastructure { why } => why,
                    other => format!("{other:?}"),
                };
                format!("{} {}, attempt {}: {how}", test.name, test.version, test.attempt)
            })
            .collect();
        lines.sort();
        lines
    }

    /// What was told of own checks.
    pub async fn told(&self) -> Vec<String> {
        let events = self.store.events_after(0, 1_000).await.unwrap().into_iter();
        let mut told: Vec<String> = events
            .filter(|event| event.kind == "own-check")
            .map(|event| {
                assert_eq!(event.body["r"], self.r.as_str());
                format!("{}: {}", event.package.unwrap_or_default(), event.body["result"].as_str().unwrap())
            })
            .collect();
        told.sort();
        told
    }

    /// The evidence of every package as it was drawn last.
    pub async fn evidence(&self) -> BTreeMap<String, Evidence> {
        let seen = self.store.latest_seen("status:demo/staging").await.unwrap().unwrap();
        let status: ChannelStatus = serde_json::from_slice(&seen.bytes).unwrap();
        status.packages.into_iter().map(|(package, assessment)| (package, assessment.evidence)).collect()
    }

    /// What a command says that only reads.
    pub fn says(&self, arguments: &[&str]) -> String {
        let config = self.folder.path().join("config");
        for (name, text) in self.files() {
            let path = config.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("--config")
            .arg(&config)
            .arg("--state")
            .arg(self.state())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn series(r: &str) -> String {
    r.rsplit_once('.').unwrap().0.to_owned()
}

/// Without the lock of a process, so that what a crash leaves can be opened again by the same one.
async fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("state/tidegate.db"), Durability::ProcessCrash).await.unwrap()
}

async fn serve_github(folder: &tempfile::TempDir, clock: &Arc<ManualClock>, listings: &[Listing]) -> Served {
    let mut state = GitHubState::default();
    let rows: Vec<serde_json::Value> = listings
        .iter()
        .map(|row| json!({"package": row.package, "url": row.url, "branch": row.branch}))
        .collect();
    let files = [("packages.json", serde_json::Value::from(rows).to_string())];
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

/// A world in which every package is built, and checked with the R of this machine.
fn world(folder: &tempfile::TempDir, r: &str, packages: &[Package]) -> World {
    let root = folder.path().join("world");
    std::fs::create_dir_all(&root).unwrap();
    let lines = |row: &dyn Fn(&Package) -> serde_json::Value| -> String {
        packages.iter().map(|package| format!("{}\n", row(package))).collect()
    };
    let releases = lines(&|package| {
        json!({"at": "2026-04-01T00:00:00Z", "repository": package.listing().url, "tag": "v1.0.0",
               "commit": package.commit(), "packages": {package.name: "1.0.0"}})
    });
    let evidence = lines(&|package| {
        let bad = json!([{"config": package.failing, "r": r, "check": "ERROR",
                          "url": "https://github.com/r-universe/demo/actions/runs/7/job/71"}]);
        let checks = if package.failing.is_empty() { json!([]) } else { bad };
        json!({"at": "2026-04-02T00:00:00Z", "universe": "staging", "package": package.name,
               "commit": package.commit(), "version": "1.0.0", "published": "2026-04-01 10:00:00.250 UTC",
               "checks": checks})
    });
    let rows: Vec<serde_json::Value> = packages
        .iter()
        .map(Package::listing)
        .map(|row| json!({"package": row.package, "url": row.url, "branch": row.branch}))
        .collect();
    let known: Vec<&str> = packages.iter().map(|package| package.name).collect();
    let inside = |package: &Package| -> Vec<&str> {
        package.imports.iter().copied().filter(|import| known.contains(import)).collect()
    };
    let dependencies: BTreeMap<&str, Vec<&str>> =
        packages.iter().map(|package| (package.name, inside(package))).collect();
    let files = [
        (
            "world.toml",
            format!(
                "format = 1\nname = \"A demo\"\necosystem = \"r-universe\"\nstart = \"2026-04-01T00:00:00Z\"\n\
                 end = \"2026-04-20T00:00:00Z\"\n[[universe]]\nchannel = \"staging\"\nrepository = \"demo/staging\"\n\
                 [people]\nmerge_after = \"6h\"\nclose = []\nedit = []\n\
                 [[r_release]]\nversion = \"{}.0\"\ndate = \"2020-01-01\"\n",
                series(r)
            ),
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
