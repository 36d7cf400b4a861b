//! `GET /api/v1/users/{id}`: a user, their groups, and what they may do.

use axum::Json;
use axum::extract::State;
use punctual_core::accounts::AccountError;

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::types::accounts::UserDetail;

/// A user, their groups, and what they may do
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    operation_id = "get_user",
    tag = "accounts",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    responses((status = 200, description = "The user", body = UserDetail))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    IdPath(id): IdPath,
) -> Result<Json<UserDetail>, ApiError> {
    let store = state.scheduler.store();
    let account = store.account(id).await?;
    let account = account.ok_or_else(|| ApiError::from(AccountError::NoSuchUser(id)))?;
    let groups = store.groups().await?;
    Ok(Json(UserDetail::new(account, groups, state.advanced_permissions())))
}
