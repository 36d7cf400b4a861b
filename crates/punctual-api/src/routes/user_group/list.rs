//! `GET /api/v1/groups`: all groups of users.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::types::accounts::{All, UserGroup};

/// All groups of users
#[utoipa::path(
    get,
    path = "/api/v1/groups",
    operation_id = "list_groups",
    tag = "accounts",
    responses((status = 200, description = "Groups", body = All<UserGroup>))
)]
pub(crate) async fn handler(State(state): State<ApiState>) -> Result<Json<All<UserGroup>>, ApiError> {
    Ok(Json(All::of(state.scheduler.store().groups().await?)))
}
