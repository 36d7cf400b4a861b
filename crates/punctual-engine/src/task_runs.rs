//! Task runs: recorded work that belongs together.

use std::future::Future;

use punctual_core::limits::{MAX_TEXT, shorten};
use punctual_core::{NewTaskRun, StoreError, TaskRunEntity, TaskRunId, TaskRunStatus};
use tracing::warn;

use crate::scheduler::Scheduler;
use crate::sheet::Scope;

/// What a task run is, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRunSpec {
    run_type: String,
    entity: TaskRunEntity,
    auto_complete: bool,
}

impl TaskRunSpec {
    /// A run of a type, such as `sync`, for a thing, such as `database` 3.
    pub fn new(run_type: impl Into<String>, entity_type: impl Into<String>, entity_id: i64) -> Self {
        let entity = TaskRunEntity { entity_type: entity_type.into(), entity_id, name: None };
        Self { run_type: run_type.into(), entity, auto_complete: true }
    }

    /// Names the thing, for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.entity.name = Some(shorten(name.into(), MAX_TEXT));
        self
    }

    /// Leaves the run open when the body has ended, for work that goes on elsewhere: [`Scheduler::complete_run`] closes it.
    pub fn keep_open(mut self) -> Self {
        self.auto_complete = false;
        self
    }
}

/// The task run that the calling code belongs to; `None` outside of all, and in tasks that were spawned by one (see
/// [`Scheduler::in_run`]).
pub fn current_run() -> Option<TaskRunId> {
    Scope::current().run
}

/// Closes a run whose body was dropped.
struct Unfinished<'a>(&'a Scheduler, TaskRunId);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.inner.node.outbox.close_run(self.1);
    }
}

impl Scheduler {
    /// Runs `body` as one task run: all work that it records carries the run's number. Within another run it belongs to
    /// that, and no new one is opened. At the end the run is `success` when each of at least one task succeeded, and
    /// `failed` otherwise; it is `abandoned` when its node dies.
    ///
    /// Where the run cannot be stored, the body runs without one.
    pub async fn with_run<F: Future>(&self, run: TaskRunSpec, body: F) -> F::Output {
        let mut scope = Scope::current();
        if scope.run.is_some() {
            return body.await;
        }
        let auto_complete = run.auto_complete;
        let id = match self.begin_run(run).await {
            Ok(id) => id,
            Err(error) => {
                warn!(%error, "a task run could not be recorded: {error}");
                return body.await;
            }
        };
        scope.run = Some(id);
        if !auto_complete {
            return scope.enter(body).await;
        }
        let guard = Unfinished(self, id);
        let result = scope.enter(body).await;
        std::mem::forget(guard);
        if let Err(error) = self.complete_run(id).await {
            warn!(%error, "the end of task run {id} is stored later: {error}");
            self.inner.node.outbox.close_run(id);
        }
        result
    }

    /// Opens a task run for work that is spread over tasks or threads: enter it with [`Scheduler::in_run`], and close it
    /// with [`Scheduler::complete_run`].
    pub async fn begin_run(&self, run: TaskRunSpec) -> Result<TaskRunId, StoreError> {
        let node = &self.inner.node;
        let run = NewTaskRun {
            run_type: run.run_type,
            entity: run.entity,
            started_at: self.now(),
            node: node.name.clone(),
            term: node.term(),
        };
        node.note(self.store().open_run(&run).await)
    }

    /// Runs `body` within a run that was opened elsewhere.
    pub async fn in_run<F: Future>(&self, run: TaskRunId, body: F) -> F::Output {
        let scope = Scope { run: Some(run), ..Scope::current() };
        scope.enter(body).await
    }

    /// Closes a task run by how its tasks stand. One that is closed stays as it is. Its status; `None` when there is no
    /// such run.
    pub async fn complete_run(&self, run: TaskRunId) -> Result<Option<TaskRunStatus>, StoreError> {
        self.inner.node.note(self.store().close_run(self.now(), run).await)
    }
}
