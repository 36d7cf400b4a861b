//! The node.

pub(super) mod get;
