//! `GET /api/v1/why`: what became of one instant of a trigger, in one sentence with the evidence.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::Instant;
use crate::types::why::Answer;

/// What became of one instant of a trigger
#[utoipa::path(
    get,
    path = "/api/v1/why",
    operation_id = "why",
    tag = "account",
    params(
        ("trigger" = String, Query, description = "The trigger (`GROUP.NAME`)"),
        ("trigger_group" = Option<String>, Query, description = "The group of `trigger`, where that has dots"),
        ("at" = Instant, Query, description = "The instant"),
    ),
    responses((status = 200, description = "The answer with its evidence", body = Answer))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<Answer>, ApiError> {
    let (trigger, at) = (params.trigger(), params.instant("at"));
    let (Some(trigger), Some(at)) = (&trigger, at) else {
        return Err(params.missing([("trigger", trigger.is_none()), ("at", at.is_none())]));
    };
    params.finish()?;
    let why = state.scheduler.why(trigger, at).await?;
    Ok(Json(why.into()))
}
