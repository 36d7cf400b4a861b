//! Locks.

pub(super) mod list;
