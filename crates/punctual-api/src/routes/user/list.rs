//! `GET /api/v1/users`: all users.

use axum::extract::State;
use axum::response::Response;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::{PAGE, Params, page};
use crate::types::accounts::User;
use crate::types::page::{self, Listing};

/// The most rows of one answer.
const MOST: u32 = 1_000;

/// Users, by their numbers
#[utoipa::path(
    get,
    path = "/api/v1/users",
    operation_id = "list_users",
    tag = "accounts",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 50 unless given"),
        ("offset" = Option<u64>, Query, maximum = 4294967295_u64, description = "Leave out so many first"),
    ),
    responses((status = 200, description = "Users", body = Listing<User>))
)]
pub(crate) async fn handler(State(state): State<ApiState>, mut params: Params) -> Result<Response, ApiError> {
    let (limit, offset) = params.paging(MOST);
    params.finish()?;
    let (limit, offset) = (Some(limit.unwrap_or(PAGE)), Some(offset.unwrap_or(0)));
    let users = state.scheduler.store().users(page(limit, offset)).await?;
    Ok(page::respond::<_, User>(users, limit, offset).await)
}
