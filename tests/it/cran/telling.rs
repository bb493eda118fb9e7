//! The jobs that tell people of a distribution of R packages: `report` and `forecast`, on a simulated GitHub.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Job, Jobs, RunContext, RunLimits, Runner, new_boot_id};
use tidegate::domain::{Assessment, ChannelStatus, Check, Checks, Evidence, Issue as Against, PackageFacts};
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::check_status::SeenPackage;
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::issues::Issue;
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::store::{Durability, Run, RunState, Store};
use tokio_util::sync::CancellationToken;

use super::serve;

/// `wk` ← `geoarrow`, whose sources are in repositories of these names.
const PACKAGES: [(&str, &[&str]); 2] = [("geoarrow", &["wk"]), ("wk", &[])];

/// The distribution, its GitHub and its state. Other jobs are played by writing down what they would store.
struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    github: Arc<SimulatedGitHub>,
    served: Served,
    cran: String,
    maintainers: bool,
    /// Further lines of `[reports]`.
    reports: &'static str,
    /// The day of the month on which freezes begin.
    day: u8,
}

fn commit(package: &str) -> String {
    let hex: String = package.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0>40}")
}

fn packages_json() -> String {
    let row = |(package, _): &(&str, &[&str])| json!({"package": package, "url": format!("https://github.com/upstream/{package}"), "branch": commit(package)});
    serde_json::Value::from(PACKAGES.iter().map(row).collect::<Vec<_>>()).to_string()
}

impl Scene {
    async fn on(day: &str) -> Self {
        tidegate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(format!("{day}T06:47:00Z").parse().unwrap());
        let mut state = GitHubState::default();
        for channel in ["demo/community", "demo/staging"] {
            let files = [("packages.json", packages_json())];
            state.add(
                Repository::with_files(channel, files, clock.now()).unwrap_or_else(|_| panic!("{channel}")),
            );
        }
        for (package, _) in PACKAGES {
            state.add(Repository::upstream(format!("upstream/{package}").as_str()));
        }
        let journal = folder.path().join("github.jsonl");
        let github = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        let served = Arc::clone(&github).serve().await.unwrap();
        let index = "Package: wk\nVersion: 2.0\n";
        let cran = serve::always(serve::answer("200 OK", index.as_bytes())).await;
        let store = Store::open(&folder.path().join("tidegate.db"), Durability::ProcessCrash).await.unwrap();
        let cran = format!("{cran}{{date}}");
        Self { folder, clock, store, github, served, cran, maintainers: true, reports: "", day: 15 }
    }

