//! A distribution with a community and a staging channel on a simulated GitHub, its jobs `releases` and
//! `staging`, and a clock of its own.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::domain::{Listing, Verdict};
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::poll_releases::{SeenRelease, SeenReleases};
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::Event as PerformedEvent;
use tidegate::rehearse::github::git::{Commit, FileChanges, Oid, Signature};
use tidegate::rehearse::github::pulls::{MergeMethod, PullEdit, PullMerge, PullState};
use tidegate::rehearse::github::state::{PullRequest, Release, Standing};
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::store::{Durability, Event, Run, RunState, Store};
use tokio_util::sync::CancellationToken;

pub const COMMUNITY: &str = "demo/community";
pub const STAGING: &str = "demo/staging";

/// Some days before the scene begins.
pub const EARLIER: &str = "2026-04-01T00:00:00Z";
pub const LATER: &str = "2026-04-10T00:00:00Z";

/// The text of a DESCRIPTION.
pub fn description(package: &str, version: &str) -> String {
    format!("Package: {package}\nVersion: {version}\nTitle: A Demo\nLicense: MIT\nAuthor: A. Body\n")
}

/// A row of `packages.json` that follows releases.
pub fn row(package: &str, repository: &str) -> Value {
    json!({"package": package, "url": format!("https://github.com/{repository}"), "branch": "*release"})
}

pub struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub store: Store,
    pub github: Arc<SimulatedGitHub>,
    served: Served,
    /// What the policy of the distribution says beside its defaults.
    pub policy: &'static str,
}

impl Scene {
    /// A community that lists these rows; nothing is upstream yet.
    pub async fn listing(rows: &[Value]) -> Self {
        tidegate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-04-16T08:00:00Z".parse().unwrap());
        let mut state = GitHubState::default();
        let list = |rows: &[Value]| [("packages.json", Value::from(rows.to_vec()).to_string())];
        for (repository, rows) in [(COMMUNITY, rows), (STAGING, &[])] {
            state.add(Repository::with_files(repository, list(rows), clock.now()).unwrap());
        }
        let journal = folder.path().join("github.jsonl");
        let github = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        let store =
            Store::open(&folder.path().join("state/tidegate.db"), Durability::ProcessCrash).await.unwrap();
        let served = github.clone().serve().await.unwrap();
        Self { folder, clock, store, github, served, policy: "" }
    }

    /// One package of its own repository at release 1.0.0.
    pub async fn of_one() -> Self {
        let scene = Self::listing(&[row("alpha", "owner/alpha")]).await;
        scene.release("owner/alpha", "v1.0.0", &[("DESCRIPTION", &description("alpha", "1.0.0"))], EARLIER);
        scene
    }

    /// A release of a repository, which is made where it is not there yet. Returns its commit.
    pub fn release(&self, repository: &str, tag: &str, files: &[(&str, &str)], at: &str) -> String {
        let commit = self.commit(repository, files, at);
        let at: Timestamp = at.parse().unwrap();
        self.change(repository, |known| known.releases.push(Release::new(tag, commit.clone(), at)));
        commit
    }

    /// A commit on the default branch.
    pub fn commit(&self, repository: &str, files: &[(&str, &str)], at: &str) -> String {
        let at: Timestamp = at.parse().unwrap();
        let mut made = None;
        self.github.happen(|state| {
            let known = state
                .repositories
                .entry(repository.to_lowercase())
                .or_insert_with(|| Repository::with_files(repository, [("README.md", "hello")], at).unwrap());
            let git = known.git.as_mut().unwrap();
            let tree = git.write_files(None, &FileChanges::write(files.iter().copied())).unwrap();
            let author = Signature::of("maintainer", at);
            let message = format!("A commit of {at}");
            let commit = Commit { tree, parents: Vec::new(), committer: author.clone(), author, message };
            let oid = git.store_commit(commit).unwrap();
            git.refs.insert("refs/heads/main".to_owned(), oid);
            made = Some(oid);
        });
        made.unwrap().to_string()
    }

    /// A tag without a release.
    pub fn tag(&self, repository: &str, tag: &str, commit: &str) {
        let oid: Oid = commit.parse().unwrap();
        self.change(repository, |known| {
            known.git.as_mut().unwrap().refs.insert(format!("refs/tags/{tag}"), oid);
        });
    }

    /// Something becomes of a repository.
    pub fn change(&self, repository: &str, change: impl FnOnce(&mut Repository)) {
        self.github.happen(|state| change(state.repositories.get_mut(&repository.to_lowercase()).unwrap()));
    }

    pub fn becomes(&self, repository: &str, standing: Standing) {
        self.change(repository, |known| known.standing = standing);
    }

