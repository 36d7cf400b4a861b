//! What goes over the wire.

pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod page;
pub(crate) mod skipped;
pub(crate) mod task;
pub(crate) mod why;

use punctual_core::Timestamp;
use serde::{Serialize, Serializer};

/// An instant as ISO 8601 in UTC, with milliseconds and `Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}
