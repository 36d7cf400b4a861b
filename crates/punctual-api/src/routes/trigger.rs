//! Triggers.

pub(super) mod backfill;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
pub(super) mod pause;
pub(super) mod put;
pub(super) mod reset;
pub(super) mod resume;