    /// Its owner renames or gives away a repository.
    pub fn move_repository(&self, from: &str, to: &str) {
        self.github.happen(|state| {
            let mut moved = state.repositories[&from.to_lowercase()].clone();
            moved.name = to.to_owned();
            let mut old = Repository::upstream(from);
            old.standing = Standing::RenamedTo(to.to_owned());
            state.add(moved);
            state.add(old);
        });
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn hours_later(&self, hours: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_hours(hours));
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        let channel = |name: &str| {
            format!(
                "[[channel]]\nname = \"{name}\"\nrepository = \"demo/{name}\"\n\
                 universe = \"https://{name}.example.org\"\nbuilds = \"demo/builds-{name}\"\n"
            )
        };
        let distribution = format!(
            "title = \"Demo\"\necosystem = \"r-universe\"\n{}{}\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = {{ month = 0, day = 15 }}\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = {{ month = 1, day = 15 }}\npromote = \"failing-only\"\n\
             [[calendar.phase]]\nname = \"standstill\"\nstarts = {{ month = 2, day = 15 }}\npromote = \"none\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = {{ month = 2, day = 15 }}\n\
             [r]\ncran = \"https://cran.example.org/{{date}}\"\nproduction = \"https://production.example.org/{{date}}\"\n\
             [[r.release]]\nversion = \"4.5.0\"\ndate = \"2020-01-01\"\n[policy]\n{}\n",
            channel("community"),
            channel("staging"),
            self.policy
        );
        let job = |kind: &str, table: &str| {
            format!(
                "kind = \"{kind}\"\ndistribution = \"demo\"\nschedule = \"2 * * * *\"\n[{kind}]\n{table}\n"
            )
        };
        vec![
            ("tidegate.toml", "jobs = \"jobs\"\n".to_owned()),
            ("distributions/demo.toml", distribution),
            ("jobs/releases.toml", job("poll-releases", "channel = \"community\"")),
            ("jobs/staging.toml", job("promote", "from = \"community\"\nto = \"staging\"")),
        ]
    }

    fn configuration(&self) -> Configuration {
        let files = self.files().into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect();
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// One pass of a job, an hour after the last one. The simulated GitHub has nothing to complain about.
    pub async fn pass(&self, job: &str) -> Run {
        let run = self.attempt(job).await;
        assert_eq!(self.github.violations(), Vec::<String>::new());
        assert!(matches!(run.state, RunState::Done | RunState::Unchanged), "{run:?}");
        run
    }

    /// The same, where GitHub may have to complain.
    pub async fn attempt(&self, job: &str) -> Run {
        let configuration = self.configuration();
        let mut settings = GitHubSettings::new(
            self.served.base_url().parse().unwrap(),
            "a-token-of-a-test".to_owned().into(),
        );
        settings.timeout = Duration::from_secs(2);
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
        let run = runner.run_once(job, self.clock.now(), "a test", CancellationToken::new()).await.unwrap();
        self.hours_later(1);
        run
    }

    /// What is known of the upstream of a package.
    pub async fn seen(&self, package: &str) -> SeenRelease {
        let fact = self.store.latest_seen("releases:demo").await.unwrap().unwrap();
        let mut seen: SeenReleases = serde_json::from_slice(&fact.bytes).unwrap();
        seen.remove(package).unwrap()
    }

    /// The version that counts, or nothing.
    pub async fn version(&self, package: &str) -> String {
        self.seen(package).await.release.map(|release| release.version).unwrap_or_default()
    }

    /// The decision on a package in staging that is in force.
    pub async fn verdict(&self, package: &str) -> Verdict {
        let history = self.store.verdict_history(package).await.unwrap();
        let in_force =
            history.into_iter().find(|verdict| verdict.scope == "staging" && verdict.until.is_none());
        serde_json::from_value(in_force.unwrap_or_else(|| panic!("no verdict on {package}")).body).unwrap()
    }

    /// Events of a kind, each as its package and a field of its body.
    pub async fn told(&self, kind: &str, field: &str) -> Vec<String> {
        let events: Vec<Event> = self.store.events_after(0, 1_000).await.unwrap();
        let of_kind = events.into_iter().filter(|event| event.kind == kind);
        of_kind
            .map(|event| {
                let value =
                    event.body[field].as_str().map_or_else(|| event.body[field].to_string(), str::to_owned);
                format!("{} {value}", event.package.unwrap_or_default())
            })
            .collect()
    }

    /// The list of a channel's repository, by package.
    pub fn list(&self, repository: &str) -> BTreeMap<String, Listing> {
        let text = self.github.read(|state| {
            let git = state.repository(repository).unwrap().git.as_ref().unwrap();
            let head = git.commit(git.branch("main").unwrap()).unwrap().tree;
            String::from_utf8(git.blob(git.entry(head, "packages.json").unwrap().oid).unwrap().to_vec())
                .unwrap()
        });
        let rows: Vec<Listing> = serde_json::from_str(&text).unwrap();
        rows.into_iter().map(|row| (row.package.clone(), row)).collect()
    }

    /// The pull requests of a repository, oldest first.
    pub fn pulls(&self, repository: &str) -> Vec<PullRequest> {
        self.github.read(|state| state.repository(repository).unwrap().pulls.values().cloned().collect())
    }

    /// A moderator merges a pull request.
    pub fn merge(&self, repository: &str, number: u64) {
        let merge = PullMerge {
            repository: repository.to_owned(),
            number,
            method: MergeMethod::Merge,
            message: None,
            by: "moderator".to_owned(),
            at: self.clock.now(),
        };
        self.github.perform(PerformedEvent::PullMerged(merge)).unwrap();
    }

    /// A person closes a pull request without merging it.
    pub fn close(&self, repository: &str, number: u64) {
        let edit = PullEdit {
            repository: repository.to_owned(),
            number,
            title: None,
            body: None,
            state: Some(PullState::Closed),
            base: None,
            by: "moderator".to_owned(),
            at: self.clock.now(),
        };
        self.github.perform(PerformedEvent::PullEdited(edit)).unwrap();
    }

    /// How many writes GitHub was asked for.
    pub fn writes(&self) -> u64 {
        let requests = self.github.requests();
        requests
            .iter()
            .filter(|(call, _)| !call.starts_with("GET ") && *call != "POST /graphql")
            .map(|(_, n)| n)
            .sum()
    }

    /// What a command says, run on this state.
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
