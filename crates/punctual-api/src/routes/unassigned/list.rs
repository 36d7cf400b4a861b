//! `GET /api/v1/unassigned`: due work of kinds that no live node can run.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::cluster::Unassigned;
use crate::types::list::List;

/// Due work of kinds that no live node can run
#[utoipa::path(
    get,
    path = "/api/v1/unassigned",
    operation_id = "list_unassigned",
    tag = "cluster",
    responses((status = 200, description = "All of them", body = List<Unassigned>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Json<List<Unassigned>>, ApiError> {
    params.finish()?;
    let now = state.scheduler.clock().now();
    let due = state.scheduler.unassigned().await?;
    Ok(Json(List::whole(due.iter().map(|due| Unassigned::at(now, due)).collect())))
}
