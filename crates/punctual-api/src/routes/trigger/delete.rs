//! `DELETE /api/v1/triggers/{group}/{name}`: deletes a trigger.

use axum::Json;
use axum::extract::State;
use punctual_core::{Change, Expected};
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::TriggerPath;
use crate::params::Params;
use crate::types::changed::Changed;

/// Delete a trigger
///
/// And its job, when that was the last trigger of a job that is not durable.
#[utoipa::path(
    delete,
    path = "/api/v1/triggers/{group}/{name}",
    operation_id = "delete_trigger",
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
    TriggerPath(key): TriggerPath,
    params: Params,
    author: Author,
) -> Result<Json<Changed>, ApiError> {
    params.finish()?;
    let old = state.scheduler.store().trigger(&key).await?;
    let old = old.ok_or_else(|| ApiError::no_such("trigger", &key))?;
    let entry = author.entry("trigger.delete", &key, None).before(json!(old.definition));
    let seen = author.seen(None)?.expected();
    let expect = seen.map(|seen| Change::Expect(Expected::Trigger(key.clone(), seen)));
    let change = Change::DeleteTrigger(key.clone());
    edit::delete(&state, expect, change, entry, || ApiError::no_such("trigger", &key)).await
}
