//! `POST /api/v1/events`: emits an event.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::{Cause, Change, JobKind, TriggerQuery};
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::params::Params;
use crate::types::changed::Changed;
use crate::types::put::EventBody;

/// Emit an event
///
/// Each trigger that waits for it runs its job once, now, with the payload laid over its arguments. `created` says how
/// many; paused ones are counted as `unchanged`.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    operation_id = "emit_event",
    tag = "operation",
    params(
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = EventBody,
    responses((status = 202, description = "The runs are stored", body = Changed))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    params: Params,
    author: Author,
    Body(body): Body<EventBody>,
) -> Result<(StatusCode, Json<Changed>), ApiError> {
    params.finish()?;
    let payload = crate::definition::data(body.payload.as_ref());
    if !payload.is_empty() {
        check_commands(&state, &body.event).await?;
    }
    let entry = author.entry("event.emit", &body.event, body.note).after(json!({ "payload": payload }));
    let applied = edit::apply(&state, [Change::Emit { event: body.event, payload }], entry).await?;
    Ok((StatusCode::ACCEPTED, Json(Changed::from(&applied))))
}

/// A payload overrides data: see that no job which runs commands waits for the event, unless that is allowed.
async fn check_commands(state: &ApiState, event: &str) -> Result<(), ApiError> {
    for kind in state.options.command_kinds.iter().map(|kind| JobKind::new(kind.as_str())) {
        if state.options.check_commands(&kind).is_ok() {
            continue;
        }
        let query = TriggerQuery {
            kind: Some(kind.clone()),
            cause: Some(Cause::Schedule),
            ..TriggerQuery::default()
        };
        let triggers = state.scheduler.store().triggers(&query).await?.rows;
        let mut waiting = triggers.iter().filter(|one| one.definition.schedule.event() == Some(event));
        if let Some(trigger) = waiting.next() {
            let detail = format!(
                "the job {} of kind {kind} waits for this event and runs what its data says: a payload would be laid \
                 over it, which the API does only where the operator has set `allow_commands = true` in `[api]`; emit \
                 the event without a payload",
                trigger.definition.job
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, "commands-not-allowed", detail).into());
        }
    }
    Ok(())
}
