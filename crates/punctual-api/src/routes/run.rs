//! Runs: the task history by number.

pub(super) mod again;
pub(super) mod cancel;
pub(super) mod get;
pub(super) mod list;
