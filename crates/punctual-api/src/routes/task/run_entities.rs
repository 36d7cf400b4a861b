//! `GET /api/task/runs/entities`: what task runs are for.

use axum::Json;
use axum::extract::State;
use punctual_core::TaskRunQuery;

use super::runs::started;
use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::task_run::Entity;

/// What task runs of a type are for
#[utoipa::path(
    get,
    path = "/api/task/runs/entities",
    operation_id = "list_task_run_entities",
    tag = "task history",
    params(
        ("run-type" = String, Query, description = "Only runs of this type"),
        ("started-at" = String, Query, description = "Only runs that started then: a date filter such as `past30days`"),
    ),
    responses((status = 200, description = "Each thing once, with its name in its latest run", body = Vec<Entity>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<Vec<Entity>>, ApiError> {
    let run_type = params.text("run-type");
    let started = started(&mut params, state.scheduler.now());
    let (Some(run_type), Some(started)) = (run_type.clone(), started) else {
        return Err(params.missing([("run-type", run_type.is_none()), ("started-at", started.is_none())]));
    };
    params.finish()?;
    let query = TaskRunQuery {
        run_type: Some(run_type),
        started_from: started.from,
        started_before: started.before,
        ..TaskRunQuery::default()
    };
    let entities = state.scheduler.store().run_entities(&query).await?;
    Ok(Json(entities.into_iter().map(Entity::from).collect()))
}
