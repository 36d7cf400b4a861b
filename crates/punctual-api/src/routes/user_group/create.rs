//! `POST /api/v1/groups`: add a group of users.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::AccountChange;
use serde_json::json;

use crate::error::ApiError;
use crate::extract::Body;
use crate::types::accounts::{Made, NewGroup, names, permissions};
use crate::{ApiState, Identity};

/// Add a group of users
#[utoipa::path(
    post,
    path = "/api/v1/groups",
    operation_id = "create_group",
    tag = "accounts",
    request_body = NewGroup,
    responses((status = 201, description = "Added", body = Made))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    Body(body): Body<NewGroup>,
) -> Result<(StatusCode, Json<Made>), ApiError> {
    let (accounts, name) = (state.accounts()?, body.name);
    let permissions = permissions(&body.permissions);
    let after = json!({ "name": name, "permissions": names(permissions) });
    let entry = identity.audit("group.create", &name).after(after);
    let changes = [AccountChange::AddGroup { name, permissions }, AccountChange::Audit(entry)];
    let ids = accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok((StatusCode::CREATED, Json(Made { id: ids.first().copied().unwrap_or_default() })))
}
