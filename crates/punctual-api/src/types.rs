//! What goes over the wire.

pub(crate) mod accounts;
pub(crate) mod backfill;
pub(crate) mod calendar;
pub(crate) mod changed;
pub(crate) mod cluster;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod insights;
pub(crate) mod job;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod occurrence;
pub(crate) mod page;
pub(crate) mod preview;
pub(crate) mod problem;
pub(crate) mod put;
pub(crate) mod skipped;
pub(crate) mod task;
pub(crate) mod task_run;
pub(crate) mod trigger;
pub(crate) mod why;

use punctual_core::{Schedule, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// An instant as ISO 8601 in UTC, with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Instant {}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// A part of a definition in its own JSON form, which stores and files share; it always serialises.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The zone in which a schedule reads local times.
pub(crate) fn zone_name(schedule: &Schedule) -> Option<String> {
    schedule.time_zone().map(|zone| zone.iana_name().unwrap_or("UTC").to_owned())
}
