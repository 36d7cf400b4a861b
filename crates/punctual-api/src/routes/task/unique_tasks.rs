//! `GET /api/task/unique-tasks`: the distinct task names, ascending.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::problem::Problem;

pub(crate) async fn handler(State(state): State<ApiState>) -> Result<Json<Vec<String>>, Problem> {
    Ok(Json(state.scheduler.store().unique_tasks().await?))
}
