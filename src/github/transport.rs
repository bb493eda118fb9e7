//! One HTTP transport for all requests, reads and octocrab's writes alike: headers, time-outs, a
//! limit on what an answer may hold, and no redirect that nobody asked for.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::access::{Pass, Passes};
use super::limits::{Limiter, Permit};
use crate::failure::Failure;
use crate::tls;

/// The most bytes that an answer may have.
pub(super) const LARGEST_BODY: usize = 32 * 1024 * 1024;
/// The media type that every request asks for.
pub(super) const MEDIA_TYPE: &str = "application/vnd.github+json";
/// What to do where GitHub does not let the token do something.
pub(super) const PERMISSIONS: &str = "the token lacks a permission: it needs to read metadata and contents, and to write contents, pull requests and issues where tidegate writes";
/// The version of the REST API that tidegate speaks.
const API_VERSION: &str = "2022-11-28";

/// Sends requests and reads answers, whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    http: reqwest::Client,
    headers: HeaderMap,
}

/// What sends all requests that count against our limits.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    sender: Sender,
    passes: Arc<Passes>,
    limiter: Arc<Limiter>,
}

/// An answer, with its body read to the end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Where it is a refusal for too many requests: when to try again.
    pub(super) limited_until: Option<Timestamp>,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// It took too long, or was too large: asking for less may help.
    TooMuch(Failure),
    /// No connection, or one that broke: asking for less does not help.
    Broken(Failure),
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::TooMuch(failure) | Unanswered::Broken(failure) => failure,
        }
    }
}

impl Sender {
    pub(super) fn new(timeout: Duration, user_agent: &str) -> Result<Self, Failure> {
        tls::prepare();
        let http = reqwest::Client::builder()
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .read_timeout(timeout)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| configuration(format!("cannot set up HTTP for GitHub: {}", chain(&error))))?;
        let user_agent = HeaderValue::try_from(user_agent).map_err(|_| {
            configuration(format!("the user agent {user_agent:?} cannot be sent in a header"))
        })?;
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(MEDIA_TYPE)),
            (http::HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
            (USER_AGENT, user_agent),
        ]);
        Ok(Self { http, headers })
    }

    /// A request with the headers that all of them carry, the pass excepted.
    pub(super) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http.request(method, url).headers(self.headers.clone())
    }

    /// Sends one request, once, and reads its answer to the end.
    pub(super) async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Answer, Unanswered> {
        let (http, request) = request.build_split();
        let request = request.map_err(|error| {
            Unanswered::Broken(Failure::permanent(format!(
                "cannot form a request to GitHub: {}",
                chain(&error)
            )))
        })?;
        let (method, url) = (request.method().clone(), request.url().clone());
        let about = format!("{method} {url}");
        let response = http.execute(request).await.map_err(|error| unanswered(&about, &error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read_limited(response, &about).await?;
        Ok(Answer { url, status, headers, body, limited_until: None })
    }
}

impl Transport {
    pub(super) fn new(sender: Sender, passes: Passes, limiter: Arc<Limiter>) -> Self {
        Self { sender, passes: Arc::new(passes), limiter }
    }

    pub(super) fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    pub(super) fn passes(&self) -> &Passes {
        &self.passes
    }

    /// A request with the headers that all of them carry. The pass is added when it is sent.
    pub(super) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.sender.request(method, url)
    }

    /// A request to another host than GitHub's own: without the token.
    pub(super) fn without_token(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        let user_agent = self.sender.headers.get(USER_AGENT).cloned();
        let headers = HeaderMap::from_iter(user_agent.map(|agent| (USER_AGENT, agent)));
        self.sender.http.request(method, url).headers(headers)
    }

    /// Sends one request and reads its answer to the end. Where a pass that can be renewed is refused, it is sent once
    /// more with another: GitHub refuses before it does anything, so that not even a write happens twice.
    pub(super) async fn send(
        &self,
        request: reqwest::RequestBuilder,
        permit: &Permit,
    ) -> Result<Answer, Unanswered> {
        let pass = self.passes.pass().await.map_err(Unanswered::Broken)?;
        let again = request.try_clone();
        let answer = self.send_with(&pass, request, permit).await?;
        let Some(again) = again.filter(|_| answer.status == 401) else { return Ok(answer) };
        match self.passes.instead_of(&pass).await.map_err(Unanswered::Broken)? {
            Some(pass) => {
                permit.once_more();
                self.send_with(&pass, again, permit).await
            }
            None => Ok(answer),
        }
    }

    /// Sends one request with that pass, once; the limiter learns from the answer.
    pub(super) async fn send_with(
        &self,
        pass: &Pass,
        request: reqwest::RequestBuilder,
        permit: &Permit,
    ) -> Result<Answer, Unanswered> {
        let mut answer = self.sender.exchange(request.header(AUTHORIZATION, pass.authorization())).await?;
        let message = answer.message();
        let (status, headers) = (answer.status, &answer.headers);
        answer.limited_until = self.limiter.observe(permit.call(), status, headers, message.as_deref());
        self.limiter.save().await;
        Ok(answer)
    }
}

