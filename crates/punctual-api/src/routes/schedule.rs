//! Schedules, before they are stored.

pub(super) mod preview;
