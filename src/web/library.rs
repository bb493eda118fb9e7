//! The calls by which workflows tell of builds: the paths, fields and answers of QIIME 2's Library server,
//! with one difference. That server says 200 to an unknown token and drops the notice; here 200 means that
//! the notice is on disk, and everything else says what is wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::access::{Access, BuildTold, Refusal};
use super::notice::{Errors, Fields, error};
use crate::store::{NewNotice, NoticeKind, Taken};

/// The most bytes of a request.
const LARGEST_BODY: usize = 256 * 1024;
/// How long a client may take to send them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a notice is not kept.
enum Rejected {
    Fields(Errors),
    Status(StatusCode, String),
}

impl From<Errors> for Rejected {
    fn from(errors: Errors) -> Self {
        Self::Fields(errors)
    }
}

/// What makes fields of a body.
type Reader = fn(&[u8]) -> Result<Fields, Errors>;

type Rows = Result<Vec<NewNotice>, Rejected>;

/// `POST /api/v1/packages/integrate/`: a build for every distribution that lists the package.
pub(super) async fn integrate_v1(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, request, |fields, access| integrate(fields, access, Distro::All)).await
}

/// `POST /api/v2/packages/integrate/`: a build for the distribution that `distro` names.
pub(super) async fn integrate_v2(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, request, |fields, access| integrate(fields, access, Distro::Named)).await
}

/// `POST /api/v1/packages/stage/`: a metapackage was built.
pub(super) async fn stage(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, request, |fields, access| metapackage(fields, access, NoticeKind::Stage)).await
}

/// `POST /api/v1/packages/pass/`: a metapackage and its members were tested.
pub(super) async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, request, |fields, access| metapackage(fields, access, NoticeKind::Pass)).await
}

/// Which distributions a build is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Distro {
    All,
    Named,
}

async fn take(
    shared: &Shared,
    request: Request,
    read: impl FnOnce(Fields, &Access) -> Rows + Send,
) -> Response {
    match keep(shared, request, read).await {
        Ok(()) => axum::Json(json!({ "status": "ok" })).into_response(),
        Err(Rejected::Fields(errors)) => {
            tracing::info!(?errors, "a notice is malformed");
            answer(StatusCode::BAD_REQUEST, json!({ "status": "error", "errors": errors }))
        }
        Err(Rejected::Status(status, message)) => {
            tracing::info!(%status, message, "a notice is refused");
            answer(status, json!({ "status": "error", "message": message }))
        }
    }
}

async fn keep(
    shared: &Shared,
    request: Request,
    read: impl FnOnce(Fields, &Access) -> Rows + Send,
) -> Result<(), Rejected> {
    let rows = read(fields(request).await?, &shared.access())?;
    match shared.store.take_notice(&rows, shared.clock.now()).await {
        Ok(Taken::New | Taken::Known) => Ok(()),
        Ok(Taken::Settled(why)) => {
            let message = format!(
                "this notice is settled: {why}; a repeated run counts as the same one, so start a new run"
            );
            Err(Rejected::Status(StatusCode::CONFLICT, message))
        }
        Ok(Taken::Conflicting) => {
            let message =
                "another notice about this artifact of this run says something else; the first one counts";
            Err(Rejected::Status(StatusCode::CONFLICT, message.to_owned()))
        }
        Err(problem) => {
            tracing::error!("a notice could not be kept: {problem:#}");
            let message = "the notice could not be kept; send it again later";
            Err(Rejected::Status(StatusCode::SERVICE_UNAVAILABLE, message.to_owned()))
        }
    }
}

/// The fields of a request, in either form.
async fn fields(request: Request) -> Result<Fields, Rejected> {
    let read = reader(request.headers())?;
    Ok(read(&body(request.into_body()).await?)?)
}

/// What reads the body that these headers announce.
fn reader(headers: &HeaderMap) -> Result<Reader, Rejected> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    let read: Reader = match kind.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Fields::of_form,
        "application/json" => Fields::of_json,
        _ => {
            let message = "send a form (application/x-www-form-urlencoded) or JSON (application/json)";
            return Err(Rejected::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.to_owned()));
        }
    };
    let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(too_large());
    }
    Ok(read)
}

async fn body(body: Body) -> Result<Vec<u8>, Rejected> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(problem)) => {
            let source = std::error::Error::source(&problem);
            let is_limit = source.is_some_and(|source| source.to_string().contains("length limit"));
            if is_limit { Err(too_large()) } else { Err(error("body", "It was cut off.").into()) }
        }
        Err(_) => {
            let message = format!("the body did not come within {PATIENCE:?}");
            Err(Rejected::Status(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

fn too_large() -> Rejected {
    let message = format!("a notice has at most {LARGEST_BODY} bytes");
    Rejected::Status(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn integrate(mut fields: Fields, access: &Access, distro: Distro) -> Rows {
    let token = fields.token()?;
    if !access.knows_package_token(&token) {
        return Err(unknown_token());
    }
    fields.version("version");
    let package = fields.package("package_name");
    let repository = fields.repository("repository");
    let run_id = fields.number("run_id");
    let artifact = fields.word("artifact_name");
    let target = fields.target("build_target");
    let distro = (distro == Distro::Named).then(|| fields.word("distro"));
    let payload = fields.finish()?;
    let repository = repository.ok_or_else(|| error("repository", "This field is required."))?;
    let told = BuildTold { package: &package, repository: &repository, distro: distro.as_deref(), target };
    let distributions =
        access.distributions_of_build(&token, &told).map_err(|refusal| refused(refusal, &package))?;
    let row = |distribution| NewNotice {
        kind: NoticeKind::Integrate,
        distribution,
        repository: repository.as_str().to_ascii_lowercase(),
        run_id,
        artifact: artifact.clone(),
        payload: payload.clone(),
    };
    Ok(distributions.into_iter().map(row).collect())
}

fn metapackage(mut fields: Fields, access: &Access, kind: NoticeKind) -> Rows {
    let token = fields.token()?;
    if !access.knows_global_token(&token) {
        return Err(unknown_token());
    }
    fields.version("version");
    fields.versions("package_versions");
    let run_id = fields.number("run_id");
    let distro = fields.word("distro");
    let epoch = fields.word("epoch");
    let artifact = fields.word("artifact_name");
    if kind == NoticeKind::Stage {
        fields.number("pr_number");
    }
    let payload = fields.finish()?;
    let distribution = access.distribution(&distro, &epoch).map_err(|refusal| refused(refusal, &distro))?;
    // These notices name no repository: their runs are those of the pipeline as a whole.
    Ok(vec![NewNotice { kind, distribution, repository: String::new(), run_id, artifact, payload }])
}

fn unknown_token() -> Rejected {
    let message =
        "the token is unknown; `tidegate token new` makes one, and its digest belongs in the configuration";
    Rejected::Status(StatusCode::UNAUTHORIZED, message.to_owned())
}

fn refused(refusal: Refusal, about: &str) -> Rejected {
    match refusal {
        Refusal::Package => {
            Rejected::Status(StatusCode::FORBIDDEN, format!("this token is not that of `{about}`"))
        }
        Refusal::Repository => {
            let message = format!("`{about}` is built by another repository than this one");
            Rejected::Status(StatusCode::FORBIDDEN, message)
        }
        Refusal::Distribution(names) => {
            let message = format!("There is no such distribution for it; there are: {}.", names.join(", "));
            error("distro", &message).into()
        }
        Refusal::Target(taken) => {
            let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
            let message =
                format!("Its distributions take builds for these targets only: {}.", taken.join(", "));
            error("build_target", &message).into()
        }
    }
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, axum::Json(body)).into_response()
}
