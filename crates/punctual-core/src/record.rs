//! Work that is recorded in the task history beside the runs of jobs, and what all rows report: progress and logs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FireId, TaskRunId, TaskStatus, Term};

/// A row of the history for work outside of triggers: a piece of work that a program records, or a child of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// What ran.
    pub task: String,
    /// How it ended, or [`TaskStatus::Started`] for work that goes on.
    pub status: TaskStatus,
    /// When it started, UTC.
    pub started_at: Timestamp,
    /// When it ended, UTC.
    pub ended_at: Option<Timestamp>,
    /// How long it ran, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What it reported.
    pub details: Option<Value>,
    /// The registered data source that it worked on.
    pub db_id: Option<i64>,
    /// The node that ran it.
    pub node: String,
    /// The term of that node. An open row is closed as `unknown` when its term has ended; one without a term never is.
    pub term: Option<Term>,
    /// The row whose work this is a part of.
    pub parent: Option<FireId>,
    /// The run that it belongs to.
    pub run: Option<TaskRunId>,
    /// What it logged; `None` while it goes on.
    pub logs: Option<Vec<LogEntry>>,
    /// How far it came.
    pub progress: Option<Progress>,
}

/// The end of a [`TaskRecord`] that was stored open.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEnd {
    /// Which row.
    pub id: FireId,
    /// The term under which it was opened; a row that recovery has closed stays as it is.
    pub term: Term,
    /// How it ended.
    pub status: TaskStatus,
    /// When it ended, UTC.
    pub ended_at: Timestamp,
    /// How long it ran by the monotonic clock, in milliseconds.
    pub duration_ms: u64,
    /// What it reported; replaces what was stored when it started.
    pub details: Option<Value>,
    /// What it logged.
    pub logs: Vec<LogEntry>,
    /// How far it came; `None` leaves what was stored before.
    pub progress: Option<Progress>,
}

/// How far a piece of work has come, in a unit of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// How much there is; `None` while nobody knows.
    pub total: Option<u64>,
    /// What it is doing, for people.
    pub message: Option<String>,
    /// When this was so, UTC.
    pub at: Timestamp,
}

/// How grave a message is. Finer levels are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Something worth knowing happened.
    Info,
}

/// A message that a piece of work logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// How grave it is.
    pub level: LogLevel,
    /// When it was logged, UTC.
    pub timestamp: Timestamp,
    /// Where it was logged: the target, mostly a module's path.
    pub fqns: String,
    /// The message, at most [`crate::logs::MAX_LOG_MESSAGE`] characters.
    pub msg: String,
    /// The error that came with it and its causes, at most 20 lines of 500 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exception: Vec<String>,
    /// Of the first entry where older ones were dropped: what they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunc: Option<Truncated>,
}

/// Messages that were dropped to keep newer ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Truncated {
    /// How many, by level.
    pub levels: BTreeMap<LogLevel, u64>,
    /// When the first of them was logged.
    pub start_timestamp: Timestamp,
    /// When the last of them was logged.
    pub last_timestamp: Timestamp,
}
