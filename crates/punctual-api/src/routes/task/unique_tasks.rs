//! `GET /api/task/unique-tasks`: the names in the task history.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;

/// The names in the task history
#[utoipa::path(
    get,
    path = "/api/task/unique-tasks",
    operation_id = "unique_tasks",
    tag = "task history",
    responses((status = 200, description = "Ascending", body = Vec<String>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Json<Vec<String>>, ApiError> {
    params.finish()?;
    Ok(Json(state.scheduler.store().unique_tasks().await?))
}
