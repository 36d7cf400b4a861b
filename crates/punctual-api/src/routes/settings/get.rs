//! `GET /api/v1/settings`: how the node is set up, without secrets.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;

/// How the node is set up, without secrets
#[utoipa::path(
    get,
    path = "/api/v1/settings",
    operation_id = "settings",
    tag = "node",
    responses((status = 200, description = "The settings by section", body = Object))
)]
pub(crate) async fn handler(State(state): State<ApiState>, params: Params) -> Result<Json<Value>, ApiError> {
    params.finish()?;
    Ok(Json(state.options.settings.clone()))
}
