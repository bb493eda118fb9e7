//! One GET: with a limit on size and time, and every way it can fail told apart. Files that are kept go
//! through [`file`].

mod file;

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{RequestBuilder, Response, StatusCode, Url};

use crate::failure::Failure;

pub(super) use file::Origin;
pub use file::{PartialFile, Promise};

/// How much an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The most bytes of its body, after decompression.
    pub bytes: u64,
    /// The longest time from the first byte sent to the last one received.
    pub timeout: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { bytes: 256 * 1024 * 1024, timeout: Duration::from_secs(120) }
    }
}

/// A file that was copied whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Its sha256 in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its md5, which CRAN-like indexes carry.
    pub md5: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The answer to a GET for something that need not be there.
pub(in crate::ecosystem) enum Fetched {
    /// The whole body.
    Found(Vec<u8>),
    /// 404.
    Missing,
}

/// The answer to a GET for something that the asker may have already.
pub(super) enum Asked {
    /// 304: it has not changed.
    Unchanged,
    /// The whole body, with the ETag to ask with the next time.
    Found { bytes: Vec<u8>, etag: Option<String> },
    /// 404.
    Missing,
}

/// The longest ETag that is kept.
const MAX_ETAG: usize = 1024;

/// `base` with `path` after it, whether or not `base` ends with a slash.
pub(super) fn join(base: &Url, path: &str) -> Result<Url, Failure> {
    let mut url = base.clone();
    let wrong = || Failure::Configuration {
        message: format!("`{base}` is not the address of a package repository"),
        hint: Some("write it as https://host/path, without a query".to_owned()),
    };
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
        return Err(wrong());
    }
    let mut segments = url.path_segments_mut().map_err(|()| wrong())?;
    segments.pop_if_empty().extend(path.split('/'));
    drop(segments);
    Ok(url)
}

/// Copies the body at `url` to the file `to`.
pub(super) async fn copy(
    http: &reqwest::Client,
    url: &Url,
    limits: &FetchLimits,
    to: &mut File,
) -> Result<(), Failure> {
    let response = accepted(send(http, url, limits, None).await?, url)?;
    receive(response, url, limits.bytes, |chunk| {
        to.write_all(chunk)
            .map_err(|error| Failure::transient(format!("GET {url}: cannot keep the archive: {error}")))
    })
    .await
    .map(drop)
}

/// The whole body at `url`.
pub(in crate::ecosystem) async fn bytes(
    http: &reqwest::Client,
    url: &Url,
    limits: &FetchLimits,
) -> Result<Fetched, Failure> {
    match bytes_unless(http, url, limits, None).await? {
        Asked::Found { bytes, .. } => Ok(Fetched::Found(bytes)),
        Asked::Missing => Ok(Fetched::Missing),
        Asked::Unchanged => Err(Failure::permanent(format!(
            "GET {url}: the server says 304 though nobody has an older answer"
        ))),
    }
}

/// The whole body at `url`, unless it is still the one that had this ETag.
pub(super) async fn bytes_unless(
    http: &reqwest::Client,
    url: &Url,
    limits: &FetchLimits,
    etag: Option<&str>,
) -> Result<Asked, Failure> {
    let response = send(http, url, limits, etag).await?;
    match response.status() {
        StatusCode::NOT_FOUND => return Ok(Asked::Missing),
        StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Asked::Unchanged),
        _ => {}
    }
    let response = accepted(response, url)?;
    let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
    let etag = etag.filter(|etag| etag.len() <= MAX_ETAG).map(str::to_owned);
    let mut bytes = Vec::new();
    receive(response, url, limits.bytes, |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })
    .await?;
    Ok(Asked::Found { bytes, etag })
}

async fn send(
    http: &reqwest::Client,
    url: &Url,
    limits: &FetchLimits,
    etag: Option<&str>,
) -> Result<Response, Failure> {
    let mut request = http.get(url.clone());
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    sent(request, url, limits).await
}

/// The head of the answer to a request.
pub(super) async fn sent(
    request: RequestBuilder,
    url: &Url,
    limits: &FetchLimits,
) -> Result<Response, Failure> {
    request.timeout(limits.timeout).send().await.map_err(|error| {
        if error.is_builder() || error.is_redirect() {
            return Failure::permanent(format!("GET {url}: {}", causes(&error.without_url())));
        }
        Failure::transient(format!("GET {url}: no answer: {}", causes(&error.without_url())))
    })
}

/// The response, where its status is a success.
pub(super) fn accepted(response: Response, url: &Url) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let message = format!("GET {url}: the server answered {status}");
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    Err(if again { Failure::transient(message) } else { Failure::permanent(message) })
}

/// Hands the body, of at most `most` bytes, to `take` piece by piece; gives back its length.
pub(super) async fn receive(
    response: Response,
    url: &Url,
    most: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let promised = response.content_length();
    let mut body = response.bytes_stream();
    let mut received: u64 = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            Failure::transient(format!(
                "GET {url}: the answer broke off after {received} bytes: {}",
                causes(&error.without_url())
            ))
        })?;
        received += chunk.len() as u64;
        if received > most {
            return Err(Failure::permanent(format!(
                "GET {url}: the answer has more than the {most} bytes allowed"
            )));
        }
        take(&chunk)?;
    }
    match promised {
        Some(promised) if promised != received => Err(Failure::transient(format!(
            "GET {url}: the answer has {received} bytes where {promised} were promised; it was cut off"
        ))),
        _ => Ok(received),
    }
}

/// An error with what caused it: the outermost message alone seldom says what happened.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
