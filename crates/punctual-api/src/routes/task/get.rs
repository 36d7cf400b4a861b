//! `GET /api/task/:id`: one row of the task history.

use axum::Json;
use axum::extract::{Path, State};
use punctual_core::FireId;

use crate::ApiState;
use crate::problem::Problem;
use crate::types::task::Task;

pub(crate) async fn handler(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Task>, Problem> {
    let id: i64 = id.parse().ok().filter(|id| *id > 0).ok_or(Problem::NotFound)?;
    let row = state.scheduler.store().history_entry(FireId(id)).await?;
    row.map(|row| Json(Task::from(row))).ok_or(Problem::NotFound)
}
