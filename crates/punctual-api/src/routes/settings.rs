//! How the node is set up.

pub(super) mod get;
