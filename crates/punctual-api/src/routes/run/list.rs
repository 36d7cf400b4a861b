//! `GET /api/v1/runs`: the history, page by page.

use axum::Json;
use axum::extract::State;
use punctual_core::{FireId, HistoryQuery, HistorySort, Paging, TaskRunId, TaskStatus};

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::list::{Cursor, List};
use crate::types::task::{Task, Tasks};

const SORTS: [(&str, HistorySort); 3] = [
    ("started_at", HistorySort::StartedAt),
    ("ended_at", HistorySort::EndedAt),
    ("duration", HistorySort::Duration),
];

/// Rows of the history
#[utoipa::path(
    get,
    path = "/api/v1/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 50 unless given"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer to the same question"),
        ("status" = Option<String>, Query, description = "`started`, `success`, `failed` or `unknown`"),
        ("task" = Option<String>, Query, description = "The whole name of a task"),
        ("job" = Option<String>, Query, description = "Only of this job (`GROUP.NAME`)"),
        ("job_group" = Option<String>, Query, description = "The group of `job`, where that has dots"),
        ("trigger" = Option<String>, Query, description = "Only of this trigger (`GROUP.NAME`)"),
        ("trigger_group" = Option<String>, Query, description = "The group of `trigger`, where that has dots"),
        ("from" = Option<String>, Query, description = "Only those that started at this instant or later"),
        ("to" = Option<String>, Query, description = "Only those that started before this instant"),
        ("node" = Option<String>, Query, description = "Only what ran on the node of this name"),
        ("origin" = Option<i64>, Query, minimum = 0, description = "Only attempts of this run"),
        ("parent" = Option<i64>, Query, minimum = 0, description = "Only what is part of this run"),
        ("task_run" = Option<i64>, Query, minimum = 0, description = "Only rows of this task run"),
        ("sort" = Option<String>, Query, description = "`started_at` (unless given), `ended_at` or `duration`; what has not ended is the latest and longest"),
        ("order" = Option<String>, Query, description = "`asc` or `desc` (unless given)"),
    ),
    responses((status = 200, description = "A page, and how many rows there are in all", body = Tasks))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<Tasks>, ApiError> {
    let (limit, after) = params.cut(Cursor::place);
    let statuses = TaskStatus::ALL.map(|status| (status.as_str(), status));
    let sort = params.word("sort", &SORTS).unwrap_or_default();
    let (from, to) = params.span();
    let query = HistoryQuery {
        status: params.word("status", &statuses),
        task: params.text("task"),
        job: params.job(),
        trigger: params.trigger(),
        started_from: from,
        started_before: to,
        node: params.text("node"),
        origin: params.id("origin").map(FireId),
        parent: params.id("parent").map(FireId),
        run: params.id("task_run").map(TaskRunId),
        sort,
        descending: params.descending("order"),
        after,
        paging: Paging::first(u64::from(limit) + 1),
        ..HistoryQuery::default()
    };
    params.finish()?;
    let page = state.scheduler.store().history(&query).await?;
    let List { data, next } = List::<Task>::cut(page.rows, limit, |last| Cursor::from(sort.place(last)));
    Ok(Json(Tasks { data, next, total: page.total }))
}
