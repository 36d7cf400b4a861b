//! What a schedule would do.

use punctual_core::{JobKey, Schedule, Timestamp, TriggerKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;
use crate::error::ApiError;

/// A schedule to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewRequest {
    /// In its JSON form.
    #[schema(value_type = Object)]
    pub(crate) schedule: Value,
    /// No fire time is before this. Unless given, the schedule is taken to be stored at `after`, and may fire at once.
    #[schema(value_type = Option<Instant>)]
    pub(crate) start: Option<Timestamp>,
    /// No fire time is after this.
    #[schema(value_type = Option<Instant>)]
    pub(crate) end: Option<Timestamp>,
    /// A stored calendar whose excluded times are no fire times.
    pub(crate) calendar: Option<String>,
    /// Fire times after this, or at it where there is no `start`; the present instant unless given.
    #[schema(value_type = Option<Instant>)]
    pub(crate) after: Option<Timestamp>,
    /// How many fire times; 10 unless given.
    #[schema(minimum = 1, maximum = 1000)]
    pub(crate) count: Option<u32>,
    /// What to compare with.
    pub(crate) against: Option<Against>,
}

/// What a schedule is compared with: a stored trigger, or another schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Against {
    /// The stored trigger's key, with the calendar and the life that it has.
    pub(crate) trigger: Option<KeyBody>,
    /// Another schedule, with the same calendar, start and end.
    #[schema(value_type = Option<Object>)]
    pub(crate) schedule: Option<Value>,
    /// Compare from here; `after` unless given.
    #[schema(value_type = Option<Instant>)]
    pub(crate) from: Option<Timestamp>,
    /// Compare up to here; 7 days after `from` unless given.
    #[schema(value_type = Option<Instant>)]
    pub(crate) to: Option<Timestamp>,
}

/// A key in a body.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// `DEFAULT` unless given.
    pub(crate) group: Option<String>,
    pub(crate) name: String,
}

impl KeyBody {
    fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(punctual_core::key::DEFAULT_GROUP)
    }

    pub(crate) fn job(&self) -> Result<JobKey, ApiError> {
        JobKey::try_new(self.group(), self.name.as_str())
            .map_err(|error| ApiError::parameter("job", error.to_string()))
    }

    pub(crate) fn trigger(&self) -> Result<TriggerKey, ApiError> {
        TriggerKey::try_new(self.group(), self.name.as_str())
            .map_err(|error| ApiError::parameter("trigger", error.to_string()))
    }
}

/// What the schedule would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    kind: &'static str,
    /// The rule in words.
    text: String,
    time_zone: Option<String>,
    /// The fire times after `after`, or at it where there is no `start`.
    pub(crate) fires: Vec<Fire>,
    /// The last fire time before those.
    pub(crate) previous: Option<Fire>,
    /// The last fire time of all, where that can be told.
    #[serde(rename = "final")]
    pub(crate) last: Option<Fire>,
    /// With `against`: what would be different.
    pub(crate) difference: Option<Difference>,
}

impl Preview {
    pub(crate) fn of(schedule: &Schedule) -> Self {
        Self {
            kind: schedule.kind(),
            text: schedule.describe(),
            time_zone: super::zone_name(schedule),
            fires: Vec::new(),
            previous: None,
            last: None,
            difference: None,
        }
    }
}

/// A fire time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fire {
    at: Instant,
    /// The same in the schedule's zone, with its offset; `null` for schedules without one.
    local: Option<String>,
}

impl Fire {
    pub(crate) fn at(schedule: &Schedule, at: Timestamp) -> Self {
        let local = schedule
            .time_zone()
            .map(|zone| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
        Self { at: at.into(), local }
    }
}

/// How the fire times of two schedules differ in a window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Difference {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// Fire times of the new schedule alone.
    pub(crate) added: Vec<Instant>,
    /// Fire times of the old schedule alone.
    pub(crate) removed: Vec<Instant>,
    /// How many both have.
    pub(crate) kept: u64,
    /// Whether the comparison ended before `to`, because there are too many fire times: it holds up to
    /// `compared_until`.
    pub(crate) truncated: bool,
    pub(crate) compared_until: Instant,
}
