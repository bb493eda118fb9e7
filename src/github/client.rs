//! The client itself: conditional GETs, GraphQL reads, and writes through octocrab, over one
//! transport and one limiter.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, Method};
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::{Host, Url};

use super::access::{Access, Pass, Passes};
use super::app::{App, Installation};
use super::graphql::{self, GraphQlAnswer};
use super::limits::{Call, Limiter, Pace, Permit, Priority};
use super::transport::{Answer, LARGEST_BODY, MEDIA_TYPE, Sender, Transport, Unanswered, chain};
use super::{Absence, Lookup};
use crate::clock::SharedClock;
use crate::failure::Failure;
use crate::store::{CacheKey, KeptAnswer, Store};

/// Larger answers are not kept: they change at each look, and would only fill the database.
const LARGEST_KEPT: usize = 4 * 1024 * 1024;
const MOST_REDIRECTS: usize = 3;

/// How to reach GitHub.
#[derive(Clone, Debug)]
pub struct GitHubSettings {
    /// The REST API: `https://api.github.com`, or `https://HOST/api/v3` of an enterprise server. Plain
    /// http is for loopback only.
    pub api: Url,
    /// Who we are there.
    pub access: Access,
    /// For one request, from its connection to the last byte of its answer.
    pub timeout: Duration,
    /// The `user-agent` header.
    pub user_agent: String,
    /// Polls stop when so many hundredths of an hourly quota are left, so that writes can go on.
    pub poll_reserve_percent: u8,
}

impl GitHubSettings {
    /// Settings with a token, a time-out of 30 seconds and a tenth of the quota reserved for writes.
    pub fn new(api: Url, token: SecretString) -> Self {
        Self::by(api, Access::Token(token))
    }

    /// The same as a GitHub App.
    pub fn of_app(api: Url, app: App) -> Self {
        Self::by(api, Access::App(app))
    }

    /// The same by either right.
    pub fn by(api: Url, access: Access) -> Self {
        Self {
            api,
            access,
            timeout: Duration::from_secs(30),
            user_agent: concat!("tidegate/", env!("CARGO_PKG_VERSION")).to_owned(),
            poll_reserve_percent: 10,
        }
    }
}

/// An answer to a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its body.
    pub body: Bytes,
    /// Where GitHub sent us on for good (301): what was asked for has moved there.
    pub moved_to: Option<Url>,
}

impl Fetched {
    /// The body read as JSON; one that does not have the shape is permanent.
    pub fn json<T: DeserializeOwned>(&self, about: &str) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::permanent(format!("{about}: the answer is malformed: {error}")))
    }
}

/// GitHub as one token or one App sees it. Cheap to clone: clones share the limiter.
#[derive(Clone)]
pub struct GitHub {
    octocrab: Octocrab,
    transport: Transport,
    rest: Url,
    graphql: Url,
    store: Store,
    clock: SharedClock,
    holder: String,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub").field("rest", &self.rest.as_str()).finish_non_exhaustive()
    }
}

impl GitHub {
    /// A client with what `store` remembers of its limits. Nothing is sent yet. Must be called on a tokio runtime.
    /// A bad address, user agent or token is a [`Failure::Configuration`].
    pub async fn new(
        settings: GitHubSettings,
        store: Store,
        clock: SharedClock,
        pace: Pace,
    ) -> Result<Self, Failure> {
        let (rest, graphql) = endpoints(&settings.api)?;
        let holder = settings.access.holder();
        let reserve = settings.poll_reserve_percent;
        let limiter = Limiter::load(store.clone(), clock.clone(), pace, holder.clone(), reserve)
            .await
            .map_err(|error| Failure::transient(format!("cannot recall GitHub's limits: {error:#}")))?;
        let sender = Sender::new(settings.timeout, &settings.user_agent)?;
        let passes = match settings.access {
            Access::Token(token) => Passes::Fixed(Pass::of_token(&token)?),
            Access::App(app) => {
                Passes::OfApp(Box::new(Installation::new(app, sender.clone(), rest.clone(), clock.clone())))
            }
        };
        let transport = Transport::new(sender, passes, limiter);
        let octocrab = octocrab_over(transport.clone(), rest.clone(), graphql.clone());
        Ok(Self { octocrab, transport, rest, graphql, store, clock, holder })
    }

