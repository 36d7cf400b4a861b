//! `POST /api/v1/trigger-groups/{group}/resume`: resume all triggers of a trigger group.

use axum::Json;
use axum::extract::State;
use punctual_core::Change;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::{GroupPath, OptionalBody};
use crate::params::Params;
use crate::types::changed::Changed;
use crate::types::put::Note;

/// Resume all triggers of a trigger group
#[utoipa::path(
    post,
    path = "/api/v1/trigger-groups/{group}/resume",
    operation_id = "resume_group",
    tag = "operation",
    params(
        ("group" = String, Path, description = "The trigger group"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = Option<Note>,
    responses((status = 200, description = "What became of it", body = Changed))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    GroupPath(group): GroupPath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<Note>,
) -> Result<Json<Changed>, ApiError> {
    params.finish()?;
    let entry = author.entry("group.resume", &group, body.note);
    edit::changed(&state, Change::ResumeGroup(group), entry).await
}
