//! Instants of triggers.

pub(super) mod list;
