//! `POST /api/v1/triggers/{group}/{name}/backfill`: runs past instants of a trigger again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use punctual_core::schedule::{Occurrences, Window};
use punctual_core::{Change, HistoryQuery, Schedule, StoredTrigger, TaskStatus, Timestamp, TriggerState};
use serde_json::json;

use crate::ApiState;
use crate::definition::semantic;
use crate::edit::{self, Author};
use crate::error::ApiError;
use crate::extract::{Body, TriggerPath};
use crate::params::Params;
use crate::types::backfill::{Backfill, BackfillBody, PastInstant};

/// The most instants of one call.
const MOST: usize = 1_000;

/// Run past instants of a trigger again
///
/// Each becomes a run of its own that carries the instant. With `dry_run` nothing is stored. At most 1000 instants.
#[utoipa::path(
    post,
    path = "/api/v1/triggers/{group}/{name}/backfill",
    operation_id = "backfill",
    tag = "operation",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = BackfillBody,
    responses(
        (status = 200, description = "With `dry_run`: what would be run", body = Backfill),
        (status = 202, description = "The runs are stored", body = Backfill),
    )
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    TriggerPath(key): TriggerPath,
    params: Params,
    author: Author,
    Body(body): Body<BackfillBody>,
) -> Result<(StatusCode, Json<Backfill>), ApiError> {
    params.finish()?;
    if body.to < body.from {
        return Err(ApiError::parameter("to", "is before `from`"));
    }
    if body.to > state.scheduler.clock().now() {
        return Err(ApiError::parameter("to", "lies ahead: only past instants can be run again"));
    }
    let store = state.scheduler.store();
    let stored = store.trigger(&key).await?.ok_or_else(|| ApiError::no_such("trigger", &key))?;
    let job = store.job(&stored.definition.job).await?;
    let job = job.ok_or_else(|| ApiError::no_such("job", &stored.definition.job))?;
    let data = crate::definition::data(body.data.as_ref());
    if !data.is_empty() {
        state.options.check_commands(&job.detail.kind)?;
    }
    let instants = instants(&state, &stored, &body).await?;
    let again: Vec<Timestamp> = instants.iter().filter(|one| one.again).map(|one| one.at.0).collect();
    let mut answer = Backfill { count: again.len(), stored: 0, instants };
    if body.dry_run {
        return Ok((StatusCode::OK, Json(answer)));
    }
    let with = stored.definition.data.merged(&data).unwrap_or(data.clone());
    state.scheduler.fits_run(&job.detail, &with)?;
    if !author.has_note(body.note.as_ref()) {
        return Err(ApiError::parameter("note", "is required: say why these instants are run again"));
    }
    let window =
        json!({ "from": body.from, "to": body.to, "all": body.all, "runs": again.len(), "data": data });
    let entry = author.entry("trigger.backfill", &key, body.note).after(window);
    let runs = again.iter().map(|at| Change::RunFor {
        job: stored.definition.job.clone(),
        trigger: Some(key.clone()),
        scheduled_at: *at,
        data: data.clone(),
    });
    edit::apply(&state, runs, entry).await?;
    answer.stored = answer.count;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The instants of the window, and what became of each.
async fn instants(
    state: &ApiState,
    stored: &StoredTrigger,
    body: &BackfillBody,
) -> Result<Vec<PastInstant>, ApiError> {
    let store = state.scheduler.store();
    let definition = &stored.definition;
    let has_none = stored.pending.is_some() || stored.state == TriggerState::Error;
    if has_none || matches!(definition.schedule, Schedule::FixedDelay(_) | Schedule::Event(_)) {
        let detail = format!(
            "trigger {} has no instants that could be told: there is nothing to run again",
            definition.key
        );
        return Err(semantic("no-instants", detail).into());
    }
    let calendar = match &definition.calendar {
        None => None,
        Some(name) => store.calendar(name).await?.map(|stored| stored.calendar),
    };
    // The local times of a cron expression do not depend on when the trigger was stored; the steps of the others do.
    let start = match definition.schedule {
        Schedule::Cron(_) if definition.start.is_none() => stored.anchor.min(body.from),
        _ => stored.anchor,
    };
    let window = Window { start, end: definition.end };
    let occurrences = Occurrences::new(&definition.schedule, window).with_calendar(calendar.as_ref());
    let times: Vec<Timestamp> =
        occurrences.upcoming(body.from).take_while(|at| *at <= body.to).take(MOST + 1).collect();
    if times.len() > MOST {
        let detail =
            format!("there are more than {MOST} instants between `from` and `to`: take a shorter time");
        return Err(semantic("too-many-instants", detail).into());
    }
    let query = HistoryQuery {
        trigger: Some(definition.key.clone()),
        scheduled_from: Some(body.from),
        scheduled_to: Some(body.to),
        brief: true,
        descending: false,
        ..HistoryQuery::default()
    };
    let rows = store.history(&query).await?.rows;
    // In the order of their starts: the last one tells, and a success or a run under way tells for good.
    let mut statuses: BTreeMap<Timestamp, TaskStatus> = BTreeMap::new();
    for row in rows {
        let Some(at) = row.scheduled_at else { continue };
        let status = statuses.entry(at).or_insert(row.status);
        if !matches!(status, TaskStatus::Success | TaskStatus::Started) {
            *status = row.status;
        }
    }
    Ok(times.into_iter().map(|at| PastInstant::new(at, statuses.get(&at).copied(), body.all)).collect())
}
