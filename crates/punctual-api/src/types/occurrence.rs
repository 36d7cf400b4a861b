//! What ran, what was skipped, and what is coming.

use punctual_core::{SkippedRange, TaskHistory, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;

/// The instants of a window, by trigger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Occurrences {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// The present instant: what lies before it has happened or is due.
    pub(crate) now: Instant,
    /// Ascending by key; triggers without anything in the window are left out.
    pub(crate) triggers: Vec<OfTrigger>,
    /// Whether the limit of the whole answer was reached, so that there is more than it says.
    pub(crate) truncated: bool,
}

/// What there is of one trigger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfTrigger {
    pub(crate) trigger: String,
    pub(crate) job: Option<String>,
    /// As of now: `waiting`, `blocked`, `paused`, `complete` or `error`; `null` for one that is gone.
    pub(crate) state: Option<&'static str>,
    /// Ascending by `at`.
    pub(crate) occurrences: Vec<Occurrence>,
    /// Whether the limit of each trigger was reached: the occurrences after the last one are missing.
    pub(crate) truncated: bool,
}

/// An instant, or a range of instants that were skipped together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Occurrence {
    /// The instant; of a range the first.
    pub(crate) at: Instant,
    /// `ran`, `skipped`, `due` (it waits) or `coming`.
    what: &'static str,
    /// `ran`: the number of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<i64>,
    /// `ran`: `started`, `success`, `failed` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// `ran`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// `ran`: the attempt, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    /// `skipped`: the last instant of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Instant>,
    /// `skipped`: how many instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// `skipped`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Occurrence {
    fn new(at: Timestamp, what: &'static str) -> Self {
        Self {
            at: at.into(),
            what,
            run: None,
            status: None,
            cause: None,
            attempt: None,
            started_at: None,
            ended_at: None,
            last: None,
            count: None,
            reason: None,
        }
    }

    pub(crate) fn ran(at: Timestamp, row: &TaskHistory) -> Self {
        Self {
            run: Some(row.id.0),
            status: Some(row.status.as_str()),
            cause: Some(row.cause.to_string()),
            attempt: Some(row.attempt),
            started_at: Some(row.started_at.into()),
            ended_at: row.ended_at.map(Instant),
            ..Self::new(at, "ran")
        }
    }

    pub(crate) fn skipped(range: &SkippedRange) -> Self {
        Self {
            last: Some(range.skip.last.into()),
            count: Some(range.skip.count),
            reason: Some(range.skip.reason.as_str()),
            ..Self::new(range.skip.first, "skipped")
        }
    }

    pub(crate) fn ahead(at: Timestamp, now: Timestamp) -> Self {
        Self::new(at, if at <= now { "due" } else { "coming" })
    }
}
