//! A distribution of two platforms, a simulated GitHub with artifacts, and the job that takes builds in.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::{Configuration, Engines as EngineSettings};
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::rehearse::github::state::{Artifact, WorkflowRun};
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use tidegate::store::{Durability, NewNotice, Notice, NoticeKind, Run, Store, Taken};
use tidegate::web::token::digest;
use tokio_util::sync::CancellationToken;

use super::super::made::{Made, made, zipped};

pub const REPOSITORY: &str = "qiime2/q2-types";
const JOB: &str = "intake";
pub const TOKEN: &str = "0b9a8f60-6c83-4c39-8e1b-6d3a1f0a3c11";

pub struct Scene {
    pub folder: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub store: Store,
    pub simulated: Arc<SimulatedGitHub>,
    /// What the distribution's file says beside the rest.
    pub more: &'static str,
    served: Served,
}

/// A build of q2-types for a platform.
pub fn build(version: &str, subdir: &str) -> Made {
    made("q2-types", version, "py38_0").with("subdir", json!(subdir)).with("noarch", json!(null))
}

/// A zip file with these packages, each in the folder of its platform.
pub fn artifact_of(packages: &[Made]) -> Vec<u8> {
    let member = |package: &Made| {
        let subdir = package.index["subdir"].as_str().unwrap();
        let name = format!("{subdir}/{}", package.file_name(ArchiveFormat::TarBz2));
        (name, package.bytes(ArchiveFormat::TarBz2))
    };
    let mut members: Vec<(String, Vec<u8>)> = packages.iter().map(member).collect();
    members.push(("channeldata.json".to_owned(), b"{}".to_vec()));
    zipped(&members)
}

