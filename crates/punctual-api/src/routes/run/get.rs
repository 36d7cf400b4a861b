//! `GET /api/v1/runs/{id}`: a run.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::RunPath;
use crate::params::Params;
use crate::types::task::Task;

/// A run
#[utoipa::path(
    get,
    path = "/api/v1/runs/{id}",
    operation_id = "get_run",
    tag = "runs",
    params(("id" = i64, Path, minimum = 0, description = "The number of the run")),
    responses((status = 200, description = "The run", body = Task))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    RunPath(id): RunPath,
    params: Params,
) -> Result<Json<Task>, ApiError> {
    params.finish()?;
    let row = state.scheduler.store().history_entry(id).await?;
    Ok(Json(row.ok_or_else(|| ApiError::no_such("run", id))?.into()))
}
