//! The API in process, over a store in memory and a clock that stands still.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;
mod accounts;
mod changes;
mod cluster;
mod definitions;
mod guard;
mod idempotency;
mod info;
mod insights;
mod live;
mod long_history;
mod node;
mod occurrences;
mod openapi;
mod operation;
mod permissions;
mod preview;
mod refusals;
mod round_trip;
mod runs;
mod security;
mod support;
mod task_runs;
mod tasks;
