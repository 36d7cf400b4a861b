//! `GET /api/task/info`: the scheduler with all its jobs and their triggers.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::info::Info;

/// The scheduler with all its jobs and triggers
#[utoipa::path(
    get,
    path = "/api/task/info",
    operation_id = "task_info",
    tag = "task history",
    responses((status = 200, description = "The scheduler", body = Info))
)]
pub(crate) async fn handler(State(state): State<ApiState>, params: Params) -> Result<Json<Info>, ApiError> {
    params.finish()?;
    Ok(Json(state.scheduler.scheduler_info().await?.into()))
}
