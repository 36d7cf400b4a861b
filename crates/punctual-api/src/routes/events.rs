//! What happens.

pub(super) mod emit;
pub(super) mod stream;
