//! The account of one instant.

pub(super) mod get;
