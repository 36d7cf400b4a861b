//! `DELETE /api/v1/jobs/{group}/{name}`: deletes a job.

use axum::Json;
use axum::extract::State;
use punctual_core::{Change, Expected};
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::JobPath;
use crate::params::Params;
use crate::types::changed::Changed;

/// Delete a job
///
/// With its triggers. Runs that are under way go on.
#[utoipa::path(
    delete,
    path = "/api/v1/jobs/{group}/{name}",
    operation_id = "delete_job",
    tag = "definitions",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen; the change is refused when there is another one by now"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    responses((status = 200, description = "It is gone", body = Changed))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    JobPath(key): JobPath,
    params: Params,
    author: Author,
) -> Result<Json<Changed>, ApiError> {
    params.finish()?;
    let old = state.scheduler.store().job(&key).await?;
    let old = old.ok_or_else(|| ApiError::no_such("job", &key))?;
    let entry = author.entry("job.delete", &key, None).before(json!(old.detail.as_given()));
    let seen = author.seen(None)?.expected();
    let expect = seen.map(|seen| Change::Expect(Expected::Job(key.clone(), seen)));
    let change = Change::DeleteJob(key.clone());
    edit::delete(&state, expect, change, entry, || ApiError::no_such("job", &key)).await
}
