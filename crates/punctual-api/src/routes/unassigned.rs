//! Work that no node can do.

pub(super) mod list;
