//! `POST /api/v1/users`: add a user.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::AccountChange;
use punctual_core::accounts;
use serde_json::json;

use crate::error::ApiError;
use crate::extract::Body;
use crate::types::accounts::{NewUser, OneTime};
use crate::{ApiState, Identity};

/// Add a user
///
/// The password, given or made, has to be changed at the first use.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    operation_id = "create_user",
    tag = "accounts",
    request_body = NewUser,
    responses((status = 201, description = "Added", body = OneTime))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    Body(body): Body<NewUser>,
) -> Result<(StatusCode, Json<OneTime>), ApiError> {
    let (accounts, name) = (state.accounts()?, body.name);
    let (password, one_time_password) = state.chosen_or_made(&name, body.password).await?;
    let entry =
        identity.audit("user.create", &name).after(json!({ "name": name, "superuser": body.superuser }));
    let user = accounts::NewUser { name, password, superuser: body.superuser, must_change: true };
    let changes = [AccountChange::AddUser(user), AccountChange::Audit(entry)];
    let ids = accounts.store().apply_accounts(accounts.now(), &changes).await?;
    let id = ids.first().copied().unwrap_or_default();
    Ok((StatusCode::CREATED, Json(OneTime { id, one_time_password })))
}
