//! `DELETE /api/v1/users/{id}`: delete a user.

use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::AccountChange;
use punctual_core::accounts::AccountError;
use serde_json::json;

use crate::error::ApiError;
use crate::extract::IdPath;
use crate::{ApiState, Identity};

/// Delete a user
///
/// Their sessions and tokens go, too. The log of changes keeps their name.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    operation_id = "delete_user",
    tag = "accounts",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    responses((status = 204, description = "Deleted"))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    IdPath(id): IdPath,
) -> Result<StatusCode, ApiError> {
    let accounts = state.accounts()?;
    let user =
        accounts.store().account(id).await?.ok_or_else(|| ApiError::from(AccountError::NoSuchUser(id)))?.user;
    let before = json!({ "name": user.name, "superuser": user.superuser, "disabled": user.disabled });
    let entry = identity.audit("user.delete", &user.name).before(before);
    let changes = [AccountChange::DeleteUser(id), AccountChange::Audit(entry)];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(StatusCode::NO_CONTENT)
}
