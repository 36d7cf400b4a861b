//! `GET /api/v1/triggers`: triggers, ascending by group and name.

use axum::Json;
use axum::extract::State;
use punctual_core::{JobKind, Paging, TriggerQuery, TriggerState};

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::list::{Cursor, List};
use crate::types::trigger::{CAUSES, Trigger};

const STATES: [(&str, TriggerState); 4] = [
    ("waiting", TriggerState::Waiting),
    ("paused", TriggerState::Paused),
    ("complete", TriggerState::Complete),
    ("error", TriggerState::Error),
];

/// Triggers and pending runs, ascending by group and name
#[utoipa::path(
    get,
    path = "/api/v1/triggers",
    operation_id = "list_triggers",
    tag = "definitions",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 50 unless given"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer"),
        ("job" = Option<String>, Query, description = "Only of this job (`GROUP.NAME`)"),
        ("job_group" = Option<String>, Query, description = "The group of `job`, where that has dots"),
        ("group" = Option<String>, Query, description = "Only this group"),
        ("kind" = Option<String>, Query, description = "Only of jobs of this kind"),
        ("state" = Option<String>, Query, description = "`waiting` (blocked ones included), `paused`, `complete` or `error`"),
        ("cause" = Option<String>, Query, description = "`schedule`, or of pending runs `manual`, `retry`, `recovery` or `event`"),
        ("search" = Option<String>, Query, description = "Only those whose `GROUP.NAME` contains this text, whatever the case of ASCII letters"),
    ),
    responses((status = 200, description = "A page", body = List<Trigger>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<List<Trigger>>, ApiError> {
    let (limit, after) = params.cut(Cursor::trigger);
    let query = TriggerQuery {
        job: params.job(),
        group: params.text("group"),
        kind: params.text("kind").map(JobKind::new),
        state: params.word("state", &STATES),
        cause: params.word("cause", &CAUSES),
        search: params.text("search"),
        after,
        paging: Paging::first(u64::from(limit) + 1),
    };
    params.finish()?;
    let rows = state.scheduler.store().triggers(&query).await?.rows;
    let infos = state.scheduler.describe(rows).await?;
    Ok(Json(List::cut(infos, limit, |last| Cursor::from(&last.trigger.definition.key))))
}
