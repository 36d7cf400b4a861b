//! `GET /api/task`: rows of the task history.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{HistoryQuery, HistorySort, TaskStatus};

use crate::ApiState;
use crate::error::ApiError;
use crate::long_history;
use crate::params::{Params, page};
use crate::types::page::Listing;
use crate::types::task::Task;

const SORTS: [(&str, HistorySort); 5] = [
    ("started_at", HistorySort::StartedAt),
    ("ended_at", HistorySort::EndedAt),
    ("duration", HistorySort::Duration),
    ("task", HistorySort::Task),
    ("status", HistorySort::Status),
];

/// Rows of the task history
#[utoipa::path(
    get,
    path = "/api/task",
    operation_id = "list_tasks",
    tag = "task history",
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 4294967295_u64, description = "At most so many rows; all unless `limit` or `offset` is given"),
        ("offset" = Option<u64>, Query, maximum = 4294967295_u64, description = "Leave out so many rows first"),
        ("status" = Option<String>, Query, description = "`started`, `success`, `failed` or `unknown`"),
        ("task" = Option<String>, Query, description = "The whole name of a task"),
        ("sort_column" = Option<String>, Query, description = "`started_at` (unless given), `ended_at`, `duration`, `task` or `status`"),
        ("sort_direction" = Option<String>, Query, description = "`asc` or `desc` (unless given)"),
    ),
    responses((status = 200, description = "Rows", body = Listing<Task>))
)]
pub(crate) async fn handler(State(state): State<ApiState>, mut params: Params) -> Result<Response, ApiError> {
    let (limit, offset) = params.page_or_all();
    let statuses = TaskStatus::ALL.map(|status| (status.as_str(), status));
    let query = HistoryQuery {
        status: params.word("status", &statuses),
        task: params.text("task"),
        sort: params.word("sort_column", &SORTS).unwrap_or_default(),
        descending: params.descending("sort_direction"),
        paging: page(limit, offset),
        ..HistoryQuery::default()
    };
    params.finish()?;
    long_history::respond(state.scheduler.store(), query, limit, offset).await
}
