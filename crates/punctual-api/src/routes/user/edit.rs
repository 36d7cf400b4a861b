//! `PATCH /api/v1/users/{id}`: change a user.

use axum::Json;
use axum::extract::State;
use punctual_core::AccountChange;
use punctual_core::accounts::{self, AccountError};
use serde_json::json;

use crate::error::ApiError;
use crate::extract::{Body, IdPath};
use crate::types::accounts::{User, UserEdit};
use crate::{ApiState, Identity};

/// Change a user
///
/// Members that are left out stay. Disabling a user ends their sessions and keeps their tokens out.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    operation_id = "edit_user",
    tag = "accounts",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    request_body = UserEdit,
    responses((status = 200, description = "The user as they are now", body = User))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    IdPath(id): IdPath,
    Body(body): Body<UserEdit>,
) -> Result<Json<User>, ApiError> {
    let accounts = state.accounts()?;
    let missing = || ApiError::from(AccountError::NoSuchUser(id));
    let before = accounts.store().account(id).await?.ok_or_else(missing)?.user;
    let shown = |name: &str, superuser: bool, disabled: bool| json!({ "name": name, "superuser": superuser, "disabled": disabled });
    let entry = identity
        .audit("user.update", &before.name)
        .before(shown(&before.name, before.superuser, before.disabled))
        .after(shown(
            body.name.as_deref().unwrap_or(&before.name),
            body.superuser.unwrap_or(before.superuser),
            body.disabled.unwrap_or(before.disabled),
        ));
    let edit = accounts::UserEdit { name: body.name, superuser: body.superuser, disabled: body.disabled };
    let changes = [AccountChange::EditUser(id, edit), AccountChange::Audit(entry)];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(Json(accounts.store().account(id).await?.ok_or_else(missing)?.user.into()))
}