async fn read_limited(mut response: reqwest::Response, about: &str) -> Result<Bytes, Unanswered> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(about, &error))? {
        if body.len() + chunk.len() > LARGEST_BODY {
            let message = format!("{about}: the answer is larger than {} MiB", LARGEST_BODY / 1024 / 1024);
            return Err(Unanswered::TooMuch(Failure::permanent(message)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unanswered(about: &str, error: &reqwest::Error) -> Unanswered {
    let failure = |what: &str| Failure::transient(format!("{about}: {what}: {}", chain(error)));
    if error.is_timeout() && !error.is_connect() {
        Unanswered::TooMuch(failure("no whole answer in time"))
    } else if error.is_connect() {
        Unanswered::Broken(failure("no connection"))
    } else if error.is_body() || error.is_decode() {
        Unanswered::Broken(failure("the answer was cut off"))
    } else {
        Unanswered::Broken(failure("the request failed"))
    }
}

/// The words of an error and of its causes, without the address that the caller names anyway.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    if words.is_empty() {
        words.push(error.to_string());
    }
    words.dedup();
    words.join(": ")
}

/// What an error body says, shortened: it is outside text that ends up in messages.
pub(super) fn message_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        message: String,
    }
    let said: ErrorBody = serde_json::from_slice(body).ok()?;
    Some(said.message.chars().filter(|c| !c.is_control()).take(300).collect())
}

fn configuration(message: String) -> Failure {
    Failure::Configuration { message, hint: None }
}

impl Answer {
    /// What a refusal says.
    pub(super) fn message(&self) -> Option<String> {
        (self.status >= 400).then(|| message_of(&self.body)).flatten()
    }

    /// The failure that a status other than success means.
    pub(super) fn failure(&self, method: &Method) -> Failure {
        let said = message_of(&self.body).unwrap_or_default();
        failure_of(method, self.url.as_str(), self.status, &said, self.limited_until)
    }
}

/// What a status means for the caller: the one place that decides it for reads and writes.
pub(super) fn failure_of(
    method: &Method,
    url: &str,
    status: u16,
    said: &str,
    limited_until: Option<Timestamp>,
) -> Failure {
    let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
    let message = format!("{method} {url}: GitHub answered {status}{said}");
    match status {
        _ if limited_until.is_some() => Failure::Transient { message, retry_at: limited_until },
        401 => Failure::Configuration {
            message,
            hint: Some("the token is wrong, expired or revoked: issue a new one and store it where `token` points to; of an `app`, look whether it is still installed".into()),
        },
        403 => Failure::Configuration { message, hint: Some(PERMISSIONS.into()) },
        // GitHub hides what a token may not write to.
        404 if *method != Method::GET => Failure::permanent(format!(
            "{message}: it is gone, or the token may not write there. If it is there: {PERMISSIONS}"
        )),
        301 | 302 | 307 | 308 => Failure::permanent(format!(
            "{message}: the repository has moved; write its new name where it is configured"
        )),
        408 | 425 | 500..=599 => Failure::transient(message),
        _ => Failure::permanent(message),
    }
}
