//! Wire types.

pub(crate) mod info;
pub(crate) mod task;

use jiff::Timestamp;

/// ISO 8601 in UTC with milliseconds.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}
