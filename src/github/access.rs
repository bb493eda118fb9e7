//! By which right requests go out: a token that somebody issued, or a GitHub App, which is given one for
//! an hour at a time. Neither is ever printed.

use http::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::app::{App, Installation};
use crate::digest::sha256_hex;
use crate::failure::Failure;

/// Who we are at GitHub.
#[derive(Clone, Debug)]
pub enum Access {
    /// An account, by a token that it issued.
    Token(SecretString),
    /// A GitHub App, in one of the places where it is installed.
    App(App),
}

impl Access {
    /// Whose limits and kept answers these are, without telling a secret: a token has its own, while an App has the
    /// same ones from token to token.
    pub(super) fn holder(&self) -> String {
        match self {
            Self::Token(token) => fingerprint(token),
            Self::App(app) => app.holder(),
        }
    }
}

/// What a request shows at the door.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    authorization: HeaderValue,
    /// Tells passes apart: an ETag is good for one only.
    pub(super) fingerprint: String,
}

impl Pass {
    pub(super) fn of_token(token: &SecretString) -> Result<Self, Failure> {
        Self::new(token, fingerprint(token))
    }

    /// One of the passes that `holder` gets, one after the other.
    pub(super) fn of_app(token: &SecretString, holder: &str) -> Result<Self, Failure> {
        Self::new(token, format!("{holder}/{}", fingerprint(token)))
    }

    fn new(token: &SecretString, fingerprint: String) -> Result<Self, Failure> {
        Ok(Self { authorization: bearer(token)?, fingerprint })
    }

    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

/// Where passes come from.
#[derive(Debug)]
pub(super) enum Passes {
    Fixed(Pass),
    OfApp(Box<Installation>),
}

impl Passes {
    /// A pass that is good now.
    pub(super) async fn pass(&self) -> Result<Pass, Failure> {
        match self {
            Self::Fixed(pass) => Ok(pass.clone()),
            Self::OfApp(installation) => installation.pass().await,
        }
    }

    /// Another pass in place of one that GitHub has refused; nothing where there can be no other.
    pub(super) async fn instead_of(&self, refused: &Pass) -> Result<Option<Pass>, Failure> {
        match self {
            Self::Fixed(_) => Ok(None),
            Self::OfApp(installation) => installation.instead_of(refused).await.map(Some),
        }
    }
}

/// The header that carries a token, marked so that nothing prints it.
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue, Failure> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::try_from(text).map_err(|_| Failure::Configuration {
        message: "GitHub's token holds characters that no header can carry".to_owned(),
        hint: None,
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Tells tokens apart without holding one: the first 16 hexadecimal digits of its SHA-256.
fn fingerprint(token: &SecretString) -> String {
    sha256_hex(token.expose_secret().as_bytes())[..16].to_owned()
}
