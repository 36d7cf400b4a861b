//! What happens.

pub(super) mod stream;
