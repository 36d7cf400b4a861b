//! Calendars.

pub(super) mod get;
pub(super) mod list;
