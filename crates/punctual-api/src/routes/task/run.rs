//! `GET /api/task/runs/:id`: a task run with its tasks.

use axum::Json;
use axum::extract::State;
use punctual_core::{HistoryQuery, TaskRunId};

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::RowPath;
use crate::params::Params;
use crate::types::task::Task;
use crate::types::task_run::TaskRunWithTasks;

/// A task run with its tasks
#[utoipa::path(
    get,
    path = "/api/task/runs/{id}",
    operation_id = "get_task_run",
    tag = "task history",
    params(("id" = i64, Path, minimum = 0, description = "The number of the task run")),
    responses((status = 200, description = "The task run", body = TaskRunWithTasks))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    RowPath(id): RowPath,
    params: Params,
) -> Result<Json<TaskRunWithTasks>, ApiError> {
    params.finish()?;
    let id = TaskRunId(id.ok_or(ApiError::NotFound)?);
    let store = state.scheduler.store();
    let run = store.run(id).await?.ok_or(ApiError::NotFound)?;
    let of_run = HistoryQuery { run: Some(id), descending: false, ..HistoryQuery::default() };
    let tasks = store.history(&of_run).await?.rows.into_iter().map(Task::from).collect();
    Ok(Json(TaskRunWithTasks { run: run.into(), tasks }))
}
