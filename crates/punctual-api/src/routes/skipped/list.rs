//! `GET /api/v1/skipped`: ranges of instants that were not run, newest first.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{SkipReason, SkippedQuery};

use crate::ApiState;
use crate::error::ApiError;
use crate::params::{PAGE, Params, page};
use crate::types::Instant;
use crate::types::page::{self, Listing};
use crate::types::skipped::Skipped;

/// The most rows of one answer.
const MOST: u32 = 1_000;

/// Ranges of instants that were not run, newest first
#[utoipa::path(
    get,
    path = "/api/v1/skipped",
    operation_id = "list_skipped",
    tag = "account",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 50 unless given"),
        ("offset" = Option<u64>, Query, maximum = 4294967295_u64, description = "Leave out so many first"),
        ("trigger" = Option<String>, Query, description = "Only of this trigger (`GROUP.NAME`)"),
        ("trigger_group" = Option<String>, Query, description = "The group of `trigger`, where that has dots"),
        ("job" = Option<String>, Query, description = "Only of this job (`GROUP.NAME`)"),
        ("job_group" = Option<String>, Query, description = "The group of `job`, where that has dots"),
        ("reason" = Option<String>, Query, description = "Only with this reason"),
        ("at" = Option<Instant>, Query, description = "Only ranges that span this instant"),
        ("from" = Option<Instant>, Query, description = "Only ranges that end here or later"),
        ("to" = Option<Instant>, Query, description = "Only ranges that begin here or earlier"),
    ),
    responses((status = 200, description = "Ranges", body = Listing<Skipped>))
)]
pub(crate) async fn handler(State(state): State<ApiState>, mut params: Params) -> Result<Response, ApiError> {
    let (limit, offset) = params.paging(MOST);
    let (limit, offset) = (Some(limit.unwrap_or(PAGE)), Some(offset.unwrap_or(0)));
    let reasons = SkipReason::ALL.map(|reason| (reason.as_str(), reason));
    let query = SkippedQuery {
        trigger: params.trigger(),
        job: params.job(),
        reason: params.word("reason", &reasons),
        at: params.instant("at"),
        from: params.instant("from"),
        to: params.instant("to"),
        paging: page(limit, offset),
    };
    params.finish()?;
    let rows = state.scheduler.store().skipped(&query).await?;
    Ok(page::respond::<_, Skipped>(rows, limit, offset).await)
}
