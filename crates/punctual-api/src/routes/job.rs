//! Jobs.

pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
pub(super) mod pause;
pub(super) mod put;
pub(super) mod resume;
pub(super) mod run;
