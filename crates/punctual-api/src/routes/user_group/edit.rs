//! `PATCH /api/v1/groups/{id}`: change a group of users.

use axum::Json;
use axum::extract::State;
use punctual_core::AccountChange;
use punctual_core::accounts::{AccountError, Group};
use serde_json::{Value, json};

use super::list::names_of_users;
use crate::error::ApiError;
use crate::extract::{Body, IdPath};
use crate::types::accounts::{GroupEdit, UserGroup, names, permissions};
use crate::{ApiState, Identity};

/// Change a group of users
///
/// Members of the body that are left out stay. `members` replaces all users of the group.
#[utoipa::path(
    patch,
    path = "/api/v1/groups/{id}",
    operation_id = "edit_group",
    tag = "accounts",
    params(
        ("id" = i64, Path, description = "The number"),
    ),
    request_body = GroupEdit,
    responses((status = 200, description = "The group as it is now", body = UserGroup))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    identity: Identity,
    IdPath(id): IdPath,
    Body(body): Body<GroupEdit>,
) -> Result<Json<UserGroup>, ApiError> {
    let accounts = state.accounts()?;
    let before = find(&state, id).await?;
    let mut after = before.clone();
    if let Some(name) = &body.name {
        after.name.clone_from(name);
    }
    after.permissions = body.permissions.as_deref().map_or(before.permissions, permissions);
    if let Some(members) = &body.members {
        after.members.clone_from(members);
    }
    let entry = identity.audit("group.update", &before.name).before(shown(&before)).after(shown(&after));
    let edit = AccountChange::EditGroup {
        id,
        name: body.name,
        permissions: body.permissions.as_deref().map(permissions),
        members: body.members,
    };
    accounts.store().apply_accounts(accounts.now(), &[edit, AccountChange::Audit(entry)]).await?;
    let group = find(&state, id).await?;
    Ok(Json(UserGroup::new(group, &names_of_users(&state).await?)))
}

pub(super) async fn find(state: &ApiState, id: i64) -> Result<Group, ApiError> {
    let groups = state.scheduler.store().groups().await?;
    let found = groups.into_iter().find(|group| group.id == id);
    found.ok_or_else(|| ApiError::from(AccountError::NoSuchGroup(id)))
}

pub(super) fn shown(group: &Group) -> Value {
    json!({ "name": group.name, "permissions": names(group.permissions), "members": group.members })
}
