//! `GET /api/v1/why`: what became of one instant of a trigger, in one sentence with the evidence.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::why::Answer;

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
