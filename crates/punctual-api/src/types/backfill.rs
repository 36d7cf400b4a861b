//! Running past instants again.

use punctual_core::{TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Instant;

/// Which instants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillBody {
    /// The first instant, inclusive.
    #[schema(value_type = Instant)]
    pub(crate) from: Timestamp,
    /// The last instant, inclusive; not in the future.
    #[schema(value_type = Instant)]
    pub(crate) to: Timestamp,
    /// Also those that have succeeded or are under way.
    #[serde(default)]
    pub(crate) all: bool,
    /// Say what would be done, and do nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Arguments laid over the stored ones.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Map<String, Value>>,
    /// Why, for the log of changes; required unless `dry_run`.
    pub(crate) note: Option<String>,
}

/// What is run again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Backfill {
    /// How many instants are run again.
    pub(crate) count: usize,
    /// How many runs were stored: `count`, or 0 with `dry_run`.
    pub(crate) stored: usize,
    /// The instants of the window, ascending.
    pub(crate) instants: Vec<PastInstant>,
}

/// An instant of the schedule, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PastInstant {
    pub(crate) at: Instant,
    /// How its last run went (`started`, `success`, `failed`, `unknown`), if it has one in the history.
    pub(crate) status: Option<&'static str>,
    /// Whether it is run again.
    pub(crate) again: bool,
}

impl PastInstant {
    pub(crate) fn new(at: Timestamp, status: Option<TaskStatus>, all: bool) -> Self {
        let done = matches!(status, Some(TaskStatus::Success | TaskStatus::Started));
        Self { at: at.into(), status: status.map(TaskStatus::as_str), again: all || !done }
    }
}
