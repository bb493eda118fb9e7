//! GraphQL answers: data and errors side by side, with limits that come as status 200.

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::ledger::Quota;
use super::limits::{GraphqlVerdict, Limiter, says_rate_limit};
use super::transport::{Answer, PERMISSIONS, Unanswered};
use crate::failure::Failure;

/// Added to every query, so that each answer says what it cost. It costs nothing itself.
pub(super) const RATE_LIMIT: &str = "rateLimit { cost limit remaining resetAt }";

/// An answer to a query: GitHub may send data and errors together.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphQlAnswer {
    /// The data, [`Value::Null`] where there is none.
    pub data: Value,
    /// What went wrong, each with the path of the field that it hit.
    pub errors: Vec<GraphQlError>,
}

impl GraphQlAnswer {
    /// The first error at or below the alias `alias`.
    pub fn error_at(&self, alias: &str) -> Option<&GraphQlError> {
        self.errors.iter().find(|error| error.path.first().is_some_and(|first| first == alias))
    }

    /// All the messages in one line, for a person.
    pub fn messages(&self) -> String {
        let said: Vec<_> = self.errors.iter().take(3).map(GraphQlError::to_string).collect();
        said.join("; ")
    }
}

/// One error of a GraphQL answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GraphQlError {
    /// GitHub's kind, such as `NOT_FOUND`, `FORBIDDEN`, `RATE_LIMITED`; not every error has one.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The way to the field, list positions as numbers in text; empty where the whole query failed.
    #[serde(default, deserialize_with = "path_as_text")]
    pub path: Vec<String>,
    /// What GitHub says.
    pub message: String,
}

impl GraphQlError {
    /// True where GitHub says that the thing is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind.as_deref() == Some("NOT_FOUND")
    }

    /// True where the query asked for too much at once: a smaller one may be answered.
    pub(super) fn is_too_much(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        kind.contains("LIMITS_EXCEEDED") || kind.contains("NODE_LIMIT") || kind.contains("TIMEOUT")
    }

    /// What it means for whoever asked: an error without a kind is GitHub's own and may pass.
    pub(super) fn failure(&self, about: &str) -> Failure {
        let message = format!("{about}: {self}");
        match self.kind.as_deref() {
            Some(_) if !self.is_too_much() => Failure::permanent(message),
            _ => Failure::transient(message),
        }
    }
}

impl GraphQlError {
    /// The same for whoever wanted to write: what is forbidden there is the operator's to grant.
    pub(super) fn write_failure(&self, about: &str) -> Failure {
        match self.kind.as_deref() {
            Some("FORBIDDEN") => {
                let hint = Some(PERMISSIONS.to_owned());
                Failure::Configuration { message: format!("{about}: {self}"), hint }
            }
            _ => self.failure(about),
        }
    }
}

impl std::fmt::Display for GraphQlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said: String = self.message.chars().filter(|c| !c.is_control()).take(300).collect();
        match &self.kind {
            Some(kind) => write!(f, "GitHub answered {kind}: {said}"),
            None => write!(f, "GitHub answered: {said}"),
        }
    }
}

fn path_as_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let path = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(path.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect())
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<GraphQlError>,
}

/// Reads an answer with status 200 and tells the limiter what it says about limits. A body that is no
/// JSON is permanent.
pub(super) async fn read(answer: &Answer, limiter: &Limiter) -> Result<GraphQlAnswer, Unanswered> {
    let url = &answer.url;
    if answer.status != 200 {
        let failure = answer.failure(&http::Method::POST);
        // GitHub ends queries after ten seconds with one of these.
        let too_much = matches!(answer.status, 502..=504) && answer.limited_until.is_none();
        return Err(if too_much { Unanswered::TooMuch(failure) } else { Unanswered::Broken(failure) });
    }
    let envelope: Envelope = serde_json::from_slice(&answer.body).map_err(|error| {
        Unanswered::Broken(Failure::permanent(format!("POST {url}: the answer is malformed: {error}")))
    })?;
    let refused = envelope.errors.iter().find(|error| is_rate_limit(error));
    let verdict = if refused.is_some() { GraphqlVerdict::RateLimited } else { GraphqlVerdict::Answered };
    let retry_at = observe(limiter, &envelope.data, verdict, &answer.headers);
    limiter.save().await;
    if let Some(error) = refused {
        let message = format!("POST {url}: {error}");
        return Err(Unanswered::Broken(Failure::Transient { message, retry_at }));
    }
    Ok(GraphQlAnswer { data: envelope.data, errors: envelope.errors })
}

fn observe(
    limiter: &Limiter,
    data: &Value,
    verdict: GraphqlVerdict,
    headers: &HeaderMap,
) -> Option<Timestamp> {
    limiter.observe_graphql(stated_quota(&data["rateLimit"]), verdict, headers)
}

fn is_rate_limit(error: &GraphQlError) -> bool {
    match error.kind.as_deref() {
        Some("RATE_LIMITED" | "RATE_LIMIT") => true,
        // A secondary limit has been seen without a kind, and then without a path.
        None => error.path.is_empty() && says_rate_limit(&error.message),
        Some(_) => false,
    }
}

fn stated_quota(rate_limit: &Value) -> Option<Quota> {
    Some(Quota {
        allowance: rate_limit["limit"].as_u64()?.min(1_000_000_000),
        remaining: rate_limit["remaining"].as_u64()?.min(1_000_000_000),
        resets_at: rate_limit["resetAt"].as_str()?.parse().ok()?,
    })
}
