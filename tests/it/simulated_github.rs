//! The simulated GitHub, driven over its socket as a client drives GitHub.

mod faults;
mod graphql;
mod octocrab_client;
mod people;
mod rest;
mod rules;
mod strictness;
mod workflows;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::clock::ManualClock;
use tidegate::rehearse::github::git::FileChanges;
use tidegate::rehearse::github::people::People;
use tidegate::rehearse::github::state::{Release, ScheduledCommit};
use tidegate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};

const STAGING: &str = "r-multiverse/staging";

/// Ten packages, one a line, far enough apart for changes of two of them to merge.
fn packages() -> String {
    ('a'..='j')
        .map(|name| {
            format!("{{\"package\": \"{name}\",\n  \"url\": \"u/{name}\",\n  \"branch\": \"1\"\n}},\n")
        })
        .collect()
}

fn start() -> Timestamp {
    "2026-04-15T00:00:00Z".parse().unwrap()
}

fn hours(hours: i64) -> Timestamp {
    start() + SignedDuration::from_hours(hours)
}

/// A world with a repository of ours, an upstream one with two releases, a renamed and a deleted one.
fn world() -> GitHubState {
    let mut state = GitHubState::default();
    state.add(Repository::with_files(STAGING, [("packages.json", packages())], start()).unwrap());
    let mut upstream = Repository::upstream("Owner/Upstream");
    upstream.releases =
        vec![Release::new("v1.0", "1".repeat(40), start()), Release::new("v1.1", "2".repeat(40), hours(5))];
    let description = [("DESCRIPTION".to_owned(), "Package: upstream\nVersion: 1.0\n".to_owned())];
    upstream.files.insert("1".repeat(40), description.into());
    state.add(upstream);
    let mut old = Repository::upstream("owner/old-name");
    old.standing = tidegate::rehearse::github::state::Standing::RenamedTo("Owner/Upstream".into());
    state.add(old);
    let mut gone = Repository::upstream("owner/gone");
    gone.standing = tidegate::rehearse::github::state::Standing::Gone;
    state.add(gone);
    state
}

/// A simulated GitHub on a socket, with a clock that the test owns.
struct GitHub {
    clock: Arc<ManualClock>,
    simulated: Arc<SimulatedGitHub>,
    served: Served,
    client: Client,
    initial: GitHubState,
    folder: TempDir,
}

/// Status, headers and JSON (null where there is no body).
struct Answered {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl GitHub {
    async fn new() -> Self {
        Self::of(world()).await
    }

    async fn with_people(people: People) -> Self {
        let mut initial = world();
        initial.people = Some(people);
        Self::of(initial).await
    }

    async fn of(initial: GitHubState) -> Self {
        // Another test of this binary may have been first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(start());
        let journal = folder.path().join("github.jsonl");
        let simulated = Arc::new(SimulatedGitHub::open(initial.clone(), &journal, clock.clone()).unwrap());
        let served = simulated.clone().serve().await.unwrap();
        let client = Client::builder().user_agent("tidegate").redirect(reqwest::redirect::Policy::none());
        let client = client.build().unwrap();
        Self { clock, simulated, served, client, initial, folder }
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("github.jsonl")
    }

    /// What a new process finds after this one ended.
    fn reopened(&self) -> SimulatedGitHub {
        SimulatedGitHub::open(self.initial.clone(), &self.journal(), self.clock.clone()).unwrap()
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.served.base_url());
        self.client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .bearer_auth("secret")
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        Answered { status, headers, json: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    async fn get(&self, path: &str) -> Answered {
        self.send(self.request("GET", path)).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answered {
        self.send(self.request(method, &format!("/repos/{STAGING}{path}")).json(&body)).await
    }

    async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let answered = self.send(self.request("POST", "/graphql").json(&body)).await;
        assert_eq!(answered.status, 200, "{}", answered.json);
        answered.json
    }

    async fn tip(&self, branch: &str) -> String {
        let answered = self.get(&format!("/repos/{STAGING}/git/ref/heads/{branch}")).await;
        answered.json["object"]["sha"].as_str().unwrap_or_else(|| panic!("no branch {branch}")).to_owned()
    }

    /// Makes `branch` from main plus one commit that moves `package` to another version.
    async fn branch(&self, branch: &str, package: &str) -> String {
        let main = self.tip("main").await;
        let text = self.text_of("main").await.replace(
            &format!("\"url\": \"u/{package}\",\n  \"branch\": \"1\""),
            &format!("\"url\": \"u/{package}\",\n  \"branch\": \"2 {branch}\""),
        );
        let tree = json!({"base_tree": main, "tree": [{"path": "packages.json", "mode": "100644", "type": "blob", "content": text}]});
        let tree = self.call("POST", "/git/trees", tree).await;
        assert_eq!(tree.status, 201, "{}", tree.json);
        let commit =
            json!({"message": format!("Move {package}"), "tree": tree.json["sha"], "parents": [main]});
        let commit = self.call("POST", "/git/commits", commit).await.json["sha"].as_str().unwrap().to_owned();
        let made = self
            .call("POST", "/git/refs", json!({"ref": format!("refs/heads/{branch}"), "sha": commit}))
            .await;
        assert_eq!(made.status, 201, "{}", made.json);
        commit
    }

    async fn text_of(&self, branch: &str) -> String {
        let request = self.request("GET", &format!("/repos/{STAGING}/contents/packages.json?ref={branch}"));
        let request = request.header("accept", "application/vnd.github.raw+json");
        // The header of the builder is added to, so a client of its own asks for the raw text.
        let mut built = request.build().unwrap();
        built.headers_mut().insert("accept", "application/vnd.github.raw+json".parse().unwrap());
        self.client.execute(built).await.unwrap().text().await.unwrap()
    }

    /// Opens a pull request about one package, with the marker that names it.
    async fn open_pull(&self, branch: &str, package: &str) -> Answered {
        let body =
            format!("Text\n\n<!-- tidegate: {{\"key\": \"{branch}\", \"packages\": [\"{package}\"]}} -->");
        self.call(
            "POST",
            "/pulls",
            json!({"title": format!("Promote {package}"), "head": branch, "base": "main", "body": body}),
        )
        .await
    }

    async fn pull(&self, number: u64) -> Value {
        self.get(&format!("/repos/{STAGING}/pulls/{number}")).await.json
    }

    fn advance_to(&self, to: Timestamp) -> Vec<tidegate::rehearse::github::people::PeopleEvent> {
        let played = self.simulated.advance_to(to).unwrap();
        self.clock.set(to);
        played
    }

    fn assert_no_violations(&self) {
        assert_eq!(self.simulated.violations(), Vec::<String>::new());
    }
}

fn scheduled(at: Timestamp, text: &str) -> ScheduledCommit {
    ScheduledCommit {
        at,
        repository: STAGING.into(),
        changes: FileChanges::write([("community.json", text)]),
        message: "Change the community".into(),
    }
}
