//! `POST /api/v1/runs/{id}/run-again`: runs what a past run ran.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::Change;
use punctual_core::pending::is_own_group;
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author};
use crate::error::{ApiError, Problem};
use crate::extract::{OptionalBody, RunPath};
use crate::params::Params;
use crate::types::changed::Stored;
use crate::types::put::RunBody;

/// Run again what a past run ran
///
/// For the same instant, with the arguments that the job and the trigger have now, and `data` laid over them.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{id}/run-again",
    operation_id = "run_again",
    tag = "operation",
    params(
        ("id" = i64, Path, minimum = 0, description = "The number of the run"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = Option<RunBody>,
    responses((status = 202, description = "The run is stored", body = Stored))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    RunPath(id): RunPath,
    params: Params,
    author: Author,
    OptionalBody(body): OptionalBody<RunBody>,
) -> Result<(StatusCode, Json<Stored>), ApiError> {
    params.finish()?;
    let store = state.scheduler.store();
    let row = store.history_entry(id).await?.ok_or_else(|| ApiError::no_such("run", id))?;
    let Some(key) = row.job else {
        let detail = format!("run {id} is work that a program recorded: there is no job to run again");
        return Err(Problem::new(StatusCode::CONFLICT, "not-a-job", detail).into());
    };
    let job = store.job(&key).await?.ok_or_else(|| ApiError::no_such("job", &key))?;
    let data = crate::definition::data(body.data.as_ref());
    if !data.is_empty() {
        state.options.check_commands(&job.detail.kind)?;
    }
    let now = state.scheduler.clock().now();
    let trigger = row.trigger.filter(|trigger| !is_own_group(trigger.group()));
    let mut with = data.clone();
    if let Some(trigger) = &trigger
        && let Some(stored) = store.trigger(trigger).await?
    {
        with = stored.definition.data.merged(&data).unwrap_or(with);
    }
    state.scheduler.fits_run(&job.detail, &with)?;
    let entry =
        author.entry("run.again", id, body.note).after(json!({ "job": key.to_string(), "data": data }));
    let scheduled_at = row.scheduled_at.unwrap_or(now);
    let change = Change::RunFor { job: key, trigger, scheduled_at, data };
    let applied = edit::apply(&state, [change], entry).await?;
    Ok((StatusCode::ACCEPTED, Json(Stored::from(applied)?)))
}
