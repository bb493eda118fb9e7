//! A distribution whose staging packages fail in a candidate freeze, so that each newer release is proposed.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::domain::{ChannelStatus, Evidence, Issue};
use tidegate::ecosystem::cran::files::{ConfigFile, SnapshotRecord, write_snapshot};
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::sources::names;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::event::{Expect, RefChange};
use tidegate::rehearse::github::git::FileChanges;
use tidegate::rehearse::github::pulls::{MergeMethod, NewPullRequest, PullEdit, PullMerge, PullState};
use tidegate::rehearse::github::state::{Fork, PullRequest};
use tidegate::rehearse::github::{Event, GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::store::{Durability, Event as Told, PullRequestState, Run, RunState, Store};
use tokio_util::sync::CancellationToken;

use crate::rules::facts::{assessment, check, commit};

pub const STAGING: &str = "demo/staging";
const COMMUNITY: &str = "demo/community";

/// The distribution, its services and its state.
pub struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub store: Store,
    pub github: Arc<SimulatedGitHub>,
    served: Served,
    releases: BTreeMap<String, (String, String)>,
    failing: BTreeMap<String, String>,
    /// Further lines of the distribution's `[policy]` and `[policy.pull_request]`.
    pub policy: String,
    pub pull_request: String,
    pub exceptions: String,
    /// What community's universe passes: the version of each package.
    pub community: BTreeMap<String, String>,
}

impl Scene {
    /// In the candidate freeze: packages of staging, each at 1.0, and failing there.
    pub async fn of(packages: &[&str]) -> Self {
        Self::at("2026-05-20T08:00:00Z", packages, &Value::Null).await
    }

    /// At a time; `extra` are fields that every row of staging has besides.
    pub async fn at(time: &str, packages: &[&str], extra: &Value) -> Self {
        tidegate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(time.parse().unwrap());
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        let path = folder.path().join("state/tidegate.db");
        let store = Store::open(&path, Durability::ProcessCrash).await.unwrap();
        let mut state = GitHubState::default();
        let community = packages.iter().map(|package| row(package, "*release", &Value::Null)).collect();
        let staging = packages.iter().map(|package| row(package, &commit(package, "1.0"), extra)).collect();
        let config = ConfigFile { cran_version: "2026-04-15".parse().unwrap() };
        let record = write_snapshot(&SnapshotRecord {
            dependency_freeze: "2026-04-15".parse().unwrap(),
            candidate_freeze: "2026-05-15".parse().unwrap(),
            snapshot: "2026-06-15".parse().unwrap(),
            r: "4.5".to_owned(),
            cran: "https://packagemanager.posit.co/cran/2026-04-15".to_owned(),
            r_multiverse: "https://production.example.org/2026-06-15".to_owned(),
        });
        let files = |list: Value| [("packages.json", pretty(&list))];
        let add = |state: &mut GitHubState, name: &str, files: Vec<(&str, String)>| {
            let made = Repository::with_files(name, files, clock.now());
            state.add(made.unwrap_or_else(|_| panic!("no repository")));
        };
        add(&mut state, COMMUNITY, files(community).into());
        let mut files: Vec<(&str, String)> = files(staging).into();
        files.push(("config.json", config.write()));
        files.push(("snapshot.json", record));
        add(&mut state, STAGING, files);
        for package in packages {
            let description = format!("Package: {package}\nVersion: 1.1\nTitle: Made Up\n");
            add(&mut state, &format!("owner/{package}"), vec![("DESCRIPTION", description)]);
        }
        let journal = folder.path().join("github.jsonl");
        let github = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        let served = github.clone().serve().await.unwrap();
        let each = |version: &str| {
            packages.iter().map(|package| ((*package).to_owned(), version.to_owned())).collect()
        };
        let at = |(package, version): (String, String)| {
            let commit = commit(&package, &version);
            (package, (version, commit))
        };
        Self {
            releases: BTreeMap::into_iter(each("1.0")).map(at).collect(),
            failing: each("1.0"),
            folder,
            clock,
            store,
            github,
            served,
            policy: String::new(),
            pull_request: String::new(),
            exceptions: String::new(),
            community: BTreeMap::new(),
        }
    }

