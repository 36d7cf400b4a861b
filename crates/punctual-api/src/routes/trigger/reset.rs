//! `POST /api/v1/triggers/{group}/{name}/reset`: take a trigger out of the error state.

use axum::Json;
use axum::extract::State;
use punctual_core::Change;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::{OptionalBody, TriggerPath};
use crate::params::Params;
use crate::types::changed::Changed;
use crate::types::put::Note;

/// Take a trigger out of the error state
#[utoipa::path(
    post,
    path = "/api/v1/triggers/{group}/{name}/reset",
    operation_id = "reset_trigger",
    tag = "operation",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = Option<Note>,
    responses((status = 200, description = "What became of it", body = Changed))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    TriggerPath(key): TriggerPath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<Note>,
) -> Result<Json<Changed>, ApiError> {
    params.finish()?;
    let entry = author.entry("trigger.reset", &key, body.note);
    edit::to_trigger(&state, key, Change::ResetTrigger, entry).await
}
