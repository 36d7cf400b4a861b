//! `POST /api/v1/runs/{id}/cancel`: asks a run to stop.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::TaskStatus;
use serde_json::{Value, json};

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::{ApiError, Problem};
use crate::extract::{OptionalBody, RunPath};
use crate::params::Params;
use crate::types::put::Note;

/// Ask a run to stop
///
/// Its node hears of it at its next heartbeat at the latest. A run that stops counts as failed and is not tried again.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{id}/cancel",
    operation_id = "cancel_run",
    tag = "operation",
    params(
        ("id" = i64, Path, minimum = 0, description = "The number of the run"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = Option<Note>,
    responses((status = 202, description = "It was asked", body = Object))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    RunPath(id): RunPath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<Note>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    params.finish()?;
    let row = state.scheduler.store().history_entry(id).await?;
    let row = row.ok_or_else(|| ApiError::no_such("run", id))?;
    let ended = || -> ApiError {
        let detail = format!("run {id} is not under way: it cannot be cancelled");
        Problem::new(StatusCode::CONFLICT, "not-running", detail).into()
    };
    if row.status != TaskStatus::Started {
        return Err(ended());
    }
    let reason = format!("cancelled by {}", author.name());
    // First the entry: what it speaks of may fail, but nothing happens without it.
    edit::apply(&state, [], author.entry("run.cancel", id, body.note)).await?;
    if !state.scheduler.cancel(id, &reason).await? {
        return Err(ended());
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id.0, "reason": reason }))))
}
