//! Runs: the task history by number.

pub(super) mod get;
