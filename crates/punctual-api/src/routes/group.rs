//! Trigger groups.

pub(super) mod paused;
