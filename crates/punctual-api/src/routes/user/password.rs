//! `PUT /api/v1/users/{id}/password`: a password for somebody who has lost theirs.

use axum::Json;
use axum::extract::State;
use punctual_core::AccountChange;
use punctual_core::accounts::AccountError;

use crate::error::ApiError;
use crate::extract::{Body, IdPath};
use crate::types::accounts::{OneTime, ResetPassword};
use crate::{ApiState, Identity};

/// Give a user another password
///
/// It has to be changed at the first use. The user's sessions end; their tokens stay.
#[utoipa::path(
    put,
    path = "/api/v1/users/{id}/password",
    operation_id = "reset_password",
    tag = "accounts",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    request_body = ResetPassword,
    responses((status = 200, description = "Changed", body = OneTime))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    IdPath(id): IdPath,
    Body(body): Body<ResetPassword>,
) -> Result<Json<OneTime>, ApiError> {
    let accounts = state.accounts()?;
    let missing = || ApiError::from(AccountError::NoSuchUser(id));
    let name = accounts.store().account(id).await?.ok_or_else(missing)?.user.name;
    let (hash, one_time_password) = state.chosen_or_made(&name, body.password).await?;
    let changes = [
        AccountChange::SetPassword { user: id, hash, must_change: true, keep: None },
        AccountChange::Audit(identity.audit("user.reset-password", &name)),
    ];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(Json(OneTime { id, one_time_password }))
}
