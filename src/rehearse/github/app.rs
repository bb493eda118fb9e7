//! GitHub Apps, as the simulated GitHub has them: an App proves who it is by what it signs, and gets tokens that
//! are good for an hour of the simulated clock. Tokens are forgotten when the process ends.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, time};
use super::refused::Refused;
use super::request::Request;
use super::state::{VIEWER, not_simulated};

/// GitHub's: a proof ends within ten minutes, and a token is good for an hour.
const LONGEST_PROOF: SignedDuration = SignedDuration::from_mins(10);
const TOKEN_LASTS: SignedDuration = SignedDuration::from_hours(1);

/// An App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its number.
    pub id: u64,
    /// Its name in addresses; it writes as `<slug>[bot]`.
    pub slug: String,
    /// The public half of its key, as PEM.
    pub public_key: String,
    /// Where it is installed: the number of the installation, and whose account it is.
    pub installations: BTreeMap<u64, String>,
}

/// The App of a simulated GitHub, where it has one, and the tokens that were given to it.
#[derive(Debug, Default)]
pub(super) struct Apps {
    app: Option<App>,
    /// When each token expires.
    tokens: BTreeMap<String, Timestamp>,
    given: u64,
}

impl Apps {
    pub(super) fn set(&mut self, app: App) {
        self.app = Some(app);
    }

    /// Lets no token be good any more.
    pub(super) fn revoke(&mut self) {
        self.tokens.clear();
    }

    /// The login that asks. Where there is an App, only its tokens are good; where there is none, every token is.
    pub(super) fn viewer(&self, request: &Request, now: Timestamp) -> Result<String, Refused> {
        let Some(app) = &self.app else { return Ok(VIEWER.to_owned()) };
        match self.tokens.get(token_of(request)) {
            Some(expires) if now < *expires => Ok(format!("{}[bot]", app.slug)),
            Some(_) | None => Err(Refused::status(401, "UNAUTHORIZED", "Bad credentials")),
        }
    }

    /// Answers what an App asks about itself.
    pub(super) fn answer(&mut self, request: &Request, now: Timestamp) -> Result<Answer, Refused> {
        let app = self.app.as_ref().ok_or_else(|| not_simulated("an App in a world that has none"))?;
        prove(app, token_of(request), now)?;
        let installation = |(id, account): (&u64, &String)| json!({ "id": id, "app_id": app.id, "app_slug": app.slug, "account": { "login": account }, "suspended_at": null });
        match (request.method.as_str(), request.template.as_str()) {
            ("GET", "/app") => Ok(Answer::ok(&json!({ "id": app.id, "slug": app.slug, "name": app.slug }))),
            ("GET", "/app/installations") => {
                Ok(Answer::ok(&app.installations.iter().map(installation).collect::<Value>()))
            }
            ("POST", "/app/installations/{installation_id}/access_tokens") => {
                let number = request.parameters.get("installation_id").and_then(|id| id.parse().ok());
                if !number.is_some_and(|number: u64| app.installations.contains_key(&number)) {
                    return Err(Refused::not_found("Not Found"));
                }
                if !request.body.is_null() {
                    return Err(not_simulated("a token of an App with fewer rights"));
                }
                self.given += 1;
                let expires = now.checked_add(TOKEN_LASTS).unwrap_or(Timestamp::MAX);
                let token = format!("ghs_simulated{}", self.given);
                self.tokens.insert(token.clone(), expires);
                let given = json!({ "token": token, "expires_at": time(expires), "permissions": {}, "repository_selection": "all" });
                Ok(Answer::json(201, &given))
            }
            (method, template) => Err(not_simulated(&format!("the call {method} {template}"))),
        }
    }
}

fn token_of(request: &Request) -> &str {
    request.authorization.split_once(' ').map_or("", |(_, token)| token)
}

/// Whether `proof` was signed by the App, for now.
fn prove(app: &App, proof: &str, now: Timestamp) -> Result<(), Refused> {
    #[derive(Deserialize)]
    struct Claims {
        iat: i64,
        exp: i64,
        iss: String,
    }
    let refused = |why: &str| Refused::status(401, "UNAUTHORIZED", why);
    let mut rules = Validation::new(Algorithm::RS256);
    // The time is the simulated one, which is looked at below.
    (rules.validate_exp, rules.leeway) = (false, 0);
    let key = DecodingKey::from_rsa_pem(app.public_key.as_bytes())
        .map_err(|_| not_simulated("an App without a public key as PEM"))?;
    let claims = jsonwebtoken::decode::<Claims>(proof, &key, &rules)
        .map_err(|_| refused("A JSON web token could not be decoded"))?
        .claims;
    let now = now.as_second();
    if claims.iat > now {
        return Err(refused(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ));
    }
    if claims.exp <= now || claims.exp > now + LONGEST_PROOF.as_secs() {
        return Err(refused("'Expiration time' claim ('exp') is too far in the future, or over"));
    }
    if claims.iss != app.id.to_string() {
        return Err(refused("Integration not found"));
    }
    Ok(())
}
