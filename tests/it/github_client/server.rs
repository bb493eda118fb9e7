//! A GitHub on loopback that answers what a test tells it to. It refuses to work for a client that
//! leaves out a header, or whose queries and variables GitHub's schema does not allow.

use std::sync::{Arc, Mutex};

use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::clock::{ManualClock, SharedClock};
use tidegate::github::{GitHub, GitHubSettings, Pace};
use tidegate::store::{Durability, Store};
use url::Url;

const SCHEMA: &str = include_str!("../../data/github/schema.cut.graphql");

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// With its query, without the host.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Request {
    pub fn is_graphql(&self) -> bool {
        self.path == "/graphql"
    }

    /// A variable of a GraphQL request.
    pub fn variable(&self, name: &str) -> &Value {
        &self.body["variables"][name]
    }

    /// The repositories that a batch asks about, in order, as `owner/name`.
    pub fn repositories(&self) -> Vec<String> {
        (0..)
            .map_while(|index| {
                let part = |kind: &str| self.variable(&format!("{kind}{index}")).as_str().map(str::to_owned);
                Some(format!("{}/{}", part("o")?, part("n")?))
            })
            .collect()
    }
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

#[derive(Clone)]
struct Shared {
    handler: Arc<Handler>,
    seen: Arc<Mutex<Vec<Request>>>,
    complaints: Arc<Mutex<Vec<String>>>,
    schema: Arc<Valid<Schema>>,
}

/// The server; it fails the test when dropped after a request that GitHub would not understand.
pub struct Server {
    pub url: Url,
    shared: Shared,
}

impl Server {
    pub async fn answering(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let schema = Schema::parse_and_validate(SCHEMA, "schema.cut.graphql").expect("the schema is valid");
        let shared = Shared {
            handler: Arc::new(handler),
            seen: Arc::default(),
            complaints: Arc::default(),
            schema: Arc::new(schema),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let complaints = self.shared.complaints.lock().unwrap();
        if !std::thread::panicking() {
            assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        }
    }
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
    let path = uri.path_and_query().unwrap().to_string();
    let request = Request { method, path, headers, body };
    if let Some(complaint) = complaint(&request, &shared.schema) {
        shared.complaints.lock().unwrap().push(complaint);
    }
    shared.seen.lock().unwrap().push(request.clone());
    let reply = (shared.handler)(&request);
    let mut headers = HeaderMap::new();
    for (name, value) in reply.headers {
        headers.append(name, value.parse().unwrap());
    }
    (StatusCode::from_u16(reply.status).unwrap(), headers, reply.body)
}

fn complaint(request: &Request, schema: &Valid<Schema>) -> Option<String> {
    let expected = [
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
        ("user-agent", concat!("tidegate/", env!("CARGO_PKG_VERSION"))),
        ("authorization", "Bearer "),
    ];
    for (name, start) in expected {
        let values: Vec<_> = request.headers.get_all(name).iter().collect();
        if values.len() != 1 || !values[0].to_str().is_ok_and(|value| value.starts_with(start)) {
            return Some(format!("{} {}: {name} is {values:?}", request.method, request.path));
        }
    }
    if request.body.is_object() && request.headers.get("content-type").is_none_or(|t| t != "application/json")
    {
        return Some(format!("{} {}: a body that is not marked as JSON", request.method, request.path));
    }
    if !request.is_graphql() {
        return None;
    }
    let query = request.body["query"].as_str().unwrap_or_default();
    let document = match ExecutableDocument::parse_and_validate(schema, query, "query.graphql") {
        Ok(document) => document,
        Err(error) => return Some(format!("{query}\n{}", error.errors)),
    };
    let checked = || {
        let variables =
            serde_json::from_value(request.body["variables"].clone()).map_err(|e| e.to_string())?;
        let operation = document.operations.get(None).map_err(|_| "not one operation".to_owned())?;
        coerce_variable_values(schema, operation, &variables).map_err(|error| format!("{error:?}"))
    };
    checked().err().map(|error| format!("{query}\n{error}"))
}

/// A client of `server` with its own store and a clock that stands still.
pub struct Client {
    pub github: GitHub,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    api: Url,
    _folder: tempfile::TempDir,
}

pub const START: &str = "2026-07-15T00:00:00Z";

impl Client {
    pub async fn of(server: &Server) -> Self {
        Self::at(server.url.clone()).await
    }

    pub async fn at(api: Url) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        let clock = ManualClock::new(START.parse().unwrap());
        let github = client(&api, "ghp_test", &store, clock.clone()).await;
        Self { github, store, clock, api, _folder: folder }
    }

    /// Another client over the same store, as after a restart.
    pub async fn restarted(&self, token: &str) -> GitHub {
        client(&self.api, token, &self.store, self.clock.clone()).await
    }

    pub fn now(&self) -> Timestamp {
        tidegate::clock::Clock::now(self.clock.as_ref())
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.set(self.now() + jiff::SignedDuration::from_secs(seconds));
    }
}

async fn client(api: &Url, token: &str, store: &Store, clock: SharedClock) -> GitHub {
    let settings = GitHubSettings::new(api.clone(), token.into());
    GitHub::new(settings, store.clone(), clock, Pace::None).await.unwrap()
}

/// A repository as a poll shows it, with one release of that tag.
pub fn repository(name: &str, tag: &str) -> Value {
    let release = release(tag, "2026-07-01T00:00:00Z");
    json!({
        "nameWithOwner": name, "isArchived": false,
        "latestRelease": release, "releases": { "nodes": [release] },
    })
}

pub fn release(tag: &str, published: &str) -> Value {
    json!({
        "tagName": tag, "publishedAt": published, "createdAt": published,
        "isDraft": false, "isPrerelease": false, "tagCommit": { "oid": "a".repeat(40) },
    })
}

/// The answer to a batch: `node` gives what stands at each alias, or the kind of error there.
pub fn batch(request: &Request, node: impl Fn(&str) -> Result<Value, &'static str>) -> Reply {
    let (mut data, mut errors) = (serde_json::Map::new(), Vec::new());
    for (index, name) in request.repositories().iter().enumerate() {
        let alias = format!("a{index}");
        let value = node(name).unwrap_or_else(|kind| {
            errors.push(json!({ "type": kind, "path": [alias], "message": format!("{name}: {kind}") }));
            Value::Null
        });
        data.insert(alias, value);
    }
    let mut body = json!({ "data": data });
    if !errors.is_empty() {
        body["errors"] = errors.into();
    }
    Reply::json(200, body)
}
