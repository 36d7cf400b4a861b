//! `POST /api/v1/tokens`: make a token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::{AccountChange, Permission, accounts};
use serde_json::json;

use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::types::Instant;
use crate::types::accounts::{MadeToken, NewToken, names, permissions};
use crate::{ApiState, Identity};

/// Make a token
///
/// It takes a session (not a token), and the scopes must be within what the caller may do. It acts as the caller.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    operation_id = "create_token",
    tag = "accounts",
    request_body = NewToken,
    responses((status = 201, description = "The token", body = MadeToken))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), ApiError> {
    let accounts = state.accounts()?;
    let (user, _) = identity.own_session("make tokens")?;
    let scopes = permissions(&body.scopes);
    if body.scopes.is_empty() {
        let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.name()).collect();
        let detail = format!(
            "scopes are empty, and a token without a scope can do nothing: give some of {}",
            all.join(", ")
        );
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-scopes", detail).into());
    }
    if !scopes.is_within(identity.permissions) {
        let may: Vec<&str> = identity.permissions.iter().map(Permission::name).collect();
        let may = if may.is_empty() { "nothing".to_owned() } else { may.join(", ") };
        let detail = format!("the scopes must be within what you may do, which is: {may}");
        return Err(Problem::new(StatusCode::FORBIDDEN, "no-permission", detail).into());
    }
    if body.expires_at.is_some_and(|end| end <= accounts.now()) {
        return Err(ApiError::parameter("expires_at", "has passed"));
    }
    let (token, hash) = punctual_accounts::new_token()?;
    let after = json!({
        "name": body.name, "scopes": names(scopes), "expires_at": body.expires_at.map(Instant),
    });
    let entry = identity.audit("token.create", &body.name).after(after);
    let new = accounts::NewToken { hash, user, name: body.name, scopes, expires_at: body.expires_at };
    let changes = [AccountChange::AddToken(new), AccountChange::Audit(entry)];
    let ids = accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { id: ids.first().copied().unwrap_or_default(), token })))
}
