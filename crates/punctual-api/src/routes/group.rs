//! Trigger groups.

pub(super) mod pause;
pub(super) mod paused;
pub(super) mod resume;
