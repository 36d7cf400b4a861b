//! `GET /api/v1/skipped`: instants that were not run, and why; newest first.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use punctual_core::{SkipReason, SkippedQuery};

use crate::ApiState;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::types::task::{List, Skipped};

pub(crate) async fn handler(
    State(state): State<ApiState>,
    Query(values): Query<HashMap<String, String>>,
) -> Result<Json<List<Skipped>>, Problem> {
    let mut parameters = Parameters::new(values, &["limit", "offset", "trigger", "reason"]);
    let (limit, offset, paging) = parameters.paging();
    let trigger = parameters.trigger_key("trigger");
    let reason = parameters.text("reason").and_then(|word| {
        let reason = SkipReason::from_word(&word);
        if reason.is_none() {
            let words: Vec<_> = SkipReason::ALL.iter().map(|reason| reason.as_str()).collect();
            parameters.refuse("reason", format!("must be one of: {}", words.join(", ")));
        }
        reason
    });
    parameters.finish()?;
    let query = SkippedQuery { trigger, reason, paging, ..SkippedQuery::default() };
    let page = state.scheduler.store().skipped(&query).await?;
    Ok(Json(List {
        total: page.total,
        limit,
        offset,
        data: page.rows.into_iter().map(Skipped::from).collect(),
    }))
}
