//! The job kinds that the server ships.
//!
//! | kind | does |
//! | --- | --- |
//! | `command` | runs a program or a shell line: [`command`] |
//! | `http` | makes an HTTP call: [`http`] |
//! | `history-cleanup` | deletes old rows of the task history: [`history_cleanup`] |
//! | `session-cleanup` | deletes sessions and tokens that have ended: [`session_cleanup`] |
//! | `noop` | nothing: [`noop`] |
//!
//! To add one: a file here with a type that implements [`punctual_engine::Job`], and a line in [`register_all`].

pub mod command;
pub mod history_cleanup;
pub mod http;
pub mod keeper;
pub mod noop;
pub mod session_cleanup;

use punctual_core::{JobKind, Retention};
use punctual_engine::JobRegistry;

/// Every kind of this crate.
pub const KINDS: [&str; 5] = ["command", "http", "history-cleanup", "noop", "session-cleanup"];

/// The kinds that run what their data says.
pub const COMMAND_KINDS: [&str; 1] = ["command"];

/// Registers every kind of this crate; commands and calls as given ([`command::Command::kept_by`],
/// [`http::Http::with_secrets`]). The clean-up gets its scheduler later, when that exists: see
/// [`history_cleanup::SchedulerSlot`].
pub fn register_all(
    registry: &mut JobRegistry,
    scheduler: &history_cleanup::SchedulerSlot,
    command: command::Command,
    http: http::Http,
) {
    registry
        .register(command)
        .register(http)
        .register(history_cleanup::HistoryCleanup::new(scheduler.clone()))
        .register(session_cleanup::SessionCleanup::new(scheduler.clone()))
        .register(noop::Noop);
}

/// Whether this crate has a kind.
pub fn is_shipped(kind: &JobKind) -> bool {
    KINDS.contains(&kind.as_str())
}

/// How much history is kept unless set otherwise: 100,000 rows, of any age.
pub const DEFAULT_RETENTION: Retention =
    Retention { job: None, max_rows: Some(100_000), ended_before: None, chunk: 1_000 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_kinds_is_what_is_registered() {
        let mut registry = JobRegistry::new();
        register_all(
            &mut registry,
            &history_cleanup::SchedulerSlot::default(),
            command::Command::default(),
            http::Http::new(),
        );
        let mut listed = KINDS.map(JobKind::new).to_vec();
        listed.sort();
        assert_eq!(registry.kinds(), listed);
    }
}