    fn configuration(&self) -> Configuration {
        Configuration::from_texts(self.files()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// What `status` says.
    fn status(&self) -> String {
        let config = self.folder.path().join("config");
        for (path, text) in self.files() {
            let path = config.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.arg("--state").arg(self.folder.path()).arg("status").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn files(&self) -> Vec<(PathBuf, String)> {
        let channel = |name: &str| {
            format!(
                "[[channel]]\nname = \"{name}\"\nrepository = \"demo/{name}\"\nuniverse = \"https://{name}.example.org\"\n\
                 builds = \"demo/builds\"\n"
            )
        };
        let distribution = format!(
            "title = \"Demo\"\necosystem = \"r-universe\"\n{}{}\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = {}\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = {} }}\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
             [r]\ncran = \"{}\"\nproduction = \"https://production.example.org/{{date}}\"\n\
             [[r.release]]\nversion = \"4.5.0\"\ndate = \"2025-04-11\"\n\
             [reports]\nrepository = \"demo/staging\"\nlabels = [\"tidegate\"]\nmaintainers = {}\n{}\n",
            channel("community"),
            channel("staging"),
            self.day,
            self.day,
            self.cran,
            self.maintainers,
            self.reports
        );
        let job = |kind: &str, table: &str| {
            format!(
                "kind = \"{kind}\"\ndistribution = \"demo\"\nschedule = \"47 6 * * *\"\n[{kind}]\n{table}"
            )
        };
        let files = [
            ("tidegate.toml", "jobs = \"jobs\"\n".to_owned()),
            ("distributions/demo.toml", distribution),
            ("jobs/report.toml", job("report", "channel = \"staging\"\n")),
            ("jobs/forecast.toml", job("forecast", "from = \"community\"\nto = \"staging\"\n")),
        ];
        files.into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect()
    }

    /// What `check-status` would have stored just now, of both channels.
    async fn looked(&self, failing: &[&str]) {
        let now = self.clock.now();
        let mut universe = BTreeMap::new();
        let mut status = ChannelStatus { r_series: "4.5".to_owned(), ..ChannelStatus::default() };
        for (package, needs) in PACKAGES {
            let bad = Check {
                check: if failing.contains(&package) { "ERROR" } else { "OK" }.to_owned(),
                config: "linux-release".to_owned(),
                r: "4.5.2".to_owned(),
                url: "https://github.com/r-universe/demo/actions/runs/7/job/71".to_owned(),
            };
            let facts = PackageFacts {
                version: Some("1.0".to_owned()),
                commit: Some(commit(package)),
                foss: Some(true),
                checks: Checks::All(vec![bad.clone()]),
                dependencies: needs.iter().map(|name| (*name).to_owned()).collect(),
                ..PackageFacts::default()
            };
            universe.insert(package, SeenPackage { facts, source: None, binaries: Vec::new() });
            let causes = needs.iter().filter(|need| failing.contains(need));
            let causes: BTreeMap<String, Vec<String>> =
                causes.map(|cause| ((*cause).to_owned(), Vec::new())).collect();
            let mut issues = Vec::new();
            if failing.contains(&package) {
                issues.push(Against::RCmdCheck(vec![bad]));
            }
            if !causes.is_empty() {
                issues.push(Against::Dependencies(causes));
            }
            let assessment = Assessment {
                version: Some("1.0".to_owned()),
                commit: Some(commit(package)),
                published: None,
                evidence: if issues.is_empty() { Evidence::Passing } else { Evidence::Failing },
                settled: None,
                issues,
                failed_build: None,
                unknown: Vec::new(),
                unknown_through: None,
                held_until: BTreeSet::new(),
                outdated_by: Vec::new(),
                from_elsewhere: Vec::new(),
                overridden: None,
                own_check: None,
                cleared: Vec::new(),
            };
            status.packages.insert(package.to_owned(), assessment);
        }
        for channel in ["community", "staging"] {
            self.says(&format!("universe:demo/{channel}"), json!(universe)).await;
            self.says(&format!("status:demo/{channel}"), json!(status)).await;
        }
        let targets = self.configuration().distributions["demo"].clone();
        let frozen = targets.targets(&targets.point(now)).unwrap().dependency_freeze;
        self.says(&format!("cran:demo/staging/{frozen}"), json!({"wk": "1.0"})).await;
    }

    async fn says(&self, source: &str, value: serde_json::Value) {
        self.store.record_seen(source, value.to_string().as_bytes(), self.clock.now()).await.unwrap();
    }

    fn later(&self, hours: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_hours(hours));
    }

    /// The jobs as a new process has them.
    async fn jobs(&self) -> Vec<Job> {
        let configuration = self.configuration();
        let address = self.served.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let folder = self.folder.path().to_path_buf();
        let engines = Engines::new(configuration.settings.engine.clone(), folder.clone(), self.clock.clone());
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: serve::client(),
            clock: self.clock.clone(),
            publish: folder.join("published"),
            signer: Default::default(),
            artifacts: folder.join("artifacts"),
            engines,
        };
        jobs::runnable(&configuration, &Arc::new(services), Pass::Full)
    }

    async fn pass(&self, job: &str) -> Run {
        let jobs = Jobs::new(self.jobs().await).unwrap();
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        let now = self.clock.now();
        let run = runner.run_once(job, now, "a test", CancellationToken::new()).await.unwrap();
        self.clock.set(now + SignedDuration::from_secs(120));
        run
    }

    /// One pass that is killed after so many steps of its own. False where it came to its end before.
    async fn pass_killed(&self, job: &str, after: usize) -> bool {
        let now = self.clock.now();
        let boot = new_boot_id();
        self.store.recover(&boot, now).await.unwrap();
        let occurrence = self.store.request_run(job, now, "a test", now).await.unwrap();
        let claim = self.store.claim_occurrence(occurrence, &boot, now).await.unwrap();
        let context = RunContext {
            run_id: claim.run,
            job: job.to_owned(),
            nominal: now,
            clock: self.clock.clone(),
            store: self.store.clone(),
            cancel: CancellationToken::new(),
        };
        let jobs = self.jobs().await;
        let job = jobs.iter().find(|one| one.definition.name == job).unwrap();
        let mut run = job.work.run(context);
        let mut steps = 0;
        let ended = std::future::poll_fn(|waker| {
            steps += 1;
            match steps > after {
                true => Poll::Ready(None),
                false => run.as_mut().poll(waker).map(Some),
            }
        })
        .await;
        // What was on its way to GitHub arrives.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.clock.set(now + SignedDuration::from_secs(120));
        ended.is_none()
    }

    /// A look that shows these packages failing, and a report on it.
    async fn reported(&self, failing: &[&str]) {
        self.looked(failing).await;
        let run = self.pass("report").await;
        assert!(matches!(run.state, RunState::Done | RunState::Unchanged), "{run:?}");
    }

    fn issues(&self, repository: &str) -> Vec<Issue> {
        let read =
            |state: &GitHubState| state.repository(repository).unwrap().issues.values().cloned().collect();
        self.github.read(read)
    }

    fn comments(&self, repository: &str) -> usize {
        self.github.read(|state| state.repository(repository).unwrap().comments.len())
    }

    /// How many issues were opened, and comments written, in all repositories.
    fn told(&self) -> (usize, usize) {
        let repositories = ["demo/staging", "upstream/geoarrow", "upstream/wk"];
        let issues = repositories.map(|name| self.issues(name).len()).iter().sum();
        (issues, repositories.map(|name| self.comments(name)).iter().sum())
    }
}

#[tokio::test]
async fn maintainers_are_told_once_and_the_dashboard_is_one_issue() {
    let scene = Scene::on("2026-05-20").await;
    scene.reported(&[]).await;
    assert_eq!(scene.told(), (1, 0), "the dashboard");
    assert_eq!(scene.issues("demo/staging")[0].title, "Demo: how staging stands");
    for _ in 0..3 {
        scene.later(12);
        scene.reported(&["wk"]).await;
    }
    let issue = scene.issues("upstream/wk").remove(0);
    assert!(
        issue.body.starts_with("**`wk` `1.0` fails in `staging` of Demo since 2026-05-20**"),
        "{}",
        issue.body
    );
    assert!(
        issue.body.contains("(https://github.com/r-universe/demo/actions/runs/7/job/71)"),
        "{}",
        issue.body
    );
    assert!(scene.issues("upstream/geoarrow").is_empty(), "no snapshot would lose it");
    scene.later(1);
    scene.reported(&["wk"]).await;
    let dashboard = scene.issues("demo/staging").remove(0);
    assert!(dashboard.body.contains("1 of 2 packages") || dashboard.body.contains("0 of 2 packages"));
    for _ in 0..3 {
        scene.later(12);
        scene.reported(&[]).await;
    }
    let issue = scene.issues("upstream/wk").remove(0);
    assert!(issue.closed_at.is_some() && issue.body.starts_with("**`wk` passes again"), "{}", issue.body);
    assert_eq!(scene.told(), (2, 1));
    assert_eq!(scene.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn nobody_but_the_moderators_is_told_unless_the_distribution_says_so() {
    let scene = Scene { maintainers: false, ..Scene::on("2026-05-20").await };
    scene.reported(&[]).await;
    for _ in 0..4 {
        scene.later(12);
        scene.reported(&["wk"]).await;
    }
    assert_eq!(scene.told(), (1, 0));
}

#[tokio::test]
async fn no_more_maintainers_are_told_in_a_pass_and_an_hour_than_may_be() {
    let fails = ["geoarrow", "wk"];
    for caps in ["max_per_pass = 1", "max_per_hour = 1"] {
        let scene = Scene { reports: caps, ..Scene::on("2026-05-20").await };
        scene.reported(&[]).await;
        scene.later(1);
        scene.reported(&fails).await;
        scene.later(25);
        scene.reported(&fails).await;
        assert_eq!(scene.told(), (2, 0), "the dashboard and one of them: {caps}");
        let status = scene.status();
        assert!(status.contains("issues that wait to be opened\n  demo, upstream/wk: "), "{status}");
        scene.reported(&fails).await;
        let told = if caps.contains("pass") { 3 } else { 2 };
        assert_eq!(scene.told(), (told, 0), "{caps}");
        scene.later(2);
        scene.reported(&fails).await;
        assert_eq!(scene.told(), (3, 0), "{caps}");
        assert!(!scene.status().contains("wait to be opened"));
    }
}

#[tokio::test]
async fn whatever_github_does_with_it_everything_is_told_once() {
    for fault in [
        "POST /repos/upstream/wk/issues nth 1 drop-after",
        "POST /repos/upstream/wk/issues nth 1 drop-before",
        "POST /repos/upstream/wk/issues nth 1 status 502",
        "PATCH /repos/demo/staging/issues nth 1 drop-after",
        "GET /repos/upstream/wk/issues nth 1 status 502",
    ] {
        let scene = Scene::on("2026-05-20").await;
        scene.reported(&[]).await;
        scene.later(1);
        scene.reported(&["wk"]).await;
        scene.later(25);
        scene.github.set_faults(vec![fault.parse().unwrap()]);
        scene.reported(&["wk"]).await;
        scene.github.set_faults(Vec::new());
        for _ in 0..2 {
            scene.later(1);
            scene.reported(&["wk"]).await;
        }
        assert_eq!(scene.told(), (2, 0), "{fault}");
        assert!(scene.store.open_actions().await.unwrap().is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn wherever_the_power_fails_everything_is_told_once() {
    let mut was_killed = true;
    for after in (1..).step_by(3).take_while(|after| *after < 400) {
        if !was_killed {
            break;
        }
        let scene = Scene::on("2026-05-20").await;
        scene.reported(&[]).await;
        scene.later(1);
        scene.reported(&["wk"]).await;
        scene.later(25);
        scene.looked(&["wk"]).await;
        was_killed = scene.pass_killed("report", after).await;
        for _ in 0..3 {
            scene.later(1);
            scene.reported(&["wk"]).await;
        }
        assert_eq!(scene.told(), (2, 0), "killed after {after} steps");
        assert_eq!(scene.issues("upstream/wk").len(), 1, "killed after {after} steps");
        assert!(scene.store.open_actions().await.unwrap().is_empty(), "killed after {after} steps");
    }
    assert!(!was_killed, "the last pass came to its end");
}

#[tokio::test]
async fn a_forecast_is_one_issue_from_a_month_before_the_freeze_until_it_begins() {
    let scene = Scene::on("2026-06-10").await;
    scene.looked(&[]).await;
    let early = scene.pass("forecast").await;
    assert_eq!((early.state, scene.told()), (RunState::Unchanged, (0, 0)), "{early:?}");
    scene.later(8 * 24);
    scene.looked(&[]).await;
    let run = scene.pass("forecast").await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    let issue = scene.issues("demo/staging").remove(0);
    assert_eq!(issue.title, "Demo: what the dependency freeze of 2026-07-15 would change");
    let beginning = "If the dependency freeze of 2026-07-15 began today, **2 of the 2 packages that pass in `staging` \
                     would fall out, 1 by themselves and 1 through them**.";
    assert!(issue.body.starts_with(beginning), "{}", issue.body);
    assert!(issue.body.contains("- `geoarrow` → `wk`: it depends on wk, which fails"), "{}", issue.body);
    // The next day says the same of another CRAN, in the same issue.
    scene.later(24);
    scene.looked(&["wk"]).await;
    scene.pass("forecast").await;
    let issue = scene.issues("demo/staging").remove(0);
    assert!(issue.body.contains("| CRAN as of | 2026-04-15 | 2026-06-19 |"), "{}", issue.body);
    assert_eq!((issue.closed_at, scene.told()), (None, (1, 0)));
    // Once the freeze has begun the issue is closed, and that of the next one is months away.
    scene.clock.set("2026-07-15T06:47:00Z".parse().unwrap());
    scene.looked(&[]).await;
    scene.pass("forecast").await;
    let issue = scene.issues("demo/staging").remove(0);
    assert!(
        issue.closed_at.is_some()
            && issue.body.starts_with("**The dependency freeze of 2026-07-15 has begun.")
    );
    assert_eq!(scene.told(), (1, 0));
}

#[tokio::test]
async fn a_forecast_without_facts_says_what_is_missing() {
    let scene = Scene::on("2026-06-20").await;
    let run = scene.pass("forecast").await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    let issue = scene.issues("demo/staging").remove(0);
    assert!(issue.body.contains("cannot be told now"), "{}", issue.body);
    assert!(issue.body.contains("- the universe of demo/staging was not read by"), "{}", issue.body);
}

#[tokio::test]
async fn each_job_tells_its_own_and_leaves_what_is_another_ones() {
    let scene = Scene::on("2026-06-20").await;
    scene.github.set_faults(vec!["POST /repos/demo/staging/issues nth 1 status 502".parse().unwrap()]);
    scene.reported(&[]).await;
    scene.github.set_faults(Vec::new());
    assert_eq!(scene.told(), (0, 0), "GitHub did not take the dashboard");
    assert_eq!(scene.pass("forecast").await.state, RunState::Done);
    let titles = |scene: &Scene| -> Vec<String> {
        scene.issues("demo/staging").into_iter().map(|issue| issue.title).collect()
    };
    let forecast = "Demo: what the dependency freeze of 2026-07-15 would change";
    assert_eq!(titles(&scene), [forecast]);
    scene.reported(&[]).await;
    assert_eq!(titles(&scene), [forecast, "Demo: how staging stands"]);
}

#[tokio::test]
async fn the_forecast_of_a_freeze_that_was_moved_ends() {
    let mut scene = Scene::on("2026-06-20").await;
    scene.looked(&[]).await;
    scene.pass("forecast").await;
    scene.day = 8;
    scene.looked(&[]).await;
    scene.pass("forecast").await;
    let [old, new] = <[Issue; 2]>::try_from(scene.issues("demo/staging")).unwrap();
    let ended = "**The calendar has no dependency freeze on 2026-07-15 any more.";
    assert!(old.closed_at.is_some() && old.body.starts_with(ended), "{}", old.body);
    assert!(new.closed_at.is_none() && new.title.contains("2026-07-08"), "{}", new.title);
}
