//! A range of instants that were not run.

use punctual_core::SkippedRange;
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Skipped {
    id: i64,
    trigger: String,
    job: String,
    first: Instant,
    last: Instant,
    count: u64,
    reason: &'static str,
    recorded_at: Instant,
    /// The run that stands for coalesced instants.
    fire_id: Option<i64>,
}

impl From<SkippedRange> for Skipped {
    fn from(range: SkippedRange) -> Self {
        Self {
            id: range.id,
            trigger: range.trigger.to_string(),
            job: range.job.to_string(),
            first: range.skip.first.into(),
            last: range.skip.last.into(),
            count: range.skip.count,
            reason: range.skip.reason.as_str(),
            recorded_at: range.recorded_at.into(),
            fire_id: range.fire.map(|fire| fire.0),
        }
    }
}
