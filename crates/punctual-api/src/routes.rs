//! The operations, one file each.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod skipped;
pub(crate) mod task;
pub(crate) mod why;
