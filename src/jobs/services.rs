//! What every job kind works with, and how it is made from what the operator wrote.

use std::path::PathBuf;
use std::time::Duration;

use super::engines::Engines;
use crate::clock::SharedClock;
use crate::config::{Configuration, EngineKind, JobKind, Settings, SigningKey};
use crate::failure::Failure;
use crate::github::{Access, App, GitHub, GitHubSettings, Pace, PrivateKey};
use crate::publish::content::{ContentStore, FOLDER, Keeping};
use crate::publish::signing::Signer;
use crate::publish::signing::minisign::MinisignKey;
use crate::publish::signing::openpgp::OpenPgpKey;
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
    /// GitHub, behind one limiter; absent where no job that is switched on needs it and there is neither a token nor an App.
    pub github: Option<GitHub>,
    /// The client for universes and CRAN.
    pub http: reqwest::Client,
    /// The time.
    pub clock: SharedClock,
    /// Where snapshots are published: one folder per distribution below it.
    pub publish: PathBuf,
    /// What signs that.
    pub signer: Signer,
    /// Where fetched files are kept by their digest.
    pub artifacts: PathBuf,
    /// Where tests run.
    pub engines: Engines,
}

impl Services {
    /// The services that the configuration describes, on the real world. Nothing is asked of GitHub yet; an
    /// unusable token or key, one that is missing where a job needs it, and a bad address are a
    /// [`Failure::Configuration`].
    pub async fn connect(
        configuration: &Configuration,
        store: Store,
        clock: SharedClock,
    ) -> Result<Self, Failure> {
        let settings = &configuration.settings;
        let given = settings.github.token.is_some() || settings.github.app.is_some();
        let apart = Self::apart(configuration, store.clone(), clock.clone())?;
        let github = match given || needs_github(configuration) {
            true => {
                let settings = github_settings(settings)?;
                Some(GitHub::new(settings, store, clock, Pace::Real).await?)
            }
            false => None,
        };
        let engines = apart.engines.with_github(github.clone());
        Ok(Self { github, engines, ..apart })
    }

    /// The services without GitHub, for work that is done on this machine alone: it needs no token.
    pub fn apart(configuration: &Configuration, store: Store, clock: SharedClock) -> Result<Self, Failure> {
        let settings = &configuration.settings;
        tls::prepare();
        let http = reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| Failure::permanent(format!("cannot set up HTTP: {error}")))?;
        // A distribution that publishes needs `[publish]`; without one nothing is ever written there.
        let publish = settings.publish.as_ref().map(|publish| publish.directory.clone());
        let engines = Engines::new(settings.engine.clone(), settings.state.clone(), clock.clone());
        Ok(Self {
            store,
            github: None,
            http,
            clock,
            publish: publish.unwrap_or_else(|| settings.state.join("published")),
            signer: signer(settings)?,
            artifacts: settings.state.join(FOLDER),
            engines,
        })
    }

    /// The files that were fetched and made, by their content.
    pub fn content(&self) -> ContentStore {
        ContentStore::new(&self.artifacts)
    }

    /// Begins to keep files: none is collected until the answer is dropped, which should not be before the rows
    /// that name them are written.
    pub async fn keeping(&self) -> anyhow::Result<Keeping> {
        let content = self.content();
        let keeping = tokio::task::spawn_blocking(move || content.begin_keeping()).await?;
        Ok(keeping.map_err(Failure::from)?)
    }

    /// GitHub. A missing token is a [`Failure::Configuration`].
    pub fn github(&self) -> Result<&GitHub, Failure> {
        self.github.as_ref().ok_or_else(no_token)
    }
}

/// Whether any job that is switched on asks GitHub. R packages are released and promoted there; conda
/// builds lie in channels, and only who keeps an integration repository, has repositories tell of builds,
/// has people told of rechecks, or tests on GitHub Actions, needs it.
fn needs_github(configuration: &Configuration) -> bool {
    let mut enabled = configuration.jobs.values().filter(|job| job.enabled);
    enabled.any(|job| match (&job.kind, configuration.conda.get(&job.distribution)) {
        (JobKind::Integrate(settings), _) => settings.repository.is_some(),
        (JobKind::RecheckR(_) | JobKind::Publish(_), _) => false,
        (JobKind::Intake(_), Some(conda)) => {
            conda.packages.values().any(|package| package.token_sha256.is_some())
        }
        (JobKind::Recheck(settings), Some(conda)) => {
            settings.engine == EngineKind::GithubActions || conda.reports.is_some()
        }
        _ => configuration.distributions.contains_key(&job.distribution),
    })
}

/// The keys that sign. One that cannot be used is a [`Failure::Configuration`] now, and no surprise on the day.
fn signer(settings: &Settings) -> Result<Signer, Failure> {
    let Some(signing) = settings.publish.as_ref().and_then(|publish| publish.signing.as_ref()) else {
        return Ok(Signer::default());
    };
    let read = |key: &SigningKey| {
        let password = key.password.as_ref().map(|source| source.read_for_signing("password"));
        let text = key.secret_key.read_for_signing("secret key")?;
        Ok::<_, Failure>((text, password.transpose()?, key.secret_key.to_string()))
    };
    let minisign = match &signing.minisign {
        Some(key) => {
            let (text, password, source) = read(key)?;
            Some(MinisignKey::open(&text, password.as_ref(), &source)?)
        }
        None => None,
    };
    let openpgp = match &signing.openpgp {
        Some(key) => {
            let (text, password, source) = read(key)?;
            Some(OpenPgpKey::open(text, password, &source)?)
        }
        None => None,
    };
    Ok(Signer::new(minisign, openpgp).known_as(signing.builder.clone()))
}

fn github_settings(settings: &Settings) -> Result<GitHubSettings, Failure> {
    let access = match (&settings.github.token, &settings.github.app) {
        (Some(token), _) => Access::Token(token.read_token()?),
        (None, Some(app)) => Access::App(App {
            id: app.id,
            key: PrivateKey::read(&app.private_key.read_key()?)?,
            installation: app.installation,
        }),
        (None, None) => return Err(no_token()),
    };
    let api = settings.github.api.parse().map_err(|error| Failure::Configuration {
        message: format!("`{}` is no address of GitHub's API: {error}", settings.github.api),
        hint: None,
    })?;
    Ok(GitHubSettings { timeout: settings.github.timeout.get(), ..GitHubSettings::by(api, access) })
}

fn no_token() -> Failure {
    Failure::Configuration {
        message: "tidegate.toml names no GitHub token and no App, and GitHub answers no queries without one"
            .to_owned(),
        hint: Some(
            "add `token = { credential = \"github-token\" }`, or a `file` or `env`, or an `app`, to [github]"
                .to_owned(),
        ),
    }
}
