//! The description of the API.

pub(super) mod get;
