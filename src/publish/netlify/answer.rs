//! What an answer of Netlify's API means.

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::failure::Failure;

/// What an answer says.
pub(super) async fn read<T: for<'de> Deserialize<'de>>(answer: Response, what: &str) -> Result<T, Failure> {
    let answer = checked(answer, what).await?;
    let bytes = answer
        .bytes()
        .await
        .map_err(|error| Failure::transient(format!("cannot {what}: {}", told(&error))))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::permanent(format!("cannot {what}: the answer is not understood: {error}")))
}

/// An answer that says that it was done.
pub(super) async fn checked(answer: Response, what: &str) -> Result<Response, Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.text().await.unwrap_or_default();
    let said: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let message = format!("cannot {what}: Netlify answered {status}{said}");
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Failure::Configuration {
            message,
            hint: Some(
                "`site` has to be the site's id or domain, and `token` has to have the right to deploy"
                    .into(),
            ),
        },
        StatusCode::REQUEST_TIMEOUT => Failure::transient(message),
        _ if status.is_server_error() => Failure::transient(message),
        _ => Failure::permanent(message),
    })
}

/// An error with its causes, without the address, which it may hold.
pub(super) fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        text = format!("{text}: {one}");
        cause = one.source();
    }
    text
}
