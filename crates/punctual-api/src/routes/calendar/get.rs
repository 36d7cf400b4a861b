//! `GET /api/v1/calendars/{name}`: a calendar.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::NamePath;
use crate::params::Params;
use crate::types::calendar::Calendar;

/// A calendar
#[utoipa::path(
    get,
    path = "/api/v1/calendars/{name}",
    operation_id = "get_calendar",
    tag = "definitions",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The calendar", body = Calendar, headers(("ETag" = String, description = "Its version"))))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    NamePath(name): NamePath,
    params: Params,
) -> Result<([(HeaderName, String); 1], Json<Calendar>), ApiError> {
    params.finish()?;
    let stored = state.scheduler.store().calendar(&name).await?;
    let calendar = Calendar::from(stored.ok_or_else(|| ApiError::no_such("calendar", &name))?);
    Ok(([(header::ETAG, format!("\"{}\"", calendar.version))], Json(calendar)))
}
