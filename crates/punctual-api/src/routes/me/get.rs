//! `GET /api/v1/me`: who calls, and what they may do.

use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::types::accounts::{Me, names};
use crate::{ApiState, Identity, Who};

/// Who calls, and what they may do
#[utoipa::path(
    get,
    path = "/api/v1/me",
    operation_id = "me",
    tag = "sign in",
    responses((status = 200, description = "Who calls", body = Me))
)]
pub(crate) async fn handler(State(state): State<ApiState>, identity: Identity) -> Result<Json<Me>, ApiError> {
    let kind = match identity.who {
        Who::Anonymous | Who::Local => "local",
        Who::User { .. } => "user",
        Who::Token { .. } => "token",
    };
    let must_change_password = match identity.who {
        Who::User { id, .. } => {
            state.scheduler.store().account(id).await?.is_some_and(|account| account.user.must_change)
        }
        _ => false,
    };
    let user_id = identity.user();
    let permissions = names(identity.permissions);
    Ok(Json(Me { kind, name: identity.name, user_id, permissions, must_change_password }))
}
