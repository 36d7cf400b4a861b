//! How runs went, in numbers.

pub(super) mod get;
