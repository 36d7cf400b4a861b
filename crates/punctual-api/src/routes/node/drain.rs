//! `POST /api/v1/nodes/{name}/drain`: ask a node to claim nothing more.

use axum::Json;
use axum::extract::State;

use crate::ApiState;
use crate::edit::Author;
use crate::error::ApiError;
use crate::extract::{NamePath, OptionalBody};
use crate::params::Params;
use crate::types::cluster::Drained;
use crate::types::put::Note;

/// Ask a node to claim nothing more
///
/// It hears of it at its next heartbeat. What runs on it goes on, and it stays a live member that idles until it is resumed or
/// stopped; one that is started again claims again.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{name}/drain",
    operation_id = "drain_node",
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
    super::ask(&state, &name, true, (author, body.note)).await
}
