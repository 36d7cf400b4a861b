//! `GET /api/task/:id`: one row of the task history.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use punctual_core::FireId;

use crate::ApiState;
use crate::error::{ApiError, no_such_path};
use crate::params::Params;
use crate::types::task::Task;

/// One row of the task history
#[utoipa::path(
    get,
    path = "/api/task/{id}",
    operation_id = "get_task",
    tag = "task history",
    params(("id" = i64, Path, minimum = 0, description = "The number of the run")),
    responses((status = 200, description = "The row", body = Task))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    uri: Uri,
    params: Params,
) -> Result<Response, ApiError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(no_such_path(uri).await);
    }
    params.finish()?;
    let id = id.parse().map_err(|_| ApiError::NotFound)?;
    let row = state.scheduler.store().history_entry(FireId(id)).await?.ok_or(ApiError::NotFound)?;
    Ok(Json(Task::from(row)).into_response())
}
