//! `GET /api/task/runs`: task runs.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{TaskRunQuery, TaskRunSort, TaskRunStatus, Timestamp};

use crate::ApiState;
use crate::date_filter::DateFilter;
use crate::error::ApiError;
use crate::long_runs;
use crate::params::{Params, page};
use crate::types::page::Listing;
use crate::types::task_run::TaskRun;

const SORTS: [(&str, TaskRunSort); 6] = [
    ("started_at", TaskRunSort::StartedAt),
    ("ended_at", TaskRunSort::EndedAt),
    ("run_type", TaskRunSort::RunType),
    ("status", TaskRunSort::Status),
    ("entity_name", TaskRunSort::EntityName),
    ("task_count", TaskRunSort::TaskCount),
];

/// The date filter `started-at`, if it is given.
pub(super) fn started(params: &mut Params, now: Timestamp) -> Option<DateFilter> {
    params.read("started-at", |value| DateFilter::parse(value, now))
}

/// Task runs
#[utoipa::path(
    get,
    path = "/api/task/runs",
    operation_id = "list_task_runs",
    tag = "task history",
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 4294967295_u64, description = "At most so many; all unless `limit` or `offset` is given"),
        ("offset" = Option<u64>, Query, maximum = 4294967295_u64, description = "Leave out so many first"),
        ("run-type" = Option<String>, Query, description = "Only of this type"),
        ("entity-type" = Option<String>, Query, description = "Only for this kind of thing"),
        ("entity-id" = Option<i64>, Query, minimum = 1, description = "Only for the thing of this number"),
        ("status" = Option<String>, Query, description = "`started`, `success`, `failed` or `abandoned`"),
        ("started-at" = Option<String>, Query, description = "A date filter such as `past7days~` or `2026-01-01~2026-01-31`; days are those of UTC"),
        ("node" = Option<String>, Query, description = "Only of the node of this name"),
        ("sort_column" = Option<String>, Query, description = "`started_at` (unless given), `ended_at`, `run_type`, `status`, `entity_name` or `task_count`"),
        ("sort_direction" = Option<String>, Query, description = "`asc` or `desc` (unless given)"),
    ),
    responses((status = 200, description = "Task runs", body = Listing<TaskRun>))
)]
pub(crate) async fn handler(State(state): State<ApiState>, mut params: Params) -> Result<Response, ApiError> {
    let (limit, offset) = params.page_or_all();
    let started = started(&mut params, state.scheduler.now()).unwrap_or_default();
    let query = TaskRunQuery {
        ids: None,
        run_type: params.text("run-type"),
        entity_type: params.text("entity-type"),
        entity_id: params.read("entity-id", |value| {
            let number = value.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("must be a whole number above 0, not {value:?}"))
        }),
        status: params.word("status", &TaskRunStatus::ALL.map(|status| (status.as_str(), status))),
        started_from: started.from,
        started_before: started.before,
        node: params.text("node"),
        sort: params.word("sort_column", &SORTS).unwrap_or_default(),
        descending: params.descending("sort_direction"),
        paging: page(limit, offset),
    };
    params.finish()?;
    long_runs::respond(state.scheduler.store(), query, limit, offset).await
}
