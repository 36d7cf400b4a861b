//! `GET /api/task/info`: the scheduler, its jobs and their triggers.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::problem::Problem;
use crate::types::info::Info;

pub(crate) async fn handler(State(state): State<ApiState>) -> Result<Json<Info>, Problem> {
    Ok(Json(state.scheduler.scheduler_info().await?.into()))
}
