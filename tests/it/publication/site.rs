//! A simulated Netlify with one site: deploys name files by digest, ask for what is missing, and go live as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::gate::{Gate, Service};

pub const SITE: &str = "demo.netlify.app";
pub const TOKEN: &str = "token-of-a-test";

/// What Netlify has.
#[derive(Default)]
pub struct Site {
    /// Every content that was ever sent, by digest.
    contents: BTreeMap<String, Bytes>,
    deploys: Vec<Deploy>,
    /// The number of the deploy that readers see.
    live: Option<usize>,
    /// How many more requests are told to wait.
    pub too_soon: usize,
}

struct Deploy {
    files: BTreeMap<String, String>,
    /// How often it was looked at since everything is there.
    looks: usize,
}

impl Site {
    /// What readers find, by path, with checksums.
    pub fn shown(&self) -> BTreeMap<String, String> {
        let Some(live) = self.live else { return BTreeMap::new() };
        let sum = |digest: &String| tidegate::digest::sha256_hex(&self.contents[digest]);
        self.deploys[live].files.iter().map(|(path, digest)| (path.clone(), sum(digest))).collect()
    }

    /// What readers find at a path.
    pub fn text(&self, path: &str) -> Option<String> {
        let digest = self.deploys[self.live?].files.get(path)?;
        Some(String::from_utf8(self.contents[digest].to_vec()).unwrap())
    }

    /// How many deploys were begun.
    pub fn deploys(&self) -> usize {
        self.deploys.len()
    }

    fn missing(&self, deploy: usize) -> BTreeSet<&String> {
        let digests = self.deploys[deploy].files.values();
        digests.filter(|digest| !self.contents.contains_key(*digest)).collect()
    }

    /// A deploy as the API shows it. It takes a few looks to go through the states.
    fn look(&mut self, id: usize) -> Value {
        let missing: Vec<String> = self.missing(id).into_iter().cloned().collect();
        let looks = self.deploys[id].looks;
        let state = match (missing.is_empty(), looks) {
            (_, 0) => "preparing",
            (false, _) => "prepared",
            (true, 1) => "processing",
            (true, _) => "ready",
        };
        self.deploys[id].looks += 1;
        if state == "ready" {
            self.live = Some(id);
        }
        json!({ "id": id.to_string(), "state": state, "required": missing })
    }

    fn answer(&mut self, request: &http::Request<Bytes>) -> Response<Bytes> {
        if !authorized(request.headers()) {
            return plain(StatusCode::UNAUTHORIZED, json!({ "message": "Access Denied" }));
        }
        if self.too_soon > 0 {
            self.too_soon -= 1;
            let mut answer = plain(StatusCode::TOO_MANY_REQUESTS, json!({ "message": "slow down" }));
            answer.headers_mut().insert("retry-after", "0".parse().unwrap());
            return answer;
        }
        let path = request.uri().path().strip_prefix("/api/v1/").unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method().as_str(), &parts[..]) {
            ("GET", ["sites", SITE, "files"]) => self.list(request.uri().query().unwrap_or_default()),
            ("POST", ["sites", SITE, "deploys"]) => {
                let body: Value = serde_json::from_slice(request.body()).unwrap();
                let files = serde_json::from_value(body["files"].clone()).unwrap();
                self.deploys.push(Deploy { files, looks: 0 });
                let id = self.deploys.len() - 1;
                plain(StatusCode::OK, json!({ "id": id.to_string(), "state": "preparing" }))
            }
            ("GET", ["deploys", id]) => match id.parse::<usize>() {
                Ok(id) if id < self.deploys.len() => plain(StatusCode::OK, self.look(id)),
                _ => plain(StatusCode::NOT_FOUND, json!({ "code": 404 })),
            },
            ("PUT", ["deploys", id, "files", rest @ ..]) => {
                let path = format!("/{}", rest.join("/"));
                let digest = sha1_hex(request.body());
                let named = self.deploys[id.parse::<usize>().unwrap()].files.get(&path);
                if named != Some(&digest) {
                    return plain(StatusCode::UNPROCESSABLE_ENTITY, json!({ "message": "another digest" }));
                }
                self.contents.insert(digest.clone(), request.body().clone());
                plain(StatusCode::OK, json!({ "path": path, "sha": digest }))
            }
            _ => plain(StatusCode::NOT_FOUND, json!({ "code": 404, "message": "Not Found" })),
        }
    }

    fn list(&self, query: &str) -> Response<Bytes> {
        let number = |key: &str, default: usize| {
            let found = query.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
            found.and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        let (page, per_page) = (number("page", 1), number("per_page", 100).min(1000));
        let files = self.live.map(|live| &self.deploys[live].files);
        let files = files.into_iter().flatten().skip((page - 1) * per_page).take(per_page);
        let files: Vec<Value> = files
            .map(|(path, digest)| {
                json!({ "id": path, "path": path, "sha": digest, "size": self.contents[digest].len() })
            })
            .collect();
        plain(StatusCode::OK, json!(files))
    }
}

fn authorized(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"))
}

fn plain(status: StatusCode, body: Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

pub fn sha1_hex(bytes: &[u8]) -> String {
    tidegate::digest::hex(&Sha1::digest(bytes))
}

/// Serves a site behind a gate.
pub async fn serve() -> (Gate, Arc<Mutex<Site>>) {
    let site: Arc<Mutex<Site>> = Arc::default();
    let served = site.clone();
    let service: Service = Arc::new(move |request| {
        let answer = served.lock().unwrap().answer(&request);
        Box::pin(async move { answer })
    });
    (Gate::before(service).await, site)
}
