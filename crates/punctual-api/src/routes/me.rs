//! Whoever calls.

pub(crate) mod end_other_sessions;
pub(crate) mod end_session;
pub(crate) mod get;
pub(crate) mod password;
pub(crate) mod sessions;
