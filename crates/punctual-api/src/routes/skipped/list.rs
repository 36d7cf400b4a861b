//! `GET /api/v1/skipped`: ranges of instants that were not run, newest first.

use axum::extract::State;
use axum::response::Response;
use punctual_core::{SkipReason, SkippedQuery};

use crate::ApiState;
use crate::error::ApiError;
use crate::params::{PAGE, Params, page};
use crate::types::{page, skipped::Skipped};

/// The most rows of one answer.
const MOST: u32 = 1_000;

pub(crate) async fn handler(State(state): State<ApiState>, mut params: Params) -> Result<Response, ApiError> {
    let (limit, offset) = params.paging(MOST);
    let (limit, offset) = (Some(limit.unwrap_or(PAGE)), Some(offset.unwrap_or(0)));
    let reasons = SkipReason::ALL.map(|reason| (reason.as_str(), reason));
    let query = SkippedQuery {
        trigger: params.trigger(),
        job: params.job(),
        reason: params.word("reason", &reasons),
        at: params.instant("at"),
        paging: page(limit, offset),
    };
    params.finish()?;
    let rows = state.scheduler.store().skipped(&query).await?;
    Ok(page::respond::<_, Skipped>(rows, limit, offset).await)
}