impl Scene {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("drop")).unwrap();
        std::fs::create_dir_all(folder.path().join("published/tiny")).unwrap();
        let clock = ManualClock::new("2026-11-20T04:00:00Z".parse().unwrap());
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        let mut repository = Repository::upstream(REPOSITORY);
        repository.runs = (1..=9).map(|id| run(id, clock.now())).collect();
        let mut state = GitHubState::default();
        state.add(repository);
        let journal = folder.path().join("github.journal");
        let simulated = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        let served = simulated.clone().serve().await.unwrap();
        Self { folder, clock, store, simulated, more: "", served }
    }

    pub fn drop_folder(&self) -> PathBuf {
        self.folder.path().join("drop")
    }

    pub fn tested(&self) -> PathBuf {
        self.folder.path().join("published/tiny/tested")
    }

    pub fn later(&self, minutes: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(minutes));
    }

    /// Sets the artifacts that can be seen: run, name and content.
    pub fn artifacts(&self, artifacts: &[(u64, &str, Vec<u8>)]) {
        let all = artifacts.iter().enumerate().map(|(index, (run_id, name, content))| Artifact {
            id: 100 + index as u64,
            run_id: *run_id,
            name: (*name).to_owned(),
            content: content.clone(),
            created_at: self.clock.now(),
            expired: false,
        });
        self.simulated.set_artifacts(REPOSITORY, all.collect());
    }

    /// A notice of q2-types, as the web server keeps it.
    pub async fn notice(&self, version: &str, run_id: u64, artifact: &str) {
        let payload = json!({ "package_name": "q2-types", "version": version });
        self.keep(NoticeKind::Integrate, run_id, artifact, payload).await;
    }

    pub async fn keep(&self, kind: NoticeKind, run_id: u64, artifact: &str, payload: serde_json::Value) {
        let repository = if kind == NoticeKind::Integrate { REPOSITORY } else { "" };
        let notice = NewNotice {
            kind,
            distribution: "tiny".to_owned(),
            repository: repository.to_owned(),
            run_id,
            artifact: artifact.to_owned(),
            payload,
        };
        assert_eq!(self.store.take_notice(&[notice], self.clock.now()).await.unwrap(), Taken::New);
    }

    pub async fn notices(&self) -> Vec<Notice> {
        self.store.notices("tiny", 100).await.unwrap()
    }

    /// Everything that was told, a line for each event.
    pub async fn told(&self) -> String {
        let events = self.store.events_after(0, 1000).await.unwrap();
        let line = |event: &tidegate::store::Event| {
            let word = |key: &str| event.body.get(key).map(|word| format!(" {word}")).unwrap_or_default();
            let package = event.package.clone().unwrap_or_else(|| "-".to_owned());
            format!("{} {package}:{}{}{}", event.kind, word("version"), word("files"), word("why"))
        };
        events.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The packages that readers of the channel see.
    pub fn published(&self) -> Vec<String> {
        let mut files = Vec::new();
        for subdir in ["linux-64", "noarch", "osx-64"] {
            let Ok(text) = std::fs::read_to_string(self.tested().join(subdir).join("repodata.json")) else {
                continue;
            };
            let index: serde_json::Value = serde_json::from_str(&text).unwrap();
            for section in ["packages", "packages.conda"] {
                let names = index[section].as_object().unwrap().keys();
                files.extend(names.map(|name| format!("{subdir}/{name}")));
            }
        }
        files
    }

    pub fn configuration(&self) -> Configuration {
        let distribution = format!(
            "title = \"Tiny\"\necosystem = \"conda\"\nepoch = \"2026.10\"\nmetapackage = \"qiime2-tiny\"\n\
             platforms = [\"linux-64\", \"osx-64\"]\nmembers = [\"q2-types\", \"q2-other\"]\n{}\n\
             [[channel]]\nname = \"tested\"\npath = \"tiny/tested\"\n\
             [[package]]\nname = \"q2-types\"\nrepository = \"{REPOSITORY}\"\ntoken_sha256 = \"{}\"\n",
            self.more,
            digest(TOKEN)
        );
        let job = format!(
            "kind = \"intake\"\ndistribution = \"tiny\"\nschedule = \"*/5 * * * *\"\n\
             [intake]\nto = \"tested\"\ndrop = \"{}\"\nmax_size_mib = 1\n",
            self.drop_folder().display()
        );
        let settings = "[publish]\ndirectory = \"published\"\n[web]\nlisten = \"127.0.0.1:0\"\n";
        let root = self.folder.path();
        let files = vec![
            (root.join("tidegate.toml"), settings.to_owned()),
            (root.join("distributions/tiny.toml"), distribution),
            (root.join(format!("jobs/{JOB}.toml")), job),
        ];
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// One pass, now.
    pub async fn pass(&self) -> Run {
        self.pass_with(Pass::Full).await
    }

    pub async fn pass_with(&self, pass: Pass) -> Run {
        tidegate::tls::prepare();
        let state = self.folder.path().join("state");
        let api = self.served.base_url().parse().unwrap();
        let settings = GitHubSettings::new(api, "a-token".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            signer: Default::default(),
            artifacts: state.join("artifacts"),
            engines: Engines::new(EngineSettings::default(), state, self.clock.clone()),
        };
        let jobs = jobs::runnable(&self.configuration(), &Arc::new(services), pass);
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: std::time::Duration::from_secs(1) };
        let runner =
            Runner::new(self.store.clone(), self.clock.clone(), Jobs::new(jobs).unwrap(), boot, limits);
        // Each pass has a nominal time of its own.
        self.later(1);
        let run = runner.run_once(JOB, self.clock.now(), "a test", CancellationToken::new()).await.unwrap();
        assert_eq!(self.simulated.violations(), Vec::<String>::new());
        run
    }

    /// One pass, and what it says of itself.
    pub async fn summary(&self) -> String {
        let run = self.pass().await;
        run.summary.unwrap_or_else(|| panic!("{:?}", run.error))
    }
}

fn run(id: u64, at: Timestamp) -> WorkflowRun {
    WorkflowRun {
        id,
        workflow: "ci.yml".to_owned(),
        name: "ci".to_owned(),
        display_title: "ci".to_owned(),
        status: "in_progress".to_owned(),
        conclusion: None,
        html_url: format!("https://github.com/{REPOSITORY}/actions/runs/{id}"),
        created_at: at,
        run_started_at: at,
    }
}
