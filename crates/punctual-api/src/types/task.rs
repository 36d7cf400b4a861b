//! A row of the task history.

use punctual_core::TaskHistory;
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
        }
    }
}
