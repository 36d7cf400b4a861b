//! `GET /api/v1/calendars`: all calendars.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::calendar::Calendar;
use crate::types::list::List;

/// All calendars, ascending by name
#[utoipa::path(
    get,
    path = "/api/v1/calendars",
    operation_id = "list_calendars",
    tag = "definitions",
    responses((status = 200, description = "All of them", body = List<Calendar>))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Json<List<Calendar>>, ApiError> {
    params.finish()?;
    let calendars = state.scheduler.store().calendars().await?;
    Ok(Json(List::whole(calendars.into_iter().map(Calendar::from).collect())))
}
