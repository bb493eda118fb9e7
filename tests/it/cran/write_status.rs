//! The job `write-status` against a simulated GitHub: upstream's bytes, one commit for what changed, whoever else commits
//! and whenever the power fails, and nothing where nobody can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::domain::{Assessment, ChannelStatus, Evidence, Issue};
use tidegate::ecosystem::cran::files::{LedgerFile, StatusFile};
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::git::FileChanges;
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::store::{ActionState, Durability, Run, RunState, Store};
use tokio_util::sync::CancellationToken;

use super::bytes;

const REPOSITORY: &str = "demo/staging";
const FILES: [&str; 3] = ["status.json", "versions.json", "nonstandard_licenses.json"];

fn recorded(file: &str) -> String {
    String::from_utf8(bytes(&format!("current/staging/{file}"))).unwrap()
}

/// The status that the recorded file was written from.
fn recorded_status() -> ChannelStatus {
    let file = StatusFile::read("status.json", recorded("status.json").as_bytes()).unwrap();
    let packages = file.0.iter().map(|(package, entry)| {
        let evidence = if entry.success { Evidence::Passing } else { Evidence::Failing };
        let assessment = Assessment {
            version: entry.version.clone(),
            commit: entry.remote_hash.clone(),
            published: entry.published.clone(),
            evidence,
            settled: None,
            issues: entry.issues.clone(),
            failed_build: None,
            unknown: Vec::new(),
            unknown_through: None,
            held_until: Default::default(),
            outdated_by: Vec::new(),
            from_elsewhere: Vec::new(),
            overridden: None,
            own_check: None,
            cleared: Vec::new(),
        };
        (package.clone(), assessment)
    });
    ChannelStatus { packages: packages.collect(), ..ChannelStatus::default() }
}

/// A channel with its repository, and what other jobs have stored of it.
struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    github: Arc<SimulatedGitHub>,
    served: Served,
    extra: &'static str,
}

impl Scene {
    /// Its repository holds upstream's recorded files as well as these.
    async fn new() -> Self {
        Self::with(&["status.json", "versions.json", "nonstandard_licenses.json", "config.json"]).await
    }

    async fn with(files: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-08-22T10:30:00Z".parse().unwrap());
        let mut state = GitHubState::default();
        let files = files.iter().copied().chain(["packages.json"]).map(|file| (file, recorded(file)));
        state.add(Repository::with_files(REPOSITORY, files, clock.now()).unwrap());
        let journal = folder.path().join("github.jsonl");
        let github = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        let served = github.clone().serve().await.unwrap();
        let store = open(&folder).await;
        let scene = Self { folder, clock, store, github, served, extra: "" };
        let ledger = LedgerFile::read("versions.json", recorded("versions.json").as_bytes()).unwrap();
        scene.store.save_ledger("demo/staging", &ledger.into_ledger()).await.unwrap();
        scene.knows(&recorded_status()).await;
        scene
    }

    /// `check-status` has drawn this.
    async fn knows(&self, status: &ChannelStatus) {
        let bytes = serde_json::to_vec(status).unwrap();
        self.store.record_seen("status:demo/staging", &bytes, self.clock.now()).await.unwrap();
    }

    /// The recorded status with something else.
    async fn knows_but(&self, change: impl FnOnce(&mut ChannelStatus)) {
        let mut status = recorded_status();
        change(&mut status);
        self.knows(&status).await;
    }

