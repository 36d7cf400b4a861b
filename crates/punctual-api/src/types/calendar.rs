//! A calendar.

use punctual_core::{Fingerprint, StoredCalendar};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;

/// A stored calendar: times at which triggers that use it do not fire.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Calendar {
    name: String,
    /// What it excludes.
    #[schema(value_type = Object)]
    calendar: Value,
    updated_at: Instant,
    /// Changes with what it excludes; see `If-Match`.
    pub(crate) version: String,
}

impl From<StoredCalendar> for Calendar {
    fn from(stored: StoredCalendar) -> Self {
        Self {
            version: Fingerprint::of_calendar(&stored.calendar).to_string(),
            name: stored.name,
            calendar: super::json(&stored.calendar),
            updated_at: stored.updated_at.into(),
        }
    }
}
