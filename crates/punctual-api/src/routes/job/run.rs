//! `POST /api/v1/jobs/{group}/{name}/run`: runs a job once, now.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::Change;
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::{JobPath, OptionalBody};
use crate::params::Params;
use crate::types::changed::Stored;
use crate::types::put::RunBody;

/// Run a job once, now
///
/// With `data` laid over its own.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{group}/{name}/run",
    operation_id = "run_job",
    tag = "operation",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = Option<RunBody>,
    responses((status = 202, description = "The run is stored", body = Stored))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    JobPath(key): JobPath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<RunBody>,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    params.finish()?;
    let job = state.scheduler.store().job(&key).await?.ok_or_else(|| ApiError::no_such("job", &key))?;
    let data = crate::definition::data(body.data.as_ref());
    if !data.is_empty() {
        state.options.check_commands(&job.detail.kind)?;
    }
    state.scheduler.fits_run(&job.detail, &data)?;
    let entry = author.entry("job.run", &key, body.note).after(json!({ "data": data }));
    let applied = edit::apply(&state, [Change::TriggerNow { job: key, data }], entry).await?;
    Ok((StatusCode::ACCEPTED, Json(Stored::from(applied)?)))
}
