//! A row of the task history.

use std::collections::BTreeMap;

use punctual_core::{LogEntry, LogLevel, Progress, TaskHistory};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    id: i64,
    task: String,
    db_id: Option<i64>,
    started_at: Instant,
    ended_at: Option<Instant>,
    duration: Option<u64>,
    task_details: Option<Value>,
    status: &'static str,
    job: Option<String>,
    trigger: Option<String>,
    scheduled_at: Option<Instant>,
    lateness_ms: Option<i64>,
    node: String,
    attempt: u32,
    origin: i64,
    cause: String,
    /// The row whose work this is a part of.
    parent_id: Option<i64>,
    /// The task run that it belongs to.
    run_id: Option<i64>,
    /// What it logged; `null` while it runs, where its node was lost, and in rows of older versions.
    logs: Option<Vec<Log>>,
    /// How far it said it had come, last.
    progress: Option<TaskProgress>,
}

/// A page of the history. Ask again with `cursor` set to `next` for what follows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tasks {
    pub(crate) data: Vec<Task>,
    /// Where the next page begins; `null` at the end.
    pub(crate) next: Option<String>,
    /// How many rows the filters match, on all pages.
    pub(crate) total: u64,
}

/// A message that a run logged.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Log {
    /// `error`, `warn` or `info`.
    #[schema(value_type = String)]
    level: LogLevel,
    timestamp: Instant,
    /// Where it was logged.
    fqns: String,
    msg: String,
    /// The error that came with it, and its causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exception: Vec<String>,
    /// Of the first entry where older ones were dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    trunc: Option<Dropped>,
}

/// Messages that were dropped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Dropped {
    /// How many, by level.
    #[schema(value_type = BTreeMap<String, u64>)]
    levels: BTreeMap<LogLevel, u64>,
    start_timestamp: Instant,
    last_timestamp: Instant,
}

/// How far a run has come, in a unit of its own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskProgress {
    done: u64,
    total: Option<u64>,
    message: Option<String>,
    at: Instant,
}

impl From<LogEntry> for Log {
    fn from(entry: LogEntry) -> Self {
        Self {
            level: entry.level,
            timestamp: entry.timestamp.into(),
            fqns: entry.fqns,
            msg: entry.msg,
            exception: entry.exception,
            trunc: entry.trunc.map(|trunc| Dropped {
                levels: trunc.levels,
                start_timestamp: trunc.start_timestamp.into(),
                last_timestamp: trunc.last_timestamp.into(),
            }),
        }
    }
}

impl From<Progress> for TaskProgress {
    fn from(progress: Progress) -> Self {
        let Progress { done, total, message, at } = progress;
        Self { done, total, message, at: at.into() }
    }
}

impl From<TaskHistory> for Task {
    fn from(row: TaskHistory) -> Self {
        let lateness_ms = row.lateness_ms();
        Self {
            id: row.id.0,
            task: row.task,
            db_id: row.db_id,
            started_at: row.started_at.into(),
            ended_at: row.ended_at.map(Instant),
            duration: row.duration_ms,
            task_details: row.details,
            status: row.status.as_str(),
            job: row.job.map(|key| key.to_string()),
            trigger: row.trigger.map(|key| key.to_string()),
            scheduled_at: row.scheduled_at.map(Instant),
            lateness_ms,
            node: row.node,
            attempt: row.attempt,
            origin: row.origin.0,
            cause: row.cause.to_string(),
            parent_id: row.parent.map(|parent| parent.0),
            run_id: row.run.map(|run| run.0),
            logs: row.logs.map(|logs| logs.into_iter().map(Log::from).collect()),
            progress: row.progress.map(TaskProgress::from),
        }
    }
}
