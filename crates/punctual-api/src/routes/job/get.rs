//! `GET /api/v1/jobs/{group}/{name}`: a job with its triggers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::ApiState;
use crate::error::ApiError;
use crate::extract::JobPath;
use crate::params::Params;
use crate::types::job::JobWithTriggers;

/// A job with its triggers
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{group}/{name}",
    operation_id = "get_job",
    tag = "definitions",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
    ),
    responses((status = 200, description = "The job", body = JobWithTriggers, headers(("ETag" = String, description = "Its version"))))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    JobPath(key): JobPath,
    params: Params,
) -> Result<([(HeaderName, String); 1], Json<JobWithTriggers>), ApiError> {
    params.finish()?;
    let info = state.scheduler.job_info(&key).await?.ok_or_else(|| ApiError::no_such("job", &key))?;
    let job = JobWithTriggers::from(info);
    Ok(([(header::ETAG, format!("\"{}\"", job.version))], Json(job)))
}
