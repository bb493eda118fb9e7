//! Answers before they become HTTP.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::git::Oid;
use super::limits::{Rate, Resource};
use super::refused::Refused;

/// An answer: status, headers and body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// What the ETag is made of; none for the body.
    basis: Option<Vec<u8>>,
}

/// RFC 3339 in UTC with whole seconds, as GitHub writes times.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number that always belongs to the same text, where GitHub has ids.
pub(super) fn id(kind: &str, key: &str) -> u32 {
    let oid = Oid::of_blob(format!("{kind} {key}").as_bytes()).to_string();
    u32::from_str_radix(&oid[..7], 16).expect("the first digits of an object's name are hex")
}

impl Answer {
    /// JSON with a status.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes(), basis: None }
    }

    /// 200 with JSON.
    pub(super) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Vec::new(), basis: None }
    }

    /// A file as it is.
    pub(super) fn raw(body: Vec<u8>) -> Self {
        let headers = vec![("content-type", "application/vnd.github.raw+json".into())];
        Self { status: 200, headers, body, basis: None }
    }

    /// 302.
    pub(super) fn found_at(location: String) -> Self {
        Self { status: 302, ..Self::no_content() }.with("location", location)
    }

    /// A zip file.
    pub(super) fn zip(body: Vec<u8>) -> Self {
        let headers = vec![("content-type", "application/zip".into())];
        Self { status: 200, headers, body, basis: None }
    }

    /// An error with GitHub's shape.
    pub(super) fn refused(refused: &Refused) -> Self {
        let mut body = json!({
            "message": refused.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": refused.status.to_string(),
        });
        if refused.status == 404 {
            body["message"] = "Not Found".into();
        }
        if !refused.errors.is_empty() {
            body["errors"] = refused.errors.clone().into();
        }
        Self::json(refused.status, &body)
    }

    /// The answer to a request that GitHub would not understand. 418 is no status that GitHub
    /// uses, so no client can take it for an ordinary error.
    pub(super) fn violation(message: &str) -> Self {
        Self::json(418, &json!({"message": message}))
    }

    /// Makes the ETag of something less than the whole body: GitHub's does not change with
    /// everything that an answer says.
    pub(super) fn identified_by(mut self, basis: &Value) -> Self {
        self.basis = Some(basis.to_string().into_bytes());
        self
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds the headers about a budget.
    pub(super) fn with_rate(self, resource: Resource, rate: Rate) -> Self {
        self.with("x-ratelimit-limit", rate.limit.to_string())
            .with("x-ratelimit-remaining", rate.remaining.to_string())
            .with("x-ratelimit-used", rate.used.to_string())
            .with("x-ratelimit-reset", rate.reset.to_string())
            .with("x-ratelimit-resource", resource.name())
    }

    /// Adds the ETag of a 200, or makes it a 304 where the client has the same already. GitHub's
    /// ETags are bound to the token, so a new token misses.
    pub(super) fn conditional(self, authorization: &str, if_none_match: Option<&str>) -> Self {
        if self.status != 200 {
            return self;
        }
        let mut hash = Sha1::new();
        hash.update(authorization);
        hash.update([0]);
        hash.update(self.basis.as_ref().unwrap_or(&self.body));
        let etag =
            format!("W/\"{}\"", hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        if if_none_match.is_some_and(|known| known.split(',').any(|known| known.trim() == etag)) {
            return Self { headers: vec![("etag", etag)], status: 304, ..Self::no_content() };
        }
        self.with("etag", etag)
    }
}
