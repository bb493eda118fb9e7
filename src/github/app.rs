//! A GitHub App: it proves with its private key who it is, and is given a token that is good for an hour
//! wherever it is installed.
//!
//! The token is fetched when it is first needed, anew before it expires, and once more where GitHub refuses it
//! before its time. It is kept in memory only: a restart fetches another, and nothing depends on which one it is.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use super::access::{Pass, bearer};
use super::limits;
use super::transport::{Answer, Sender};
use crate::clock::SharedClock;
use crate::failure::Failure;

/// A token is fetched anew so long before it expires: longer than any request may take.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// After a renewal that failed, the old token serves so long before the next attempt.
const RENEW_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// GitHub takes proofs that end within ten minutes, and its clock may be behind ours or ahead of it.
const PROOF_BEGINS: SignedDuration = SignedDuration::from_secs(-60);
const PROOF_ENDS: SignedDuration = SignedDuration::from_mins(9);

/// A GitHub App, and where it is installed.
#[derive(Clone, Debug)]
pub struct App {
    /// The number of the App, as its settings show it.
    pub id: u64,
    /// Its private key.
    pub key: PrivateKey,
    /// The number of the installation; without one GitHub is asked, and the App has to have exactly one.
    pub installation: Option<u64>,
}

impl App {
    /// The name under which limits and answers of this App are kept.
    pub(super) fn holder(&self) -> String {
        match self.installation {
            Some(installation) => format!("app-{}-{installation}", self.id),
            None => format!("app-{}", self.id),
        }
    }
}

/// The private key of an App. It does not print.
#[derive(Clone)]
pub struct PrivateKey(EncodingKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl PrivateKey {
    /// The key in a text as GitHub hands it out: RSA, as PEM. Anything else is a [`Failure::Configuration`]
    /// that does not show it.
    pub fn read(text: &SecretString) -> Result<Self, Failure> {
        let refused = || {
            Failure::Configuration {
            message: "the private key of the GitHub App is no RSA key as PEM".to_owned(),
            hint: Some(
                "store the .pem file as GitHub gave it, whole, from `-----BEGIN` to `-----END` with its line breaks"
                    .to_owned(),
            ),
        }
        };
        let key = EncodingKey::from_rsa_pem(text.expose_secret().trim().as_bytes()).map_err(|_| refused())?;
        // A public key is PEM as well, and only signing tells.
        let made = Self(key);
        made.sign(&Claims { iat: 0, exp: 0, iss: String::new() }).map_err(|_| refused())?;
        Ok(made)
    }

    fn sign(&self, claims: &Claims) -> Result<SecretString, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &self.0).map(SecretString::from)
    }
}

#[derive(Serialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: String,
}

/// The App where it is installed, with the token that it holds at the moment.
pub(super) struct Installation {
    app: App,
    sender: Sender,
    api: Url,
    clock: SharedClock,
    /// Locked while a token is fetched, so that one fetch serves everybody who waits.
    held: Mutex<Held>,
}

impl std::fmt::Debug for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installation").field("app", &self.app).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Held {
    installation: Option<u64>,
    token: Option<Token>,
    refused_until: Option<Timestamp>,
}

struct Token {
    pass: Pass,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Installation {
    pub(super) fn new(app: App, sender: Sender, api: Url, clock: SharedClock) -> Self {
        let held = Held { installation: app.installation, ..Held::default() };
        Self { app, sender, api, clock, held: Mutex::new(held) }
    }

    /// A pass that is good for some minutes at least.
    pub(super) async fn pass(&self) -> Result<Pass, Failure> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        match held.token.as_mut() {
            Some(token) if now < token.renew_at => Ok(token.pass.clone()),
            Some(token) if now < token.expires_at => {
                // It is still good: a GitHub that has trouble now may have none in half a minute.
                token.renew_at = now.saturating_add(RENEW_AGAIN).unwrap_or(token.expires_at);
                let pass = token.pass.clone();
                match self.fetch(&mut held).await {
                    Err(failure) if failure.is_transient() => {
                        tracing::warn!(%failure, "cannot renew the token of the GitHub App yet");
                        Ok(pass)
                    }
                    fetched => fetched,
                }
            }
            Some(_) | None => self.fetch(&mut held).await,
        }
    }

    /// A pass in place of one that was refused. Whoever comes second gets what the first one fetched.
    pub(super) async fn instead_of(&self, refused: &Pass) -> Result<Pass, Failure> {
        let mut held = self.held.lock().await;
        match &held.token {
            Some(token) if token.pass.fingerprint != refused.fingerprint => Ok(token.pass.clone()),
            Some(_) | None => {
                held.token = None;
                self.fetch(&mut held).await
            }
        }
    }

