//! A web server on a free port of loopback, with a configuration of its own.

use std::path::PathBuf;

use reqwest::{Client, RequestBuilder};
use tidegate::clock::ManualClock;
use tidegate::config::Configuration;
use tidegate::store::{Durability, Notice, Store};
use tidegate::web::WebServer;
use tidegate::web::token::digest;

/// Tokens of two packages, and the one for whole distributions.
pub const TYPES: &str = "0b9a8f60-6c83-4c39-8e1b-6d3a1f0a3c11";
pub const FEATURE: &str = "b3c5e9b4-77c0-4f0c-9d4f-4b8a5a4e2f22";
pub const GLOBAL: &str = "44e1f5a2-3f0b-4a55-8c7e-9b6c0d1e2f33";

pub struct Place {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub web: WebServer,
    client: Client,
}

impl Place {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        let clock = ManualClock::new("2026-11-20T04:00:00Z".parse().unwrap());
        let configuration = configuration(folder.path().to_owned(), TYPES);
        let web = WebServer::start(&configuration, store.clone(), clock).await.unwrap().unwrap();
        tidegate::tls::prepare();
        let client = Client::builder().no_gzip().build().unwrap();
        Self { folder, store, web, client }
    }

    /// The folder that is served.
    pub fn published(&self) -> PathBuf {
        self.folder.path().join("published")
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.web.address()))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(reqwest::Method::GET, path)
    }

    /// Sends a form, and returns the status with the answer.
    pub async fn form(&self, path: &str, body: impl Into<String>) -> (u16, String) {
        self.post(path, "application/x-www-form-urlencoded", body.into()).await
    }

    pub async fn post(&self, path: &str, kind: &str, body: String) -> (u16, String) {
        let request = self.request(reqwest::Method::POST, path).header("content-type", kind).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// What is kept for the distribution `tiny`.
    pub async fn notices(&self) -> Vec<Notice> {
        self.store.notices("tiny", 100).await.unwrap()
    }
}

/// Two distributions; both have q2-types, and its token is that of `types`.
pub fn configuration(root: PathBuf, types: &str) -> Configuration {
    configuration_with(root, types, |_| "")
}

/// The same, where each distribution's file says something more.
pub fn configuration_with(root: PathBuf, types: &str, more: fn(&str) -> &'static str) -> Configuration {
    let settings = format!(
        "state = \"state\"\n[publish]\ndirectory = \"published\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [intake]\ntoken_sha256 = \"{}\"\n",
        digest(GLOBAL)
    );
    let distribution = |name: &str| {
        format!(
            "title = \"{name}\"\necosystem = \"conda\"\nepoch = \"2023.7\"\nmetapackage = \"qiime2-{name}\"\n\
             platforms = [\"linux-64\", \"osx-64\"]\nmembers = [\"q2-types\", \"q2-feature-table\"]\n{}\n\
             [[channel]]\nname = \"tested\"\npath = \"{name}/tested\"\n\
             [[package]]\nname = \"q2-types\"\nrepository = \"qiime2/q2-types\"\ntoken_sha256 = \"{}\"\n",
            more(name),
            digest(types)
        )
    };
    let feature = format!(
        "[[package]]\nname = \"q2-feature-table\"\nrepository = \"qiime2/q2-feature-table\"\n\
         token_sha256 = \"{}\"\n",
        digest(FEATURE)
    );
    let files = vec![
        (root.join("tidegate.toml"), settings),
        (root.join("distributions/tiny.toml"), distribution("tiny") + &feature),
        (root.join("distributions/large.toml"), distribution("large")),
    ];
    Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}
