//! Task runs.

use punctual_core::{TaskRun as StoredRun, TaskRunEntity};
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;
use super::task::Task;

/// Rows of the history that belong together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskRun {
    id: i64,
    run_type: String,
    entity_type: String,
    entity_id: i64,
    /// As the run knew it.
    entity_name: Option<String>,
    started_at: Instant,
    ended_at: Option<Instant>,
    /// `started`, `success`, `failed` or `abandoned`.
    status: &'static str,
    node: String,
    /// Tasks that are still in the history.
    task_count: u64,
    success_count: u64,
    failed_count: u64,
}

impl From<StoredRun> for TaskRun {
    fn from(run: StoredRun) -> Self {
        Self {
            id: run.id.0,
            run_type: run.run_type,
            entity_type: run.entity.entity_type,
            entity_id: run.entity.entity_id,
            entity_name: run.entity.name,
            started_at: run.started_at.into(),
            ended_at: run.ended_at.map(Instant),
            status: run.status.as_str(),
            node: run.node,
            task_count: run.tasks.all,
            success_count: run.tasks.success,
            failed_count: run.tasks.failed,
        }
    }
}

/// A task run with its tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskRunWithTasks {
    #[serde(flatten)]
    pub(crate) run: TaskRun,
    /// Ascending by `started_at`.
    pub(crate) tasks: Vec<Task>,
}

/// What a run is for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entity {
    entity_type: String,
    entity_id: i64,
    entity_name: Option<String>,
}

impl From<TaskRunEntity> for Entity {
    fn from(entity: TaskRunEntity) -> Self {
        Self { entity_type: entity.entity_type, entity_id: entity.entity_id, entity_name: entity.name }
    }
}
