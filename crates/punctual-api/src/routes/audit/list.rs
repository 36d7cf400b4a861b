//! `GET /api/v1/audit`: who changed what, newest first.

use axum::Json;
use axum::extract::State;
use punctual_core::AuditQuery;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::{PAGE, Params};
use crate::types::Instant;
use crate::types::accounts::Log;

/// The most rows of one answer.
const MOST: u32 = 1_000;

/// Who changed what, newest first
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "list_audit",
    tag = "accounts",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 50 unless given"),
        ("before" = Option<i64>, Query, description = "Only entries older than the one of this number: `next` of the page before"),
        ("actor" = Option<String>, Query, description = "Only by this actor"),
        ("action" = Option<String>, Query, description = "Only this action; with a dot at the end (`user.`) all that begin with it"),
        ("subject" = Option<String>, Query, description = "Only to this subject"),
        ("from" = Option<Instant>, Query, description = "Only from here on"),
        ("to" = Option<Instant>, Query, description = "Only before this instant"),
    ),
    responses((status = 200, description = "Entries", body = Log))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<Log>, ApiError> {
    let limit = params.whole("limit", 1, MOST).unwrap_or(PAGE);
    let before_id = params.read("before", |text| {
        text.parse().map_err(|_| format!("must be the number of an entry, not {text:?}"))
    });
    let query = AuditQuery {
        actor: params.text("actor"),
        action: params.text("action"),
        subject: params.text("subject"),
        from: params.instant("from"),
        to: params.instant("to"),
        before_id,
        // One more tells whether there is another page.
        limit: u64::from(limit) + 1,
    };
    params.finish()?;
    let mut rows = state.scheduler.store().audit_log(&query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Log { data: rows.into_iter().map(Into::into).collect(), next }))
}
