//! `PUT /api/v1/triggers/{group}/{name}`: stores a trigger of a stored job.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{Change, Data, Expected, Fingerprint, TriggerKey, TriggerState};
use serde_json::json;

use crate::ApiState;
use crate::edit::{self, Author, Put};
use crate::error::ApiError;
use crate::extract::{Body, TriggerPath};
use crate::params::Params;
use crate::types::put::{TriggerBody, keep_threshold};
use crate::types::trigger::Trigger;

/// Create or replace a trigger
#[utoipa::path(
    put,
    path = "/api/v1/triggers/{group}/{name}",
    operation_id = "put_trigger",
    tag = "definitions",
    params(
        ("group" = String, Path, description = "The group"),
        ("name" = String, Path, description = "The name"),
        ("If-Match" = Option<String>, Header, description = "The version that was seen; the change is refused when there is another one by now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there must be none yet"),
        ("X-Punctual-Note" = Option<String>, Header, description = "Why, for the log of changes"),
    ),
    request_body = TriggerBody,
    responses(
        (status = 200, description = "It was there; as it is now", body = Trigger),
        (status = 201, description = "It is new", body = Trigger),
    )
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    TriggerPath(key): TriggerPath,
    params: Params,
    author: Author,
    Body(body): Body<TriggerBody>,
) -> Result<Response, ApiError> {
    params.finish()?;
    let mut trigger = body.alone(key.clone())?;
    let job = state.scheduler.store().job(&trigger.job).await?;
    let job = job.ok_or_else(|| ApiError::no_such("job", &trigger.job))?;
    let old = state.scheduler.store().trigger(&key).await?;
    keep_threshold(&mut trigger, old.iter().map(|old| &old.definition));
    let old_data = old.as_ref().map_or_else(Data::empty, |old| old.definition.data.clone());
    if trigger.data != old_data {
        state.options.check_commands(&job.detail.kind)?;
    }
    state.scheduler.fits(&job.detail, std::slice::from_ref(&trigger))?;
    let seen = author.seen(body.version.as_deref())?.expected();
    let mut entry = author.entry("trigger.put", &key, body.note.clone()).after(json!(trigger));
    if let Some(old) = &old {
        entry = entry.before(json!(old.definition));
    }
    let expected = |version| Expected::Trigger(key.clone(), version);
    let version = Fingerprint::of_trigger(&trigger);
    // To put one that is in the error state again lets it try again.
    let same = old.as_ref().is_some_and(|old| {
        Fingerprint::of_trigger(&old.definition) == version && old.state != TriggerState::Error
    });
    let same = same.then(|| expected(Some(version)));
    let result = edit::put(&state, seen.map(expected), same, Change::PutTrigger(trigger), entry).await;
    let now = read(&state, &key).await?;
    let now = now.map(|now| (now.version.clone(), now));
    let put = Put { now, sent: &body, new: old.is_none() };
    put.answer(result, || ApiError::no_such("trigger", &key))
}

/// A trigger as it is now.
pub(crate) async fn read(state: &ApiState, key: &TriggerKey) -> Result<Option<Trigger>, ApiError> {
    let stored = state.scheduler.store().trigger(key).await?;
    let infos = state.scheduler.describe(stored.into_iter().collect()).await?;
    Ok(infos.into_iter().next().map(Trigger::from))
}