    /// Upstream publishes this version.
    pub fn release(&mut self, package: &str, version: &str) {
        self.releases.insert(package.to_owned(), (version.to_owned(), commit(package, version)));
    }

    /// Staging's universe has this version of a package, failing.
    pub fn builds(&mut self, package: &str, version: &str) {
        self.failing.insert(package.to_owned(), version.to_owned());
    }

    pub fn later(&self, minutes: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(minutes));
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        let distribution = format!(
            "title = \"Demo\"\necosystem = \"r-universe\"\n\
             [[channel]]\nname = \"community\"\nrepository = \"{COMMUNITY}\"\n\
             [[channel]]\nname = \"staging\"\nrepository = \"{STAGING}\"\n\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = 15 }}\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
             [[calendar.phase]]\nname = \"standstill\"\nstarts = {{ month = 2, day = 15 }}\npromote = \"none\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
             [r]\ncran = \"https://packagemanager.posit.co/cran/{{date}}\"\n\
             production = \"https://production.example.org/{{date}}\"\n\
             [[r.release]]\nversion = \"4.5.0\"\ndate = \"2025-04-11\"\n\
             [policy]\n{}\n[policy.pull_request]\n{}\n",
            self.policy, self.pull_request
        );
        let promote = "kind = \"promote\"\ndistribution = \"demo\"\nschedule = \"17 * * * *\"\n\
                       [promote]\nfrom = \"community\"\nto = \"staging\"\n";
        vec![
            ("tidegate.toml", "jobs = \"jobs\"\n".to_owned()),
            ("distributions/demo.toml", distribution),
            ("distributions/demo.exceptions.toml", self.exceptions.clone()),
            ("jobs/staging.toml", promote.to_owned()),
        ]
    }

    /// One pass now, with fresh facts of the other jobs. Ten minutes go by after it.
    pub async fn pass(&self) -> Run {
        self.observe().await;
        let files = self.files().into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect();
        let configuration =
            Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let address = self.served.base_url().parse().unwrap();
        let settings = GitHubSettings::new(address, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let state = self.folder.path().join("state");
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            signer: Default::default(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(configuration.settings.engine.clone(), state, self.clock.clone()),
        };
        let jobs = Jobs::new(jobs::runnable(&configuration, &Arc::new(services), Pass::Full)).unwrap();
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        let stop = CancellationToken::new();
        let run = runner.run_once("staging", self.clock.now(), "a test", stop).await.unwrap();
        self.later(10);
        run
    }

    async fn observe(&self) {
        let now = self.clock.now();
        let releases: BTreeMap<&String, Value> = self
            .releases
            .iter()
            .map(|(package, (version, commit))| {
                let release = json!({ "tag": format!("v{version}"), "commit": commit, "version": version, "problems": [] });
                (package, json!({ "release": release, "answered": true }))
            })
            .collect();
        let bytes = serde_json::to_vec(&releases).unwrap();
        self.store.record_seen(&names::releases("demo"), &bytes, now).await.unwrap();
        let fails = |(package, version): (&String, &String)| {
            let mut known = assessment(package, version);
            known.evidence = Evidence::Failing;
            known.issues = vec![Issue::RCmdCheck(vec![check("ERROR", "linux-release-x86_64")])];
            (package.clone(), known)
        };
        let status = ChannelStatus {
            r_series: "4.5".to_owned(),
            frozen_date: "2026-04-15".to_owned(),
            packages: self.failing.iter().map(fails).collect(),
            ..ChannelStatus::default()
        };
        let bytes = serde_json::to_vec(&status).unwrap();
        self.store.record_seen(&names::status("demo", "staging"), &bytes, now).await.unwrap();
        if !self.community.is_empty() {
            let passes =
                |(package, version): (&String, &String)| (package.clone(), assessment(package, version));
            let packages = self.community.iter().map(passes).collect();
            let bytes = serde_json::to_vec(&ChannelStatus { packages, ..ChannelStatus::default() }).unwrap();
            self.store.record_seen(&names::status("demo", "community"), &bytes, now).await.unwrap();
        }
    }

    /// Passes until one has nothing to do; then one more, which has to write nothing and store one row.
    pub async fn settle(&self) {
        for _ in 0..8 {
            if self.pass().await.state == RunState::Unchanged {
                let before = self.writes();
                assert_eq!(self.pass().await.state, RunState::Unchanged);
                assert_eq!(self.writes(), before, "a settled pass writes");
                assert_eq!(self.store.open_actions().await.unwrap(), [], "an action is left open");
                assert_eq!(self.github.violations(), Vec::<String>::new());
                return;
            }
        }
        panic!("it never settles");
    }

    /// How many requests could have written.
    fn writes(&self) -> u64 {
        let requests = self.github.requests();
        requests
            .iter()
            .filter(|(call, _)| !call.starts_with("GET ") && *call != "POST /graphql")
            .map(|(_, n)| n)
            .sum()
    }

    pub fn faults(&self, faults: &[&str]) {
        self.github.set_faults(faults.iter().map(|fault| fault.parse().unwrap()).collect());
    }

    /// All pull requests, one line each.
    pub fn pulls(&self) -> Vec<String> {
        let line = |pull: &PullRequest| {
            let state = match (&pull.merged, pull.is_open()) {
                (Some(_), _) => "merged",
                (None, true) => "open",
                (None, false) => "closed",
            };
            format!("#{} {state}: {}", pull.number, pull.title)
        };
        self.github.read(|state| state.repository(STAGING).unwrap().pulls.values().map(line).collect())
    }

    pub fn pull(&self, number: u64) -> PullRequest {
        self.github.read(|state| state.repository(STAGING).unwrap().pulls[&number].clone())
    }

    /// The comments on a pull request.
    pub fn comments(&self, number: u64) -> Vec<String> {
        self.github.read(|state| {
            let comments = state.repository(STAGING).unwrap().comments.iter();
            comments.filter(|comment| comment.number == number).map(|comment| comment.body.clone()).collect()
        })
    }

    /// The kind of the verdict on a package now, with its reason.
    pub async fn verdict(&self, package: &str) -> String {
        let verdicts = self.store.verdicts_at("demo", "staging", self.clock.now()).await.unwrap();
        let verdict = &verdicts[package];
        format!("{}: {}", verdict.kind, verdict.body["reason"].as_str().unwrap())
    }

    /// How our rows of pull requests stand.
    pub async fn rows(&self) -> Vec<(i64, PullRequestState)> {
        let rows = self.store.pull_requests(STAGING).await.unwrap();
        let mut rows: Vec<_> = rows.iter().map(|row| (row.number.unwrap(), row.state)).collect();
        rows.sort_by_key(|(number, _)| *number);
        rows
    }

    /// What was told of that kind.
    pub async fn told(&self, kind: &str) -> Vec<Told> {
        let events = self.store.events_after(0, 1_000).await.unwrap();
        events.into_iter().filter(|event| event.kind == kind).collect()
    }

    fn edit(&self, number: u64, state: PullState) {
        let edit = PullEdit {
            repository: STAGING.to_owned(),
            number,
            title: None,
            body: None,
            state: Some(state),
            base: None,
            by: "moderator".to_owned(),
            at: self.clock.now(),
        };
        self.github.perform(Event::PullEdited(edit)).unwrap();
    }

    pub fn close(&self, number: u64) {
        self.edit(number, PullState::Closed);
    }

    pub fn reopen(&self, number: u64) {
        self.edit(number, PullState::Open);
    }

    pub fn merge(&self, number: u64) {
        let merge = PullMerge {
            repository: STAGING.to_owned(),
            number,
            method: MergeMethod::Merge,
            message: None,
            by: "moderator".to_owned(),
            at: self.clock.now(),
        };
        self.github.perform(Event::PullMerged(merge)).unwrap();
    }

    pub fn label(&self, number: u64, label: &str) {
        let labels = vec![label.to_owned()];
        let (repository, at) = (STAGING.to_owned(), self.clock.now());
        self.github.perform(Event::LabelsSet { repository, number, labels, at }).unwrap();
    }

    /// A person commits a file to a branch.
    pub fn commit(&self, branch: &str, file: &str, text: &str) {
        let changes = FileChanges::write([(file, text)]);
        self.github.commit_as("someone", STAGING, branch, changes, "By hand", self.clock.now()).unwrap();
    }

    /// A person makes a branch at the head of `main`, or deletes one.
    pub fn branch(&self, name: &str, made: bool) {
        let head = self
            .github
            .read(|state| state.repository(STAGING).unwrap().git.as_ref().unwrap().branch("main").unwrap());
        let change = RefChange {
            name: format!("refs/heads/{name}"),
            expect: Expect::Anything,
            after: made.then_some(head),
            force: false,
        };
        let (repository, by, at) = (STAGING.to_owned(), "someone".to_owned(), self.clock.now());
        self.github.perform(Event::RefsChanged { repository, changes: vec![change], by, at }).unwrap();
    }

    /// A person opens a pull request from a branch of the repository, or of a fork.
    pub fn open(&self, head: &str, body: &str, fork: Option<Fork>) {
        self.open_as("someone", head, body, fork);
    }

    pub fn open_as(&self, by: &str, head: &str, body: &str, fork: Option<Fork>) {
        let new = NewPullRequest {
            repository: STAGING.to_owned(),
            title: "By hand".to_owned(),
            body: body.to_owned(),
            head: head.to_owned(),
            fork,
            base: "main".to_owned(),
            draft: false,
            by: by.to_owned(),
            at: self.clock.now(),
        };
        self.github.perform(Event::PullOpened(new)).unwrap();
    }

    /// A commit of a package's own repository at which it has version 1.1, and that no release points at.
    pub fn unreleased(&self, package: &str) -> String {
        self.github.read(|state| {
            let repository = state.repository(&format!("owner/{package}")).unwrap();
            repository.git.as_ref().unwrap().branch("main").unwrap().to_string()
        })
    }

    /// A person makes a branch on which a package is pinned at a commit.
    pub fn branch_that_pins_at(&self, branch: &str, package: &str, commit: &str) {
        self.branch(branch, true);
        self.commit(branch, "packages.json", &self.list_with(package, commit));
    }

    /// A person makes a branch on which a package is pinned at a version.
    pub fn branch_that_pins(&self, branch: &str, package: &str, version: &str) {
        self.branch(branch, true);
        self.commit(branch, "packages.json", &self.list_with(package, &commit(package, version)));
    }

    /// A person pins a package on `main`.
    pub fn pin(&self, package: &str, version: &str) {
        self.commit("main", "packages.json", &self.list_with(package, &commit(package, version)));
    }

    /// A person takes a package's row out.
    pub fn remove(&self, package: &str) {
        let mut rows = self.rows_of_file();
        rows.retain(|row| row["package"] != package);
        self.commit("main", "packages.json", &pretty(&Value::Array(rows)));
    }

    fn list_with(&self, package: &str, commit: &str) -> String {
        let mut rows = self.rows_of_file();
        rows.iter_mut().filter(|row| row["package"] == package).for_each(|row| row["branch"] = commit.into());
        pretty(&Value::Array(rows))
    }

    fn rows_of_file(&self) -> Vec<Value> {
        serde_json::from_str(&self.file("main", "packages.json")).unwrap()
    }

    /// A file of staging at the head of a branch.
    pub fn file(&self, branch: &str, path: &str) -> String {
        self.github.read(|state| {
            let git = state.repository(STAGING).unwrap().git.as_ref().unwrap();
            let tree = git.commit(git.branch(branch).unwrap()).unwrap().tree;
            let changed = git.differences(None, Some(tree));
            let entry = changed[path].1.clone().unwrap();
            String::from_utf8(git.blob(entry.oid).unwrap().to_vec()).unwrap()
        })
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
            .arg(self.folder.path().join("state"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn row(package: &str, branch: &str, extra: &Value) -> Value {
    let mut row = json!({ "package": package, "url": format!("https://github.com/owner/{package}") });
    if let (Some(row), Some(extra)) = (row.as_object_mut(), extra.as_object()) {
        row.extend(extra.clone());
    }
    row["branch"] = branch.into();
    row
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}
