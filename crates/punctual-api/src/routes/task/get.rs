//! `GET /api/task/:id`: one row of the task history.

use axum::Json;
use axum::extract::State;
use punctual_core::FireId;

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::RowPath;
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
    RowPath(id): RowPath,
    params: Params,
) -> Result<Json<Task>, ApiError> {
    params.finish()?;
    let id = id.ok_or(ApiError::NotFound)?;
    let row = state.scheduler.store().history_entry(FireId(id)).await?.ok_or(ApiError::NotFound)?;
    Ok(Json(Task::from(row)))
}
