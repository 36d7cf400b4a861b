//! `GET /api/v1/paused-groups`: the trigger groups that are paused.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::list::List;

/// The trigger groups that are paused, ascending; triggers that join them are paused, too
#[utoipa::path(
    get,
    path = "/api/v1/paused-groups",
    operation_id = "list_paused_groups",
    tag = "definitions",
    responses((status = 200, description = "All of them", body = List<String>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Json<List<String>>, ApiError> {
    params.finish()?;
    Ok(Json(List::whole(state.scheduler.store().paused_groups().await?)))
}