    /// The login under which the App writes.
    pub(super) async fn login(&self) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct OwnApp {
            slug: String,
        }
        let mut held = self.held.lock().await;
        let app: OwnApp = self.ask(&mut held, Method::GET, &["app"]).await?;
        Ok(format!("{}[bot]", app.slug))
    }

    async fn fetch(&self, held: &mut Held) -> Result<Pass, Failure> {
        #[derive(Deserialize)]
        struct Given {
            token: String,
            expires_at: Timestamp,
        }
        let installation = match held.installation {
            Some(installation) => installation,
            None => self.find_installation(held).await?,
        };
        let number = installation.to_string();
        let path = ["app", "installations", &number, "access_tokens"];
        let given: Given = match self.ask(held, Method::POST, &path).await {
            Ok(given) => given,
            Err(failure) => {
                // It may have been taken away and installed anew, under another number.
                held.installation = self.app.installation;
                return Err(failure);
            }
        };
        held.installation = Some(installation);
        let pass = Pass::of_app(&given.token.into(), &self.app.holder())?;
        let renew_at = given.expires_at.checked_sub(RENEW_BEFORE).unwrap_or(given.expires_at);
        held.token = Some(Token { pass: pass.clone(), renew_at, expires_at: given.expires_at });
        tracing::debug!(app = self.app.id, installation, expires_at = %given.expires_at, "a token of the GitHub App");
        Ok(pass)
    }

    /// The one place where the App is installed.
    async fn find_installation(&self, held: &mut Held) -> Result<u64, Failure> {
        #[derive(Deserialize)]
        struct Seen {
            id: u64,
            account: Option<Account>,
        }
        #[derive(Deserialize)]
        struct Account {
            login: Option<String>,
        }
        let seen: Vec<Seen> = self.ask(held, Method::GET, &["app", "installations"]).await?;
        let id = self.app.id;
        match seen.as_slice() {
            [one] => Ok(one.id),
            [] => Err(Failure::Configuration {
                message: format!("the GitHub App {id} is installed nowhere"),
                hint: Some("install it where tidegate reads and writes, from its page on GitHub".to_owned()),
            }),
            several => {
                let place = |seen: &Seen| {
                    let login = seen.account.as_ref().and_then(|account| account.login.as_deref());
                    format!("{} ({})", seen.id, login.unwrap_or("an account that is gone"))
                };
                let places: Vec<String> = several.iter().take(10).map(place).collect();
                Err(Failure::Configuration {
                    message: format!(
                        "the GitHub App {id} is installed in several places: {}",
                        places.join(", ")
                    ),
                    hint: Some("say which one is meant: `installation = ...` beside its `id`".to_owned()),
                })
            }
        }
    }

    /// Asks as the App itself, which has limits of its own, apart from those of its installations.
    async fn ask<T: DeserializeOwned>(
        &self,
        held: &mut Held,
        method: Method,
        path: &[&str],
    ) -> Result<T, Failure> {
        let now = self.clock.now();
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if let Some(until) = held.refused_until.filter(|until| *until > now) {
            let message =
                format!("{method} {url}: not asked before {until}, since GitHub refused the GitHub App");
            return Err(Failure::Transient { message, retry_at: Some(until) });
        }
        let request = self
            .sender
            .request(method.clone(), url)
            .header(http::header::AUTHORIZATION, bearer(&self.proof(now)?)?);
        let mut answer = self.sender.exchange(request).await?;
        answer.limited_until = limits::refused_until(&answer, now);
        held.refused_until = answer.limited_until;
        match answer.status {
            200 | 201 => serde_json::from_slice(&answer.body).map_err(|error| {
                Failure::transient(format!("{method} {}: the answer is malformed: {error}", answer.url))
            }),
            _ => Err(self.refusal(&method, &answer)),
        }
    }

    /// What says that we are the App, for some minutes.
    fn proof(&self, now: Timestamp) -> Result<SecretString, Failure> {
        let seconds = |by: SignedDuration| now.as_second().saturating_add(by.as_secs());
        let claims =
            Claims { iat: seconds(PROOF_BEGINS), exp: seconds(PROOF_ENDS), iss: self.app.id.to_string() };
        self.app.key.sign(&claims).map_err(|_| Failure::Configuration {
            message: "cannot sign with the private key of the GitHub App".to_owned(),
            hint: None,
        })
    }

    fn refusal(&self, method: &Method, answer: &Answer) -> Failure {
        let id = self.app.id;
        let hint = match answer.status {
            401 => format!(
                "the private key has to be one of the App {id}, and this machine's clock has to be right"
            ),
            403 => format!("look whether the installation of the App {id} is suspended"),
            404 => format!(
                "look whether there is an App {id}, and where it is installed; `installation` is the number at the end of that page's address"
            ),
            _ => return answer.failure(method),
        };
        if answer.limited_until.is_some() {
            return answer.failure(method);
        }
        let said = answer.message().unwrap_or_default();
        let message = format!("{method} {}: GitHub answered {} ({said})", answer.url, answer.status);
        Failure::Configuration { message, hint: Some(hint) }
    }
}
