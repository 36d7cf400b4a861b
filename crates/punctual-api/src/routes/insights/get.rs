//! `GET /api/v1/insights`: how runs went, in numbers, by task, job and period.

use axum::Json;
use axum::extract::State;
use punctual_core::InsightsQuery;
use punctual_core::time::to_millis;

use crate::ApiState;
use crate::error::ApiError;
use crate::params::Params;
use crate::types::Instant;
use crate::types::insights::Insights;

/// The most periods of one answer: a year by hour fits.
const MOST: i64 = 9_000;
const HOUR_MS: i64 = 3_600_000;
const STEPS: [(&str, u32); 3] = [("hour", 1), ("day", 24), ("week", 168)];

/// How runs went, in numbers, by task, job and period
#[utoipa::path(
    get,
    path = "/api/v1/insights",
    operation_id = "get_insights",
    tag = "runs",
    params(
        ("from" = Instant, Query, description = "Runs that started from here on, rounded down to a whole hour"),
        ("to" = Instant, Query, description = "Runs that started before, rounded up to a whole hour"),
        ("step" = Option<String>, Query, description = "The length of a period, counted from `from`: hour, day (24 h) or week (168 h); one period unless given"),
        ("task" = Option<String>, Query, description = "Only of this task"),
        ("job" = Option<String>, Query, description = "Only of this job (`GROUP.NAME`)"),
        ("job_group" = Option<String>, Query, description = "The group of `job`, where that has dots"),
    ),
    responses((status = 200, description = "Periods with ended runs", body = Insights))
)]
pub(crate) async fn handler(
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Json<Insights>, ApiError> {
    let (task, job, step) = (params.text("task"), params.job(), params.word("step", &STEPS));
    let (from, to) = (params.instant("from"), params.instant("to"));
    let (Some(from), Some(to)) = (from, to) else {
        return Err(params.missing([("from", from.is_none()), ("to", to.is_none())]));
    };
    let hours = (to_millis(to).saturating_sub(to_millis(from))) / HOUR_MS;
    if to <= from {
        params.refuse("to", "must be after from");
    } else if step.is_some_and(|step| hours / i64::from(step) > MOST) {
        params.refuse("step", format!("makes more than {MOST} periods: take a longer one, or less time"));
    }
    params.finish()?;
    let query = InsightsQuery { task, job, from, to, step_hours: step };
    let found = state.scheduler.store().insights(&query).await?;
    Ok(Json(Insights::new(&query, found)))
}
