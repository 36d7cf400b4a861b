//! Whoever calls.

pub(crate) mod get;
pub(crate) mod password;
