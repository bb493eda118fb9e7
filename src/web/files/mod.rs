//! The published folder over HTTP: GET and HEAD, with ranges, ETags, dates and compression.
//!
//! Written here, and not taken from tower-http, for three things that its file service has not: a strong
//! ETag (channels are switched by a link, so a date can go backwards), paths that begin with a dot as unknown
//! ones (generations that are being prepared, or old, lie there), and the `.zst` or `.gz` that lies beside an
//! index as its compressed form.

mod conditions;
mod encoding;
mod place;

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, LAST_MODIFIED, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use self::conditions::{Part, part_of};
use self::encoding::{Coding, gzipped};
use self::place::{Found, Place};
use super::Shared;

/// How much of a file is read at a time.
const CHUNK: usize = 64 * 1024;

/// The folder that is served.
pub(super) struct PublishedFolder {
    root: PathBuf,
}

impl PublishedFolder {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

/// Answers a request for whatever no other path is for.
pub(super) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
    }
    let Some(folder) = &shared.published else { return not_found() };
    match file(folder, request.uri().path(), request.headers(), request.method()).await {
        Ok(Some(response)) => response,
        Ok(None) => not_found(),
        Err(error) => {
            tracing::error!(path = request.uri().path(), "cannot serve a published file: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such file here\n").into_response()
}

async fn file(
    folder: &PublishedFolder,
    path: &str,
    asked: &HeaderMap,
    method: &Method,
) -> std::io::Result<Option<Response>> {
    let place = match Place::find(&folder.root, path).await? {
        Some(Found::File(place)) => place,
        Some(Found::Folder) => {
            // Relative, so that it is right behind a proxy that serves this below a path of its own.
            let there = [(LOCATION, format!("./{}/", path.rsplit('/').next().unwrap_or_default()))];
            return Ok(Some((StatusCode::MOVED_PERMANENTLY, there).into_response()));
        }
        None => return Ok(None),
    };
    let (place, coding) = encoding::choose(place, asked).await?;
    let etag = place.etag(coding);
    let headers = headers_of(&place, coding, &etag);
    if conditions::is_known(asked, &etag, place.last_modified().as_deref()) {
        return Ok(Some((StatusCode::NOT_MODIFIED, headers).into_response()));
    }
    if coding == Coding::Gzip {
        let body = if *method == Method::HEAD { Body::empty() } else { gzipped(place.into_file()) };
        return Ok(Some((StatusCode::OK, headers, body).into_response()));
    }
    let size = place.size;
    let part = part_of(asked, &etag, size);
    let (status, range) = match &part {
        Part::Whole => (StatusCode::OK, 0..size),
        Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        Part::Beyond => {
            let whole = [(CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok(Some((StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response()));
        }
    };
    let length = range.end - range.start;
    let body = match *method == Method::HEAD {
        true => Body::empty(),
        false => streamed(place.into_file(), range.start, length).await?,
    };
    let mut response = (status, headers, [(CONTENT_LENGTH, length.to_string())], body).into_response();
    if let Part::Range(range) = part {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, size);
        response.headers_mut().extend(HeaderValue::try_from(text).map(|value| (CONTENT_RANGE, value)));
    }
    Ok(Some(response))
}

fn headers_of(place: &Place, coding: Coding, etag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| {
        // All of them are made of plain letters.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(ETAG, etag);
    if let Some(date) = place.last_modified() {
        put(LAST_MODIFIED, &date);
    }
    put(CONTENT_TYPE, place.content_type());
    put(CACHE_CONTROL, place.caching());
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    if place.is_text() {
        put(VARY, "accept-encoding");
    }
    match coding {
        Coding::Plain => put(ACCEPT_RANGES, "bytes"),
        Coding::Beside(coding) => put(CONTENT_ENCODING, coding),
        Coding::Gzip => put(CONTENT_ENCODING, "gzip"),
    }
    headers
}

/// A part of a file, read as the client takes it.
async fn streamed(mut file: File, start: u64, length: u64) -> std::io::Result<Body> {
    file.seek(SeekFrom::Start(start)).await?;
    let chunks = stream::try_unfold(file.take(length), |mut rest| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match rest.read_buf(&mut chunk).await? {
            0 => Ok::<_, std::io::Error>(None),
            _ => Ok(Some((Bytes::from(chunk), rest))),
        }
    });
    Ok(Body::from_stream(chunks))
}
