//! Rows of the task history and skipped ranges.

use punctual_core::{SkippedRange, TaskHistory};
use serde::Serialize;
use serde_json::Value;

use super::instant;

/// A row of the task history. The first eight members are the compatible shape.
#[derive(Serialize)]
pub(crate) struct Task {
    id: i64,
    task: String,
    db_id: Option<i64>,
    started_at: String,
    ended_at: Option<String>,
    duration: Option<u64>,
    task_details: Option<Value>,
    status: &'static str,
    job: Option<String>,
    trigger: Option<String>,
    scheduled_at: Option<String>,
    lateness_ms: Option<i64>,
    node: String,
    attempt: u32,
    origin: i64,
    cause: String,
}

impl From<TaskHistory> for Task {
    fn from(row: TaskHistory) -> Self {
        Self {
            id: row.id.0,
            lateness_ms: row.lateness_ms(),
            db_id: row.db_id,
            started_at: instant(row.started_at),
            ended_at: row.ended_at.map(instant),
            duration: row.duration_ms,
            status: row.status.as_str(),
            job: row.job.map(|key| key.to_string()),
            trigger: row.trigger.map(|key| key.to_string()),
            scheduled_at: row.scheduled_at.map(instant),
            task: row.task,
            task_details: row.details,
            node: row.node,
            attempt: row.attempt,
            origin: row.origin.0,
            cause: row.cause.to_string(),
        }
    }
}

/// Instants that were not run.
#[derive(Serialize)]
pub(crate) struct Skipped {
    id: i64,
    trigger: String,
    job: String,
    first: String,
    last: String,
    count: u64,
    reason: &'static str,
    recorded_at: String,
    fire_id: Option<i64>,
}

impl From<SkippedRange> for Skipped {
    fn from(range: SkippedRange) -> Self {
        Self {
            id: range.id,
            trigger: range.trigger.to_string(),
            job: range.job.to_string(),
            first: instant(range.skip.first),
            last: instant(range.skip.last),
            count: range.skip.count,
            reason: range.skip.reason.as_str(),
            recorded_at: instant(range.recorded_at),
            fire_id: range.fire.map(|fire| fire.0),
        }
    }
}

/// A part of a list.
#[derive(Serialize)]
pub(crate) struct List<T> {
    pub(crate) total: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) data: Vec<T>,
}
