//! `GET /api/task`: the task history, filtered, sorted, paged.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use punctual_core::{HistoryQuery, HistorySort};

use crate::ApiState;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::types::task::{List, Task};

const KNOWN: [&str; 6] = ["limit", "offset", "status", "task", "sort_column", "sort_direction"];

pub(crate) async fn handler(
    State(state): State<ApiState>,
    Query(values): Query<HashMap<String, String>>,
) -> Result<Json<List<Task>>, Problem> {
    let mut parameters = Parameters::new(values, &KNOWN);
    let (limit, offset, paging) = parameters.paging();
    let status = parameters.parsed("status", "must be one of: started, success, failed, unknown");
    let task = parameters.filled("task");
    let sort = match parameters.text("sort_column").as_deref() {
        None | Some("started_at") => HistorySort::StartedAt,
        Some("ended_at") => HistorySort::EndedAt,
        Some("duration") => HistorySort::Duration,
        Some(_) => {
            parameters.refuse("sort_column", "must be one of: started_at, ended_at, duration");
            HistorySort::StartedAt
        }
    };
    let descending = match parameters.text("sort_direction").as_deref() {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(_) => {
            parameters.refuse("sort_direction", "must be one of: asc, desc");
            true
        }
    };
    parameters.finish()?;
    let query = HistoryQuery { task, status, sort, descending, paging, ..HistoryQuery::default() };
    let page = state.scheduler.store().history(&query).await?;
    Ok(Json(List { total: page.total, limit, offset, data: page.rows.into_iter().map(Task::from).collect() }))
}
