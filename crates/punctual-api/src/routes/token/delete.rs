//! `DELETE /api/v1/tokens/{id}`: revoke a token.

use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::AccountChange;
use punctual_core::accounts::AccountError;
use serde_json::json;

use crate::error::ApiError;
use crate::extract::IdPath;
use crate::types::accounts::names;
use crate::{Access, ApiState, Identity};

/// Revoke a token
///
/// One's own, or with the permissions of a superuser anybody's.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    operation_id = "revoke_token",
    tag = "accounts",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    responses((status = 204, description = "Revoked"))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    IdPath(id): IdPath,
) -> Result<StatusCode, ApiError> {
    let accounts = state.accounts()?;
    let owner = if identity.may(Access::Superuser) { None } else { identity.user() };
    let tokens = accounts.store().tokens(owner).await?;
    // Whose it is otherwise, nobody is told.
    let token = tokens.into_iter().find(|token| token.id == id);
    let token = token.ok_or_else(|| ApiError::from(AccountError::NoSuchToken(id)))?;
    let before = json!({ "name": token.name, "user_id": token.user, "scopes": names(token.scopes) });
    let entry = identity.audit("token.delete", &token.name).before(before);
    let changes = [AccountChange::DeleteToken(id), AccountChange::Audit(entry)];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(StatusCode::NO_CONTENT)
}
