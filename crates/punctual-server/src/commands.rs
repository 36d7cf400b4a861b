//! The subcommands.

pub(crate) mod admin;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod dev_cluster;
pub(crate) mod import;
pub(crate) mod plan;
pub(crate) mod remote;
pub(crate) mod schedule;
pub(crate) mod serve;
