//! `GET /api/v1/groups`: all groups of users.

use axum::Json;
use axum::extract::State;

use punctual_core::Paging;

use crate::ApiState;
use crate::error::ApiError;
use crate::types::accounts::{All, UserGroup, UserNames};

/// All groups of users
#[utoipa::path(
    get,
    path = "/api/v1/groups",
    operation_id = "list_groups",
    tag = "accounts",
    responses((status = 200, description = "Groups", body = All<UserGroup>))
)]
pub(crate) async fn handler(State(state): State<ApiState>) -> Result<Json<All<UserGroup>>, ApiError> {
    let groups = state.scheduler.store().groups().await?;
    let users = names_of_users(&state).await?;
    Ok(Json(All::of(groups.into_iter().map(|group| UserGroup::new(group, &users)).collect())))
}

/// The names of all users.
pub(super) async fn names_of_users(state: &ApiState) -> Result<UserNames, ApiError> {
    Ok(UserNames::new(state.scheduler.store().users(Paging::ALL).await?.rows))
}
