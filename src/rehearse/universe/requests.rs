//! From a request to an answer: routes, parameters, outages, and what is refused.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::civil::Date;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Served;
use super::advisories;
use super::bundles;
use super::cran;
use super::cranlike::{self, Found};
use super::records::{FIELDS, Selection};
use crate::digest::hex;
use crate::rehearse::world::OutageSource;

/// All routes.
pub(super) fn router(served: Arc<Served>) -> Router {
    Router::new()
        .route("/universe/{channel}/api/packages", get(packages))
        .route("/universe/{channel}/api/snapshot/{format}", get(bundle))
        .route("/universe/{channel}/{*path}", get(repository_file))
        .route("/advisories/main.zip", get(advisory_archive))
        .route("/cran/{channel}/{date}/src/contrib/{file}", get(cran_file))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(served)
}

/// A request, as far as it matters for what is refused and what is remembered.
struct Asked<'a> {
    served: &'a Served,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

async fn packages(
    State(served): State<Arc<Served>>,
    Path(channel): Path<String>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked { served: &served, uri: &uri, headers: &headers };
    let parameters = match Parameters::parse(query.as_deref().unwrap_or_default()) {
        Ok(parameters) => parameters,
        Err(problem) => return asked.refuse(&problem),
    };
    let Some(view) = served.scene.view(&channel) else { return asked.unknown_channel(&channel) };
    if served.scene.world().outage(OutageSource::Universe, &channel, view.at) {
        return outage();
    }
    let lines = served.lines.of(&view, parameters.selection);
    match parameters.shape {
        Shape::Stream => {
            let body: String = lines.iter().flat_map(|line| [&**line, "\n"]).collect();
            asked.answer("application/x-ndjson", body.into())
        }
        Shape::Array => asked.answer("application/json", format!("[{}]", lines.join(",")).into()),
    }
}

/// Streamed, so that nobody learns its length beforehand.
async fn bundle(
    State(served): State<Arc<Served>>,
    Path((channel, format)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked { served: &served, uri: &uri, headers: &headers };
    let wanted = match bundles::Wanted::parse(query.as_deref().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(problem) => return asked.refuse(&problem),
    };
    let Some(view) = served.scene.view(&channel) else { return asked.unknown_channel(&channel) };
    if served.scene.world().outage(OutageSource::Universe, &channel, view.at) {
        return outage();
    }
    let whole = match format.as_str() {
        "zip" => wanted.zip(&view),
        "tar" => wanted.tar(&view),
        _ => return asked.refuse("the snapshot API has the forms zip and tar"),
    };
    let Some(whole) = whole else { return nothing() };
    let chunks: Vec<std::io::Result<Bytes>> =
        whole.chunks(64 * 1024).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Body::from_stream(futures_util::stream::iter(chunks)).into_response()
}

async fn repository_file(
    State(served): State<Arc<Served>>,
    Path((channel, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked { served: &served, uri: &uri, headers: &headers };
    if query.is_some() {
        return asked.refuse("a file of a repository takes no parameters");
    }
    let Some(view) = served.scene.view(&channel) else { return asked.unknown_channel(&channel) };
    if served.scene.world().outage(OutageSource::Universe, &channel, view.at) {
        return outage();
    }
    match cranlike::find(&view, &path) {
        Found::File(bytes) => asked.answer("application/octet-stream", bytes),
        Found::Nothing => nothing(),
        Found::Unknown => asked.refuse("no CRAN-like repository has such a path"),
    }
}

async fn cran_file(
    State(served): State<Arc<Served>>,
    Path((channel, date, file)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked { served: &served, uri: &uri, headers: &headers };
    if query.is_some() {
        return asked.refuse("the CRAN index takes no parameters");
    }
    let world = served.scene.world();
    if !world.universes.iter().any(|universe| universe.channel == channel) {
        return asked.unknown_channel(&channel);
    }
    let Some(date) = date.parse::<Date>().ok().filter(|_| date.len() == "2026-04-15".len()) else {
        return asked.refuse("the date is not one such as 2026-04-15");
    };
    if !matches!(file.as_str(), "PACKAGES" | "PACKAGES.gz") {
        return asked.refuse("only PACKAGES and PACKAGES.gz are there");
    }
    if world.outage(OutageSource::Cran, &channel, served.scene.now()) {
        return outage();
    }
    match cran::index(world, date) {
        None => nothing(),
        Some(text) if file == "PACKAGES" => asked.answer("text/plain", text.into()),
        Some(text) => asked.answer("application/gzip", cranlike::gzip(text.as_bytes()).into()),
    }
}

async fn advisory_archive(
    State(served): State<Arc<Served>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asked = Asked { served: &served, uri: &uri, headers: &headers };
    if query.is_some() {
        return asked.refuse("the archive of advisories takes no parameters");
    }
    let (world, now) = (served.scene.world(), served.scene.now());
    let out = |channel: &str| world.outage(OutageSource::Advisories, channel, now);
    match world.universes.iter().any(|universe| out(&universe.channel)) {
        true => outage(),
        false => asked.answer("application/zip", advisories::archive(world, now).into()),
    }
}

async fn unknown(State(served): State<Arc<Served>>, method: Method, uri: Uri) -> Response {
    served.violations.add(format!("{method} {uri}: there is nothing like it"));
    (StatusCode::BAD_REQUEST, axum::Json(json!({"message": "there is nothing like it"}))).into_response()
}

impl Asked<'_> {
    /// Answers with a body, or says that the asker has it already.
    fn answer(&self, content_type: &'static str, body: Bytes) -> Response {
        let tag = format!("\"{}\"", hex(&Sha256::digest(&body)[..16]));
        let known = self.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let has_it = known.is_some_and(|tags| {
            tags.split(',')
                .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
        });
        match has_it {
            true => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
            false => {
                ([(header::CONTENT_TYPE, content_type.to_owned()), (header::ETAG, tag)], body).into_response()
            }
        }
    }

    /// Refuses what the real service would not understand, and remembers it.
    fn refuse(&self, problem: &str) -> Response {
        self.served.violations.add(format!("GET {}: {problem}", self.uri));
        (StatusCode::BAD_REQUEST, axum::Json(json!({"message": problem}))).into_response()
    }

    fn unknown_channel(&self, channel: &str) -> Response {
        self.refuse(&format!("the world has no channel `{channel}`"))
    }
}

fn outage() -> Response {
    let message = "the world has an outage here at this time";
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({"message": message}))).into_response()
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, axum::Json(json!({"message": "not found"}))).into_response()
}

/// What `/api/packages` was asked for.
struct Parameters {
    selection: Selection,
    shape: Shape,
}

/// How records are sent.
enum Shape {
    /// One per line.
    Stream,
    /// In one JSON array.
    Array,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, String> {
        let mut parameters = Self { selection: Selection::ALL, shape: Shape::Array };
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match (&*key, &*value) {
                ("stream", "true") => parameters.shape = Shape::Stream,
                ("stream", "false") => parameters.shape = Shape::Array,
                // More than any world lists; a smaller one would cut the answer, which nobody asks for.
                ("limit", number) if number.parse::<usize>().is_ok_and(|most| most >= 2500) => {}
                ("fields", list) => {
                    parameters.selection = Selection::parse(list).map_err(|name| {
                        format!("no field is named `{name}`; there are {}", FIELDS.join(", "))
                    })?;
                }
                _ => return Err(format!("unknown parameter `{key}={value}`; there are stream and fields")),
            }
        }
        Ok(parameters)
    }
}
