//! `GET /api/v1/jobs`: jobs, ascending by group and name.

use axum::Json;
use axum::extract::State;
use punctual_core::{JobKind, JobQuery, Paging};

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::job::Job;
use crate::types::list::{Cursor, List};

/// Jobs, ascending by group and name
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    operation_id = "list_jobs",
    tag = "definitions",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 50 unless given"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer"),
        ("group" = Option<String>, Query, description = "Only this group"),
        ("kind" = Option<String>, Query, description = "Only this kind"),
        ("search" = Option<String>, Query, description = "Only those whose `GROUP.NAME` contains this text, whatever the case of ASCII letters"),
    ),
    responses((status = 200, description = "A page", body = List<Job>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<List<Job>>, ApiError> {
    let (limit, after) = params.cut(Cursor::job);
    let query = JobQuery {
        group: params.text("group"),
        kind: params.text("kind").map(JobKind::new),
        search: params.text("search"),
        after,
        paging: Paging::first(u64::from(limit) + 1),
    };
    params.finish()?;
    let rows = state.scheduler.store().jobs(&query).await?.rows;
    Ok(Json(List::cut(rows, limit, |last| Cursor::from(&last.detail.key))))
}
