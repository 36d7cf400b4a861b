//! Instants that were not run.

pub(super) mod list;
