//! The task history and the scheduler.

pub(super) mod get;
pub(super) mod info;
pub(super) mod list;
pub(super) mod run;
pub(super) mod run_entities;
pub(super) mod runs;
pub(super) mod unique_tasks;
