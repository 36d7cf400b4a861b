//! `POST /api/v1/jobs/{group}/{name}/pause`: pause all triggers of a job.

use axum::Json;
use axum::extract::State;
use punctual_core::Change;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::{JobPath, OptionalBody};
use crate::params::Params;
use crate::types::changed::Changed;
use crate::types::put::Note;

/// Pause all triggers of a job
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{group}/{name}/pause",
    operation_id = "pause_job",
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
    JobPath(key): JobPath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<Note>,
) -> Result<Json<Changed>, ApiError> {
    params.finish()?;
    let entry = author.entry("job.pause", &key, body.note);
    edit::to_job(&state, key, Change::PauseJob, entry).await
}
