//! `PUT /api/v1/calendars/{name}`: stores a calendar.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{Change, Expected, Fingerprint};
use serde_json::json;

use crate::edit::{self, Author, Put};
use crate::error::ApiError;
use crate::extract::{Body, NamePath};
use crate::params::Params;
use crate::types::calendar::Calendar;
use crate::types::put::CalendarBody;
use crate::{ApiState, definition};

/// Create or replace a calendar
///
/// Triggers that use it go on with what it includes from now on.
#[utoipa::path(
    put,
    path = "/api/v1/calendars/{name}",
    operation_id = "put_calendar",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen; the change is refused when there is another one by now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there must be none yet"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = CalendarBody,
    responses(
        (status = 200, description = "It was there; as it is now", body = Calendar),
        (status = 201, description = "It is new", body = Calendar),
    )
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    NamePath(name): NamePath,
    params: Params,
    author: Author,
    Body(body): Body<CalendarBody>,
) -> Result<Response, ApiError> {
    params.finish()?;
    let calendar = definition::calendar(&body.calendar)?;
    let old = state.scheduler.store().calendar(&name).await?;
    let seen = author.seen(body.version.as_deref())?.expected();
    let mut entry = author.entry("calendar.put", &name, body.note.clone()).after(json!(calendar));
    if let Some(old) = &old {
        entry = entry.before(json!(old.calendar));
    }
    let expected = |version| Expected::Calendar(name.clone(), version);
    let version = Fingerprint::of_calendar(&calendar);
    let same = old.as_ref().is_some_and(|old| Fingerprint::of_calendar(&old.calendar) == version);
    let same = same.then(|| expected(Some(version)));
    let change = Change::PutCalendar { name: name.clone(), calendar };
    let result = edit::put(&state, seen.map(expected), same, change, entry).await;
    let now = state.scheduler.store().calendar(&name).await?.map(Calendar::from);
    let now = now.map(|now| (now.version.clone(), now));
    let put = Put { now, sent: &body, new: old.is_none() };
    put.answer(result, || ApiError::no_such("calendar", &name))
}
