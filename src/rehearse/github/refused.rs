//! What GitHub says when it will not do something, for both of its APIs.

use serde_json::{Value, json};

/// A request that was understood and not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The HTTP status of a REST answer.
    pub status: u16,
    /// The type of a GraphQL error, such as `STALE_DATA`.
    pub kind: &'static str,
    /// What a person reads.
    pub message: String,
    /// The details of a REST answer, under `errors`.
    pub errors: Vec<Value>,
}

impl Refused {
    /// The thing named is not there (404), or the token may not see it: GitHub does not tell the two apart.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, kind: "NOT_FOUND", message: message.into(), errors: Vec::new() }
    }

    /// The request cannot be carried out as it is (422).
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self { status: 422, kind: "UNPROCESSABLE", message: message.into(), errors: Vec::new() }
    }

    /// A 422 about one field of a resource, with GitHub's `code` such as `invalid` or `already_exists`.
    pub fn invalid_field(resource: &str, field: &str, code: &str) -> Self {
        let errors = vec![json!({"resource": resource, "field": field, "code": code})];
        Self { errors, ..Self::unprocessable("Validation Failed") }
    }

    /// A 422 with a sentence of its own about a resource.
    pub fn custom(resource: &str, sentence: String) -> Self {
        let errors = vec![json!({"resource": resource, "code": "custom", "message": sentence})];
        Self { errors, ..Self::unprocessable("Validation Failed") }
    }

    /// Another status with a sentence.
    pub fn status(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), errors: Vec::new() }
    }
}
