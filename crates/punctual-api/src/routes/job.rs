//! Jobs.

pub(super) mod get;
pub(super) mod list;
