//! `GET /health`: whether the planner lives, asked of the daemon as every command asks it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;

use super::Shared;
use crate::daemon::{Answer, Request, ask};

/// After so many beats without a plan something is wrong.
const BEATS: u32 = 3;

/// 200 with the time of the last plan, or 503 with what is wrong.
pub(super) async fn answer(State(shared): State<Arc<Shared>>) -> Response {
    let planned = match ask(&shared.state, &Request::Status).await {
        Ok(Answer::Status(report)) => report.last_planned_at,
        Ok(Answer::Done(_) | Answer::Channels(_) | Answer::Snapshots(_) | Answer::Refused(_)) => None,
        Err(error) => return unwell(format!("the daemon does not answer: {error:#}")),
    };
    let Some(planned) = planned else { return unwell("nothing was planned yet".to_owned()) };
    let limit = SignedDuration::try_from(shared.heartbeat * BEATS).unwrap_or(SignedDuration::MAX);
    if shared.clock.now().duration_since(planned) > limit {
        return unwell(format!("the last plan was made at {planned}, more than {BEATS} heartbeats ago"));
    }
    axum::Json(json!({ "status": "ok", "planned_at": planned })).into_response()
}

fn unwell(message: String) -> Response {
    let body = json!({ "status": "error", "message": message });
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}
