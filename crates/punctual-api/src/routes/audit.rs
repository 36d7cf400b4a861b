//! The log of changes.

pub(crate) mod list;
