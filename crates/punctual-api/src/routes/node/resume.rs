//! `POST /api/v1/nodes/{name}/resume`: ask a drained node to claim again.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::edit::Author;
use crate::error::ApiError;
use crate::extract::{NamePath, OptionalBody};
use crate::params::Params;
use crate::types::cluster::Drained;
use crate::types::put::Note;

/// Ask a drained node to claim again
///
/// It hears of it at its next heartbeat.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{name}/resume",
    operation_id = "resume_node",
    tag = "cluster",
    params(
        ("name" = String, Path, description = "The name of a live node"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = Option<Note>,
    responses((status = 200, description = "What became of it", body = Drained))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    NamePath(name): NamePath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<Note>,
) -> Result<Json<Drained>, ApiError> {
    params.finish()?;
    super::ask(&state, &name, false, (author, body.note)).await
}
