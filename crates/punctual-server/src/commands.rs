//! The subcommands.

pub(crate) mod check;
pub(crate) mod schedule;
pub(crate) mod serve;
