//! `DELETE /api/v1/groups/{id}`: delete a group of users.

use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::AccountChange;

use super::edit::{find, shown};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::{ApiState, Identity};

/// Delete a group of users
///
/// Its users stay.
#[utoipa::path(
    delete,
    path = "/api/v1/groups/{id}",
    operation_id = "delete_group",
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
    let group = find(&state, id).await?;
    let entry = identity.audit("group.delete", &group.name).before(shown(&group));
    let changes = [AccountChange::DeleteGroup(id), AccountChange::Audit(entry)];
    accounts.store().apply_accounts(accounts.now(), &changes).await?;
    Ok(StatusCode::NO_CONTENT)
}