    /// The limiter that all requests share.
    pub fn limiter(&self) -> &Arc<Limiter> {
        self.transport.limiter()
    }

    /// GETs the path whose segments are `path`, which are encoded, with the parameters `query`. An
    /// answer with an ETag is kept, so that an unchanged one costs no quota next time.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)], priority: Priority) -> Lookup<Fetched> {
        let url = address(&self.rest, path, query);
        match self.fetch(url, priority).await {
            Ok(lookup) => lookup,
            Err(failure) => Lookup::Failed(failure),
        }
    }

    /// The transport, for requests whose answers are no JSON.
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The address of a path of the REST API, whose segments are encoded.
    pub(super) fn rest_address(&self, path: &[&str]) -> Url {
        address(&self.rest, path, &[])
    }

    async fn fetch(&self, asked: Url, priority: Priority) -> Result<Lookup<Fetched>, Failure> {
        let passes = self.transport.passes();
        let pass = passes.pass().await?;
        let mut ended = self.fetch_with(&pass, asked.clone(), priority).await?;
        if let Err(refused) = &ended
            && refused.status == 401
            && let Some(pass) = passes.instead_of(&pass).await?
        {
            ended = self.fetch_with(&pass, asked, priority).await?;
        }
        ended.map_err(|refused| refused.failure(&Method::GET))
    }

    /// The same with that pass; inside it an answer that means nothing but a refusal. ETags are bound to the pass,
    /// so an answer that was kept under another one is not mentioned.
    async fn fetch_with(
        &self,
        pass: &Pass,
        asked: Url,
        priority: Priority,
    ) -> Result<Result<Lookup<Fetched>, Answer>, Failure> {
        let key = CacheKey {
            url: asked.to_string(),
            token: pass.fingerprint.clone(),
            accept: MEDIA_TYPE.to_owned(),
        };
        let kept = self.store.kept_answer(&key, LARGEST_BODY).await.unwrap_or_else(|error| {
            // A damaged entry costs a request, which then replaces it.
            tracing::warn!(error = format!("{error:#}"), "cannot use a kept answer of GitHub");
            None
        });
        let (mut url, mut moved_to) = (asked, None);
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send_get(pass, &url, kept.as_ref(), priority).await?;
            match answer.status {
                200 => {
                    self.keep(&key, &answer).await;
                    return Ok(Ok(Lookup::Found(Fetched { body: answer.body, moved_to })));
                }
                304 if kept.is_some() => {
                    return Ok(Ok(self.unchanged(&key, kept, moved_to).await));
                }
                301 | 302 | 307 | 308 => {
                    let next = self.next_address(&answer)?;
                    if matches!(answer.status, 301 | 308) {
                        moved_to = Some(next.clone());
                    }
                    url = next;
                }
                404 => return Ok(Ok(Lookup::Absent { reason: Absence::NotFound })),
                410 => return Ok(Ok(Lookup::Absent { reason: Absence::Gone })),
                451 => return Ok(Ok(Lookup::Absent { reason: Absence::Withheld })),
                _ => return Ok(Err(answer)),
            }
        }
        Err(Failure::permanent(format!("GET {}: more than {MOST_REDIRECTS} redirects", key.url)))
    }

    async fn send_get(
        &self,
        pass: &Pass,
        url: &Url,
        kept: Option<&KeptAnswer>,
        priority: Priority,
    ) -> Result<Answer, Failure> {
        let permit = self.limiter().acquire(Call::Read, priority).await?;
        let mut request = self.transport.request(Method::GET, url.clone());
        if let Some(etag) = kept.and_then(|kept| HeaderValue::from_str(&kept.etag).ok()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        Ok(self.transport.send_with(pass, request, &permit).await?)
    }

    async fn unchanged(
        &self,
        key: &CacheKey,
        kept: Option<KeptAnswer>,
        moved_to: Option<Url>,
    ) -> Lookup<Fetched> {
        if let Err(error) = self.store.touch_answer(key, self.clock.now()).await {
            tracing::warn!(error = format!("{error:#}"), "cannot touch a kept answer of GitHub");
        }
        let body = kept.map(|kept| kept.body).unwrap_or_default();
        Lookup::Found(Fetched { body, moved_to })
    }

    /// Keeps an answer with status 200 that carries an ETag. That it could not be kept is no failure.
    async fn keep(&self, key: &CacheKey, answer: &Answer) {
        let Some(etag) = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok()) else { return };
        if answer.body.len() > LARGEST_KEPT || etag.len() > 512 {
            return;
        }
        let kept = KeptAnswer { etag: etag.to_owned(), body: answer.body.clone() };
        if let Err(error) = self.store.keep_answer(key, &kept, self.clock.now()).await {
            tracing::warn!(error = format!("{error:#}"), "cannot keep an answer of GitHub");
        }
        // What an earlier pass of an App was answered cannot be asked about again.
        if let Err(error) = self.store.forget_earlier_answers(key, &self.holder).await {
            tracing::warn!(error = format!("{error:#}"), "cannot forget earlier answers of GitHub");
        }
    }

    /// Where a redirect leads. The token goes to GitHub's own origin only.
    fn next_address(&self, answer: &Answer) -> Result<Url, Failure> {
        let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let next = location.and_then(|location| answer.url.join(location).ok());
        match next {
            Some(next) if next.origin() == self.rest.origin() => Ok(next),
            _ => Err(Failure::permanent(format!(
                "GET {}: a redirect away from GitHub, or to nowhere",
                answer.url
            ))),
        }
    }

    /// Asks a GraphQL query. Errors beside data are the caller's to read; a refusal for too many
    /// requests, which comes with status 200, is a [`Failure::Transient`].
    pub async fn graphql(
        &self,
        query: &str,
        variables: Value,
        priority: Priority,
    ) -> Result<GraphQlAnswer, Failure> {
        Ok(self.ask(query, variables, priority).await?)
    }

    pub(super) async fn ask(
        &self,
        query: &str,
        variables: Value,
        priority: Priority,
    ) -> Result<GraphQlAnswer, Unanswered> {
        let permit = self.limiter().acquire(Call::Query, priority).await.map_err(Unanswered::Broken)?;
        let body = json!({ "query": query, "variables": variables });
        let request = self.transport.request(Method::POST, self.graphql.clone()).json(&body);
        let answer = self.transport.send(request, &permit).await?;
        graphql::read(&answer, self.limiter()).await
    }

    /// Sends a mutation, once.
    pub(super) async fn mutate(&self, query: &str, input: Value) -> Result<GraphQlAnswer, Failure> {
        let body = json!({ "query": query, "variables": { "input": input } });
        let answer = self.write(Call::Mutation, Method::POST, "/graphql", &body).await?;
        Ok(graphql::read(&answer, self.limiter()).await?)
    }

    /// Sends one write through octocrab, once, whatever becomes of it: a write that fails half-way may
    /// have happened, and only who asked for it can look. `path` holds checked names only; a null `body` is none.
    pub(super) async fn write(
        &self,
        call: Call,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Failure> {
        let permit = self.limiter().acquire(call, Priority::Action).await?;
        self.write_with(permit, method, path, body).await
    }

    /// The same with leave that was taken before. A failure here may have happened on the way; one to get leave
    /// means that nothing was sent.
    pub(super) async fn write_with(
        &self,
        permit: Permit,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Failure> {
        let permit = Arc::new(permit);
        let text = Payload(if body.is_null() { Bytes::new() } else { body.to_string().into() });
        let request =
            http::Request::builder().method(method.clone()).uri(path).extension(permit).extension(text);
        let unsent = |error: octocrab::Error| {
            Failure::permanent(format!("{method} {path}: cannot form the request: {}", chain(&error)))
        };
        let request =
            self.octocrab.build_request(request, (!body.is_null()).then_some(body)).map_err(unsent)?;
        let response = self.octocrab.execute(request).await.map_err(|error| unwrapped(&error, path))?;
        let (head, body) = response.into_parts();
        let sent = head.extensions.get::<Sent>().cloned();
        let sent = sent.ok_or_else(|| Failure::transient(format!("{method} {path}: the answer was lost")))?;
        let body = self.octocrab.body_to_string(http::Response::new(body)).await.map_err(|error| {
            Failure::permanent(format!("{method} {path}: the answer is malformed: {}", chain(&error)))
        })?;
        Ok(Answer {
            url: sent.url,
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.into(),
            limited_until: sent.limited_until,
        })
    }
}

/// The body of a write. octocrab's own is a stream that can be sent once only.
#[derive(Clone)]
struct Payload(Bytes);

/// What octocrab's answer has no place for.
#[derive(Clone)]
struct Sent {
    url: Url,
    limited_until: Option<jiff::Timestamp>,
}

/// octocrab over our own transport, without its layers: its default ones repeat every method on a 5xx
/// answer at once, cache answers of any status under their address alone, and add a second user agent.
fn octocrab_over(transport: Transport, rest: Url, graphql: Url) -> Octocrab {
    let service = tower::service_fn(move |request: http::Request<octocrab::OctoBody>| {
        let (transport, rest, graphql) = (transport.clone(), rest.clone(), graphql.clone());
        async move {
            let (head, _body) = request.into_parts();
            let permit = head.extensions.get::<Arc<Permit>>().cloned();
            let payload = head.extensions.get::<Payload>().cloned();
            let (Some(permit), Some(Payload(body))) = (permit, payload) else {
                return Err(Failure::permanent("a write to GitHub without leave to send it"));
            };
            let url = match head.uri.path() {
                "/graphql" => graphql,
                path => address(&rest, &path.split('/').skip(1).collect::<Vec<_>>(), &[]),
            };
            let mut request = transport.request(head.method, url).body(body);
            if let Some(kind) = head.headers.get(CONTENT_TYPE) {
                request = request.header(CONTENT_TYPE, kind);
            }
            let answer = transport.send(request, &permit).await.map_err(Failure::from)?;
            let mut response = http::Response::new(reqwest::Body::from(answer.body));
            *response.status_mut() = http::StatusCode::from_u16(answer.status).map_err(|_| {
                Failure::permanent(format!("GitHub answered with the status {}", answer.status))
            })?;
            *response.headers_mut() = HeaderMap::clone(&answer.headers);
            response.extensions_mut().insert(Sent { url: answer.url, limited_until: answer.limited_until });
            Ok::<_, Failure>(response)
        }
    });
    match OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build() {
        Ok(octocrab) => octocrab,
        Err(never) => match never {},
    }
}

/// The failure that our transport reported, which octocrab hands on inside its own error.
fn unwrapped(error: &octocrab::Error, path: &str) -> Failure {
    if let octocrab::Error::Service { source, .. } = error
        && let Some(failure) = source.downcast_ref::<Failure>()
    {
        return failure.clone();
    }
    Failure::transient(format!("{path}: the request failed: {}", chain(error)))
}

fn address(base: &Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// The REST and the GraphQL address of an API.
fn endpoints(api: &Url) -> Result<(Url, Url), Failure> {
    let is_loopback = match api.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_plain = api.query().is_none() && api.fragment().is_none() && api.username().is_empty();
    if !is_plain || !(api.scheme() == "https" || (api.scheme() == "http" && is_loopback)) {
        return Err(Failure::Configuration {
            message: format!(
                "the GitHub address {api} is not an https address without a query or a user name"
            ),
            hint: Some(
                "write https://api.github.com, or https://HOST/api/v3 for an enterprise server".to_owned(),
            ),
        });
    }
    let mut graphql = api.clone();
    // An enterprise server has its REST API under /api/v3 and GraphQL under /api/graphql.
    match api.path().trim_end_matches('/').strip_suffix("/v3") {
        Some(parent) => graphql.set_path(&format!("{parent}/graphql")),
        None => graphql = address(api, &["graphql"], &[]),
    }
    Ok((api.clone(), graphql))
}
