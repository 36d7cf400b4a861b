//! `GET /api/v1/triggers/{group}/{name}`: a trigger.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::TriggerPath;
use crate::params::Params;
use crate::types::trigger::Trigger;

/// A trigger
#[utoipa::path(
    get,
    path = "/api/v1/triggers/{group}/{name}",
    operation_id = "get_trigger",
    tag = "definitions",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
    ),
    responses((status = 200, description = "The trigger", body = Trigger, headers(("ETag" = String, description = "Its version"))))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    TriggerPath(key): TriggerPath,
    params: Params,
) -> Result<([(HeaderName, String); 1], Json<Trigger>), ApiError> {
    params.finish()?;
    let stored = state.scheduler.store().trigger(&key).await?;
    let infos = state.scheduler.describe(stored.into_iter().collect()).await?;
    let info = infos.into_iter().next().ok_or_else(|| ApiError::no_such("trigger", &key))?;
    let trigger = Trigger::from(info);
    Ok(([(header::ETAG, format!("\"{}\"", trigger.version))], Json(trigger)))
}
