//! `GET /api/v1/locks`: the locks that are held, ascending by name.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::cluster::Lock;
use crate::types::list::List;

/// The locks that are held, ascending by name
#[utoipa::path(
    get,
    path = "/api/v1/locks",
    operation_id = "list_locks",
    tag = "cluster",
    responses((status = 200, description = "All of them", body = List<Lock>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Json<List<Lock>>, ApiError> {
    params.finish()?;
    let now = state.scheduler.clock().now();
    let locks = state.scheduler.store().locks(now).await?;
    Ok(Json(List::whole(locks.into_iter().map(|lock| Lock::at(now, lock)).collect())))
}
