//! A place for assignments, and a GitHub that carries them out when told to.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::domain::TestVerdict;
use tidegate::engine::github_actions::packed::ServedFolder;
use tidegate::engine::github_actions::{GitHubActionsEngine, GitHubActionsSettings};
use tidegate::engine::{Assignment, Engine, Progress, Ticket};
use tidegate::github::{GitHub, GitHubSettings, Pace, Workflow};
use tidegate::rehearse::github::faults::Fault;
use tidegate::store::{Durability, Store};

use super::super::actions::{Actions, REPOSITORY};
use super::super::made::{Place, command, end_of};
use crate::conda::made::zipped;

pub const DISPATCH: &str = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches";
pub const LIST: &str = "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs";
/// How often these tests let GitHub be asked.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// A place for assignments, and a GitHub that carries them out when told to.
pub struct Scene {
    pub place: Place,
    pub clock: Arc<ManualClock>,
    store: Store,
    pub actions: Actions,
    pub served: Vec<ServedFolder>,
}

impl Scene {
    pub async fn new() -> Self {
        let clock = ManualClock::new("2026-11-20T04:00:00Z".parse().unwrap());
        let place = Place::new();
        let path = place.folder.path().join("state.db");
        let store = Store::open(&path, Durability::ProcessCrash).await.unwrap();
        let actions = Actions::new(clock.clone()).await;
        Self { place, clock, store, actions, served: Vec::new() }
    }

    /// The engine as a daemon has it that has just begun.
    pub async fn engine(&self) -> GitHubActionsEngine {
        self.engine_with(8, INTERVAL).await
    }

    pub async fn engine_with(&self, most: usize, interval: Duration) -> GitHubActionsEngine {
        let api = self.actions.served.base_url().parse().unwrap();
        let settings = GitHubSettings::new(api, "a-token-of-a-test".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let workflow = Workflow {
            repository: REPOSITORY.parse().unwrap(),
            file: "tidegate-test.yml".parse().unwrap(),
            branch: "main".parse().unwrap(),
        };
        let served = self.served.clone();
        let settings = GitHubActionsSettings { root: self.place.root(), workflow, most, interval, served };
        GitHubActionsEngine::new(settings, github, self.clock.clone()).unwrap()
    }

    pub fn faults(&self, faults: &[&str]) {
        self.actions
            .simulated
            .set_faults(faults.iter().map(|fault| fault.parse::<Fault>().unwrap()).collect());
    }

    pub fn later(&self, minutes: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(minutes));
    }

    pub fn asked(&self, call: &str) -> u64 {
        self.actions.simulated.requests().get(call).copied().unwrap_or_default()
    }

    pub async fn submit(&self, engine: &dyn Engine, assignment: &Assignment) -> Ticket {
        engine.submit(&self.place.assign(assignment)).await.unwrap()
    }

    pub fn log(&self, key: &str) -> String {
        std::fs::read_to_string(self.place.root().join(key).join("log.txt")).unwrap()
    }

    /// What becomes of an assignment whose run leaves these files.
    pub async fn end_with(&self, key: &str, conclusion: &str, files: &[(&str, String)]) -> String {
        let engine = self.engine().await;
        let ticket = self.submit(&engine, &command(key, "true")).await;
        let members: Vec<(String, Vec<u8>)> =
            files.iter().map(|(name, text)| (name.to_string(), text.clone().into_bytes())).collect();
        let run = self.actions.runs().into_iter().rfind(|run| run.status == "queued").unwrap();
        let zip = (!members.is_empty()).then(|| zipped(&members));
        self.actions.end(&run, conclusion, zip);
        why_lost(&engine, &ticket).await
    }

    pub fn is_well_behaved(&self) {
        assert_eq!(self.actions.simulated.violations(), Vec::<String>::new());
    }
}

pub async fn why_lost(engine: &dyn Engine, ticket: &Ticket) -> String {
    match end_of(engine, ticket).await {
        Progress::Lost { why } => why,
        progress => panic!("{progress:?}"),
    }
}

pub async fn passed(engine: &dyn Engine, ticket: &Ticket) {
    match end_of(engine, ticket).await {
        Progress::Ended(report) => assert_eq!(report.verdict, TestVerdict::Pass),
        progress => panic!("{progress:?}"),
    }
}

/// A report such as a worker leaves.
pub fn report(key: &str) -> Value {
    json!({
        "key": key, "verdict": { "verdict": "pass" }, "started_at": "2026-11-20T04:00:01Z",
        "finished_at": "2026-11-20T04:00:02Z", "log": "log.txt", "exit": 0, "peak_memory": null,
    })
}