    fn configuration(&self) -> Configuration {
        let distribution = format!(
            "title = \"Demo\"\necosystem = \"r-universe\"\n\
             [[channel]]\nname = \"staging\"\nrepository = \"{REPOSITORY}\"\nuniverse = \"https://demo.example\"\n\
             builds = \"demo/builds\"\n\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = 15 }}\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
             [[calendar.phase]]\nname = \"standstill\"\nstarts = {{ month = 2, day = 15 }}\npromote = \"none\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
             [r]\ncran = \"https://cran.example/{{date}}\"\nproduction = \"https://production.example/{{date}}\"\n\
             [[r.release]]\nversion = \"4.6.0\"\ndate = \"2020-01-01\"\n{}",
            self.extra
        );
        let job = "kind = \"write-status\"\ndistribution = \"demo\"\nschedule = \"30 * * * *\"\n\
                   [write-status]\nchannel = \"staging\"\n";
        let files = vec![
            (PathBuf::from("tidegate.toml"), "jobs = \"jobs\"\n".to_owned()),
            (PathBuf::from("distributions/demo.toml"), distribution),
            (PathBuf::from("jobs/files.toml"), job.to_owned()),
        ];
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    async fn pass(&self) -> Run {
        self.pass_that(Pass::Full).await
    }

    /// A pass as a process of its own makes it: it knows what the state says, and no more.
    async fn pass_that(&self, goes: Pass) -> Run {
        let store = open(&self.folder).await;
        let settings =
            GitHubSettings::new(self.served.base_url().parse().unwrap(), "a-token".to_owned().into());
        let github = GitHub::new(settings, store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let configuration = self.configuration();
        let state = self.folder.path().to_owned();
        let services = Services {
            store: store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: state.join("published"),
            signer: Default::default(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(configuration.settings.engine.clone(), state, self.clock.clone()),
        };
        let jobs = Jobs::new(jobs::runnable(&configuration, &Arc::new(services), goes)).unwrap();
        let boot = new_boot_id();
        store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner = Runner::new(store, self.clock.clone(), jobs, boot, limits);
        let run =
            runner.run_once("files", self.clock.now(), "a test", CancellationToken::new()).await.unwrap();
        // The next pass is another occurrence.
        self.clock.set(self.clock.now() + SignedDuration::from_secs(60));
        run
    }

    /// What `replay` says of a run.
    fn decides_again(&self, run: &Run) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("--state")
            .arg(self.folder.path())
            .args(["replay", &run.id.0.to_string()])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn at(&self, time: &str) {
        self.clock.set(time.parse().unwrap());
    }

    fn person_writes(&self, file: &str, text: &str) {
        let changes = FileChanges::write([(file, text)]);
        self.github.commit_as("moderator", REPOSITORY, "main", changes, "By hand", self.clock.now()).unwrap();
    }

    /// The text of a file at the head; none where there is none.
    fn file(&self, path: &str) -> Option<String> {
        self.github.read(|state| {
            let git = state.repository(REPOSITORY).unwrap().git.as_ref().unwrap();
            let head = git.commit(git.branch("main").unwrap()).unwrap();
            let entry = git.entry(head.tree, path)?;
            Some(String::from_utf8(git.blob(entry.oid).unwrap().to_vec()).unwrap())
        })
    }

    /// The messages of the branch's commits without their trailers, newest first, but for the first one ever.
    fn commits(&self) -> Vec<String> {
        self.github.read(|state| {
            let git = state.repository(REPOSITORY).unwrap().git.as_ref().unwrap();
            let (mut messages, mut next) = (Vec::new(), git.branch("main"));
            while let Some(commit) = next.map(|oid| git.commit(oid).unwrap()) {
                next = commit.parents.first().copied();
                if next.is_some() {
                    let lines = commit.message.lines().filter(|line| !line.starts_with("Tidegate-Key: "));
                    messages.push(lines.collect::<Vec<_>>().join("\n").trim().to_owned());
                }
            }
            messages
        })
    }

    fn fault(&self, fault: &str) {
        self.github.set_faults(vec![fault.parse().unwrap()]);
    }

    async fn events(&self) -> Vec<String> {
        let events = self.store.events_after(0, 100).await.unwrap().into_iter();
        events.map(|event| format!("{}: {}", event.kind, event.body["title"].as_str().unwrap())).collect()
    }

    async fn is_settled(&self) -> bool {
        self.store.open_actions().await.unwrap().is_empty()
    }
}

async fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("tidegate.db"), Durability::ProcessCrash).await.unwrap()
}

fn fail(status: &mut ChannelStatus, package: &str) {
    let assessment = status.packages.get_mut(package).unwrap();
    assessment.evidence = Evidence::Failing;
    assessment.issues = vec![Issue::License("file LICENSE".to_owned())];
}

#[tokio::test]
async fn what_upstream_wrote_from_the_same_status_is_not_written_again() {
    let scene = Scene::new().await;
    let run = scene.pass().await;
    assert_eq!(
        (run.state, run.summary.as_deref()),
        (RunState::Unchanged, Some("the files say the same of 112 packages"))
    );
    assert_eq!(scene.commits(), Vec::<String>::new());
}

#[tokio::test]
async fn a_channel_without_these_files_gets_them_with_upstreams_bytes_in_one_commit() {
    let scene = Scene::with(&[]).await;
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    for file in FILES {
        assert_eq!(scene.file(file), Some(recorded(file)), "{file}");
    }
    assert!(scene.decides_again(&run).contains("the same plan again"));
    insta::assert_snapshot!(scene.commits().join("\n---\n"), @"Write the status of staging: 112 packages, 44 failing");
    let again = scene.pass().await;
    assert_eq!(again.state, RunState::Unchanged);
    assert_eq!(scene.commits().len(), 1);
    assert_eq!(scene.store.runs(Some("files"), 10).await.unwrap().len(), 2, "one row for each pass");
    assert_eq!(scene.events().await.len(), 1);
    assert!(scene.is_settled().await);
}

#[tokio::test]
async fn a_commit_says_who_fails_now_and_who_recovered() {
    let scene = Scene::new().await;
    scene.pass().await;
    scene
        .knows_but(|status| {
            for package in ["adbcdrivermanager", "adbcflightsql", "ahocorasick"] {
                fail(status, package);
            }
            let arrow = status.packages.get_mut("arrow").unwrap();
            (arrow.evidence, arrow.issues) = (Evidence::Passing, Vec::new());
        })
        .await;
    let run = scene.pass().await;
    assert_eq!(run.summary.as_deref(), Some("Update the status of staging: 3 now failing, 1 recovered"));
    insta::assert_snapshot!(scene.commits()[0], @r"
    Update the status of staging: 3 now failing, 1 recovered

    Now failing: adbcdrivermanager, adbcflightsql, ahocorasick.
    Recovered: arrow.
    ");
    assert_eq!(
        scene.file("nonstandard_licenses.json").unwrap().lines().nth(2),
        Some("    \"package\": \"adbcdrivermanager\",")
    );
    assert_eq!(scene.file("versions.json"), Some(recorded("versions.json")));
    assert_eq!(scene.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_plan_commits_nothing() {
    let scene = Scene::with(&[]).await;
    let run = scene.pass_that(Pass::PlanOnly).await;
    let summary = run.summary.unwrap();
    assert_eq!(summary, "planned only: would commit: Write the status of staging: 112 packages, 44 failing");
    assert_eq!(scene.commits(), Vec::<String>::new());
}

#[tokio::test]
async fn a_change_by_a_person_is_seen_and_what_follows_from_checks_is_put_right() {
    let scene = Scene::new().await;
    scene.pass().await;
    scene.person_writes("status.json", &recorded("status.json").replacen("true", "false", 1));
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Done);
    insta::assert_snapshot!(scene.commits()[0], @r"
    Update the status of staging: 1 recovered

    Recovered: adbcdrivermanager.
    Somebody else has changed status.json since. Such files follow from the checks, so they say again what these say.
    ");
    assert_eq!(scene.file("status.json"), Some(recorded("status.json")));
    // Something that is no status at all is no reason to stop.
    scene.person_writes("status.json", "soon");
    scene.pass().await;
    assert!(
        scene.commits()[0].starts_with("Write the status of staging: 112 packages"),
        "{}",
        scene.commits()[0]
    );
}

#[tokio::test]
async fn a_package_that_nobody_can_judge_keeps_its_row() {
    let scene = Scene::new().await;
    scene
        .knows_but(|status| {
            for (package, evidence) in [
                ("arrow", Evidence::Pending),
                ("ahocorasick", Evidence::Unknown),
                ("adbcflightsql", Evidence::Pending),
            ] {
                let assessment = status.packages.get_mut(package).unwrap();
                (assessment.evidence, assessment.issues) = (evidence, Vec::new());
                assessment.published = Some("2026-08-22 10:29:00.000 UTC".to_owned());
            }
            let mut new = status.packages["arrow"].clone();
            new.commit = Some("a".repeat(40));
            status.packages.insert("brandnew".to_owned(), new);
        })
        .await;
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Unchanged, "{run:?}");
    assert_eq!(
        scene.commits(),
        Vec::<String>::new(),
        "an unknown package is neither a success nor a failure"
    );
}

#[tokio::test]
async fn nothing_is_written_while_a_guard_holds_or_the_status_is_too_old() {
    let scene = Scene::new().await;
    scene
        .knows_but(|status| {
            fail(status, "ahocorasick");
            status.held = vec!["34 packages lost passing at once".to_owned()];
        })
        .await;
    let held = scene.pass().await;
    assert_eq!(held.state, RunState::Held);
    assert_eq!(
        held.summary.as_deref(),
        Some("nothing is written: a guard holds the status of staging: 34 packages lost passing at once")
    );
    scene.knows_but(|status| fail(status, "ahocorasick")).await;
    scene.at("2026-08-22T18:00:00Z");
    let old = scene.pass().await;
    assert_eq!(old.state, RunState::Held);
    assert!(old.summary.unwrap().contains("was last read at"), "{:?}", old.error);
    assert_eq!(scene.commits(), Vec::<String>::new());
}

/// Commits something after each request for GraphQL, `times` times: between a look and the commit that follows it.
fn meanwhile(github: &Arc<SimulatedGitHub>, at: Timestamp, times: u64) {
    let github = github.clone();
    let asked = |github: &SimulatedGitHub| github.requests().get("POST /graphql").copied().unwrap_or(0);
    let mut before = asked(&github);
    tokio::spawn(async move {
        for time in 0..times {
            while asked(&github) == before {
                tokio::task::yield_now().await;
            }
            before = asked(&github);
            let changes = FileChanges::write([("other", time.to_string())]);
            github.commit_as("someone", REPOSITORY, "main", changes, "Something else", at).unwrap();
        }
    });
}

#[tokio::test]
async fn a_lost_race_is_run_again_on_the_new_head() {
    let scene = Scene::with(&[]).await;
    meanwhile(&scene.github, scene.clock.now(), 1);
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    let commits = scene.commits();
    assert_eq!(commits.len(), 2, "{commits:?}");
    assert_eq!(commits[1], "Something else");
    assert!(scene.is_settled().await);
}

#[tokio::test]
async fn a_race_that_is_lost_three_times_is_given_up_for_now() {
    let scene = Scene::with(&[]).await;
    meanwhile(&scene.github, scene.clock.now(), 1000);
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert!(run.error.unwrap().contains("moved under every attempt"));
    assert!(scene.commits().iter().all(|message| message == "Something else"), "{:?}", scene.commits());
    assert!(scene.file("status.json").is_none());
}

#[tokio::test]
async fn a_crash_before_the_commit_leaves_it_to_the_next_pass() {
    let scene = Scene::with(&[]).await;
    scene.fault("graphql createCommitOnBranch nth 1 drop-before");
    assert_eq!(scene.pass().await.state, RunState::Failed);
    assert_eq!(scene.commits(), Vec::<String>::new());
    assert!(!scene.is_settled().await, "the intention is known");
    assert_eq!(scene.pass().await.state, RunState::Done);
    assert_eq!(scene.commits().len(), 1);
    assert!(scene.is_settled().await);
}

#[tokio::test]
async fn a_crash_after_the_commit_is_found_by_its_trailer_and_told_once() {
    let scene = Scene::with(&[]).await;
    scene.fault("graphql createCommitOnBranch nth 1 drop-after");
    assert_eq!(scene.pass().await.state, RunState::Failed);
    assert_eq!((scene.commits().len(), scene.events().await.len()), (1, 0));
    let open = scene.store.open_actions().await.unwrap().remove(0);
    let run = scene.pass().await;
    assert_eq!(run.summary.as_deref(), Some("took over the commit of an interrupted pass"));
    let done = scene.store.action(&open.key).await.unwrap().unwrap();
    assert_eq!(done.state, ActionState::Done);
    assert_eq!(done.receipt.unwrap()["oid"].as_str().map(str::len), Some(40));
    assert_eq!(scene.events().await, ["commit: Write the status of staging: 112 packages, 44 failing"]);
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
    assert_eq!(scene.commits().len(), 1, "never twice");
}

#[tokio::test]
async fn a_crash_after_the_commit_is_found_though_somebody_has_committed_since() {
    let scene = Scene::with(&[]).await;
    scene.fault("graphql createCommitOnBranch nth 1 drop-after");
    scene.pass().await;
    scene.person_writes("README.md", "Hello\n");
    let run = scene.pass().await;
    assert_eq!(run.summary.as_deref(), Some("took over the commit of an interrupted pass"));
    assert_eq!(scene.commits().len(), 2);
    assert!(scene.is_settled().await);
    // Nobody else is blamed for what tidegate wrote itself.
    scene.knows_but(|status| fail(status, "ahocorasick")).await;
    scene.pass().await;
    assert!(!scene.commits()[0].contains("Somebody else"), "{}", scene.commits()[0]);
}

#[tokio::test]
async fn config_json_goes_a_week_after_the_snapshot_and_no_sooner() {
    let scene = Scene::new().await;
    for day in ["2026-09-15", "2026-09-21"] {
        scene.at(&format!("{day}T23:30:00Z"));
        scene.knows(&recorded_status()).await;
        assert_eq!(scene.pass().await.state, RunState::Unchanged, "{day}");
    }
    scene.at("2026-09-22T00:30:00Z");
    scene.knows(&recorded_status()).await;
    let run = scene.pass().await;
    assert_eq!(run.summary.as_deref(), Some("Delete config.json after the snapshot of 2026-09-15"));
    assert_eq!(scene.file("config.json"), None);
    assert_eq!(scene.file("packages.json"), Some(recorded("packages.json")));
    insta::assert_snapshot!(scene.commits()[0], @r"
    Delete config.json after the snapshot of 2026-09-15

    config.json goes, since the snapshot of 2026-09-15 is done: builds follow today's CRAN until the next dependency freeze writes it anew.
    ");
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
}

#[tokio::test]
async fn the_clean_up_waits_for_no_status() {
    let scene = Scene::new().await;
    scene.at("2026-09-22T00:30:00Z");
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Held);
    let summary = run.summary.unwrap();
    assert!(
        summary.starts_with(
            "Delete config.json after the snapshot of 2026-09-15; no status is written: the status of"
        ),
        "{summary}"
    );
    assert_eq!(scene.file("config.json"), None);
}

#[tokio::test]
async fn the_day_of_the_clean_up_is_a_policy_and_what_a_person_wrote_there_stays() {
    let mut scene = Scene::new().await;
    scene.extra = "[policy]\nconfig_json_days = 20\n";
    scene.at("2026-10-04T12:30:00Z");
    scene.knows(&recorded_status()).await;
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
    scene.person_writes("config.json", "{\"anything\": \"else\"}\n");
    scene.at("2026-10-05T12:30:00Z");
    scene.knows(&recorded_status()).await;
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
    assert!(scene.file("config.json").is_some());
    // The next cycle's is not over.
    scene.person_writes("config.json", "{\n  \"cran_version\": \"2026-10-15\"\n}\n");
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
    scene.person_writes("config.json", &recorded("config.json"));
    assert_eq!(scene.pass().await.state, RunState::Done);
    assert_eq!(scene.file("config.json"), None);
}

#[test]
fn versions_of_packages_that_have_left_are_not_in_the_file() {
    let ledger =
        LedgerFile::read("versions.json", recorded("versions.json").as_bytes()).unwrap().into_ledger();
    let packages: BTreeSet<String> = ["Zeta", "arrow", "ahocorasick"].map(str::to_owned).into();
    let file = LedgerFile::of(&ledger, packages.iter());
    let names: BTreeMap<usize, &str> = file.0.iter().map(|row| row.package.as_str()).enumerate().collect();
    assert_eq!(names, BTreeMap::from([(0, "ahocorasick"), (1, "arrow")]));
}
