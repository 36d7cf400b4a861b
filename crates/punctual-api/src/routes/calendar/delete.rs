//! `DELETE /api/v1/calendars/{name}`: deletes a calendar.

use axum::Json;
use axum::extract::State;
use punctual_core::{Change, Expected};
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::NamePath;
use crate::params::Params;
use crate::types::changed::Changed;

/// Delete a calendar
///
/// Refused while a trigger uses it.
#[utoipa::path(
    delete,
    path = "/api/v1/calendars/{name}",
    operation_id = "delete_calendar",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen; the change is refused when there is another one by now"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    responses((status = 200, description = "It is gone", body = Changed))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    NamePath(name): NamePath,
    params: Params,
    author: Author,
) -> Result<Json<Changed>, ApiError> {
    params.finish()?;
    let old = state.scheduler.store().calendar(&name).await?;
    let old = old.ok_or_else(|| ApiError::no_such("calendar", &name))?;
    let entry = author.entry("calendar.delete", &name, None).before(json!(old.calendar));
    let seen = author.seen(None)?.expected();
    let expect = seen.map(|seen| Change::Expect(Expected::Calendar(name.clone(), seen)));
    let change = Change::DeleteCalendar(name.clone());
    edit::delete(&state, expect, change, entry, || ApiError::no_such("calendar", &name)).await
}
