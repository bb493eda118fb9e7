//! Requests as GitHub demands them: headers, and the call that path and method name.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::request::Parts;
use serde_json::Value;

use super::description::{self, Lookup};

/// A request that was found to be in order.
pub(super) struct Request {
    /// Such as `GET`.
    pub(super) method: String,
    /// Such as `/repos/{owner}/{repo}/pulls`; `/graphql` for GraphQL.
    pub(super) template: String,
    /// The path as it was asked for, with the query: what a redirect and a page's link are made of.
    pub(super) path_and_query: String,
    /// The path's parameters.
    pub(super) parameters: BTreeMap<String, String>,
    /// The query's parameters.
    pub(super) query: BTreeMap<String, String>,
    /// Null where there is none.
    pub(super) body: Value,
    /// The whole `authorization` header.
    pub(super) authorization: String,
    /// The ETags that the client has.
    pub(super) if_none_match: Option<String>,
    /// True where the client wants a file as it is rather than wrapped in JSON.
    pub(super) wants_raw: bool,
    /// The root of the API as the client sees it, without a slash at the end.
    pub(super) api: String,
}

/// Headers that say how a message travels, not what it means.
const TRANSPORT: &[&str] =
    &["host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "keep-alive"];

const MEDIA_TYPES: &[&str] =
    &["application/vnd.github+json", "application/vnd.github.v3+json", "application/json", "*/*", RAW];
const RAW: &str = "application/vnd.github.raw+json";

/// The version of the REST API that is simulated. The next one, 2026-03-10, has other answers.
const API_VERSIONS: &[&str] = &["2022-11-28"];

/// Checks a request. The error says what GitHub would not understand about it.
pub(super) fn check(parts: &Parts, body: &[u8]) -> Result<Request, String> {
    let method = parts.method.as_str().to_owned();
    let path = parts.uri.path();
    let path_and_query = parts.uri.path_and_query().map_or(path, |both| both.as_str()).to_owned();
    check_headers(&parts.headers, !body.is_empty())?;
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut request = Request {
        template: path.to_owned(),
        path_and_query,
        parameters: BTreeMap::new(),
        query: BTreeMap::new(),
        body: Value::Null,
        authorization: header("authorization").ok_or("the `authorization` header is missing")?,
        if_none_match: header("if-none-match"),
        wants_raw: header("accept").as_deref() == Some(RAW),
        api: format!("http://{}", header("host").ok_or("the `host` header is missing")?),
        method,
    };
    if path == "/graphql" && request.method == "POST" {
        request.body =
            serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
        return Ok(request);
    }
    let (operation, parameters) = match description::find(&request.method, path) {
        Lookup::Found(operation, parameters) => (operation, parameters),
        Lookup::Unknown if description::has_path(path) => {
            return Err(format!("{path} knows no method {}", request.method));
        }
        Lookup::Unknown => return Err(format!("there is no call {} {path}", request.method)),
    };
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    request.template.clone_from(&operation.template);
    request.parameters = parameters;
    request.query = operation.check_query(&query)?;
    request.body = operation.check_body(body)?;
    Ok(request)
}

fn check_headers(headers: &HeaderMap, has_body: bool) -> Result<(), String> {
    for (name, value) in headers {
        let name = name.as_str();
        let value = value.to_str().map_err(|_| format!("the header `{name}` is not plain text"))?;
        let known = match name {
            "user-agent" => !value.trim().is_empty(),
            "authorization" => ["Bearer ", "bearer ", "token "]
                .iter()
                .any(|scheme| value.strip_prefix(scheme).is_some_and(|token| !token.trim().is_empty())),
            "accept" => value.split(',').all(|wanted| MEDIA_TYPES.contains(&wanted.trim())),
            "x-github-api-version" => API_VERSIONS.contains(&value),
            "content-type" => value.split(';').next().is_some_and(|kind| kind.trim() == "application/json"),
            "if-none-match" => true,
            _ if TRANSPORT.contains(&name) => true,
            _ => return Err(format!("the header `{name}` is not one that GitHub reads")),
        };
        if !known {
            // The value of `authorization` is a secret and is not repeated.
            let shown = if name == "authorization" { "…" } else { value };
            return Err(format!("the header `{name}: {shown}` has a value that GitHub does not know"));
        }
    }
    for needed in ["user-agent", "authorization"] {
        if !headers.contains_key(needed) {
            return Err(format!("the `{needed}` header is missing"));
        }
    }
    if has_body && !headers.contains_key("content-type") {
        return Err("the request has a body and no `content-type`".into());
    }
    Ok(())
}
