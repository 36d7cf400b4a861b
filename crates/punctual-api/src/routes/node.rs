//! Nodes.

pub(super) mod list;
