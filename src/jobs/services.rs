//! What every job kind works with, and how it is made from what the operator wrote.

use std::path::PathBuf;
use std::time::Duration;

use super::engines::Engines;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::failure::Failure;
use crate::github::{GitHub, GitHubSettings, Pace};
use crate::store::Store;
use crate::tls;

/// How long a universe or CRAN may take to accept a connection, and be silent in the middle of an
/// answer. The time for a whole answer is the run's own.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// What every job kind works with.
pub struct Services {
    /// The state.
    pub store: Store,
    /// GitHub, behind one limiter.
    pub github: GitHub,
    /// The client for universes and CRAN.
    pub http: reqwest::Client,
    /// The time.
    pub clock: SharedClock,
    /// Where snapshots are published: one folder per distribution below it.
    pub publish: PathBuf,
    /// Where fetched files are kept by their digest.
    pub artifacts: PathBuf,
    /// Where tests run.
    pub engines: Engines,
}

impl Services {
    /// The services that `tidegate.toml` describes, on the real world. Nothing is asked of GitHub yet;
    /// a missing or unusable token and a bad address are a [`Failure::Configuration`].
    pub async fn connect(settings: &Settings, store: Store, clock: SharedClock) -> Result<Self, Failure> {
        tls::prepare();
        let http = reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| Failure::permanent(format!("cannot set up HTTP: {error}")))?;
        let github =
            GitHub::new(github_settings(settings)?, store.clone(), clock.clone(), Pace::Real).await?;
        // A distribution that publishes needs `[publish]`; without one nothing is ever written there.
        let publish = settings.publish.as_ref().map(|publish| publish.directory.clone());
        Ok(Self {
            store,
            github,
            http,
            clock,
            publish: publish.unwrap_or_else(|| settings.state.join("published")),
            artifacts: settings.state.join("artifacts"),
            engines: Engines::new(settings.engine.clone(), settings.state.clone()),
        })
    }
}

fn github_settings(settings: &Settings) -> Result<GitHubSettings, Failure> {
    let source = settings.github.token.as_ref().ok_or_else(|| Failure::Configuration {
        message: "tidegate.toml names no GitHub token, and GitHub answers no queries without one".to_owned(),
        hint: Some(
            "add `token = { credential = \"github-token\" }`, or a `file` or `env`, to [github]".to_owned(),
        ),
    })?;
    let api = settings.github.api.parse().map_err(|error| Failure::Configuration {
        message: format!("`{}` is no address of GitHub's API: {error}", settings.github.api),
        hint: None,
    })?;
    Ok(GitHubSettings { timeout: settings.github.timeout.get(), ..GitHubSettings::new(api, source.read()?) })
}
