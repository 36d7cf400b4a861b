//! `/api/task`: the compatible read-only view of history and jobs.

pub(crate) mod get;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod unique_tasks;
