//! Records work in the task history: whatever a program does outside of triggers, and parts of a job's run.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use punctual_core::limits::{MAX_FAILURE_MESSAGE, bounded, lines, shorten};
use punctual_core::{Clock, FireId, JobStore, TaskEnd, TaskRecord, TaskRunId, TaskStatus, Term, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{Instrument, warn};

use crate::capture::span_of;
use crate::recorder::Outbox;
use crate::scheduler::Scheduler;
use crate::sheet::{Scope, Sheet};

type OnSuccess<T> = Box<dyn FnOnce(Value, &T) -> Value + Send>;
type OnFailure<E> = Box<dyn FnOnce(Value, &E) -> Value + Send>;

/// What is recorded of a piece of work besides its name. A name alone will do: `"sync".into()`.
pub struct Recording<T, E> {
    task: String,
    db_id: Option<i64>,
    run: Option<TaskRunId>,
    parent: Option<FireId>,
    on_success: Option<OnSuccess<T>>,
    on_failure: Option<OnFailure<E>>,
}

impl<T, E> Recording<T, E> {
    /// Work of this name, mostly written like `fingerprint-tables`.
    pub fn new(task: impl Into<String>) -> Self {
        Self { task: task.into(), db_id: None, run: None, parent: None, on_success: None, on_failure: None }
    }

    /// The registered data source that it works on.
    pub fn db_id(mut self, id: i64) -> Self {
        self.db_id = Some(id);
        self
    }

    /// The task run that it belongs to, in place of the one around the call.
    pub fn run(mut self, id: TaskRunId) -> Self {
        self.run = Some(id);
        self
    }

    /// The row that it is a part of, in place of the one around the call: for work in tasks of its own.
    pub fn parent(mut self, id: FireId) -> Self {
        self.parent = Some(id);
        self
    }

    /// Within a part of the same run, the nearest part is the parent; otherwise the run itself.
    pub(crate) fn child_of(mut self, run: FireId) -> Self {
        self.parent = self.parent.or_else(|| Scope::current().parent()).or(Some(run));
        self
    }

    /// Makes the details of a success, from those given at the start and the result.
    pub fn on_success(mut self, details: impl FnOnce(Value, &T) -> Value + Send + 'static) -> Self {
        self.on_success = Some(Box::new(details));
        self
    }

    /// Makes the details of a failure, from the failure shape (with those given at the start as `original-info`) and the
    /// error.
    pub fn on_failure(mut self, details: impl FnOnce(Value, &E) -> Value + Send + 'static) -> Self {
        self.on_failure = Some(Box::new(details));
        self
    }
}

impl<T, E> From<&str> for Recording<T, E> {
    fn from(task: &str) -> Self {
        Self::new(task)
    }
}

impl<T, E> From<String> for Recording<T, E> {
    fn from(task: String) -> Self {
        Self::new(task)
    }
}

impl<T, E> std::fmt::Debug for Recording<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("task", &self.task).finish_non_exhaustive()
    }
}

/// Where work is recorded, and as whose.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) node: Arc<str>,
}

impl Scheduler {
    /// Runs `body` and records it in the task history: a row that is `started` first, and `success` or `failed` when it
    /// ends, within the task run and as a child of the recorded work around the call, if there is some. What the body
    /// returns is returned unchanged.
    ///
    /// The history never stands in the way: where the row cannot be stored at first, it is stored when the body has ended;
    /// where that fails too, it is logged. A body that panics or is dropped leaves a failed row, and one whose node dies
    /// an `unknown` one.
    pub async fn record<T, E: Display>(
        &self,
        task: impl Into<Recording<T, E>>,
        details: impl Serialize,
        body: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let node = &self.inner.node;
        let details = serde_json::to_value(details).unwrap_or_default();
        node.recorder().record(node.term(), task.into(), details, body).await
    }
}

impl Recorder {
    pub(crate) async fn record<T, E: Display>(
        &self,
        term: Option<Term>,
        task: Recording<T, E>,
        details: Value,
        body: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let around = Scope::current();
        let mut record = TaskRecord {
            task: task.task,
            status: TaskStatus::Started,
            started_at: self.clock.now(),
            ended_at: None,
            duration_ms: None,
            details: (!details.is_null()).then(|| bounded(details)),
            db_id: task.db_id,
            node: self.node.to_string(),
            term,
            parent: task.parent.or_else(|| around.parent()),
            run: task.run.or(around.run),
            logs: None,
            progress: None,
        };
        let row = self.open(&record).await;
        let sheet = Arc::new(Sheet::new(row, Arc::clone(&self.clock), Arc::clone(&self.outbox)));
        let span = span_of(&sheet, || {
            tracing::info_span!("task", task = record.task, task.id = row.map(|(id, _)| id.0))
        });
        let scope = Scope { sheet: Some(Arc::clone(&sheet)), run: record.run };
        let guard = Unfinished {
            recorder: self,
            sheet: &sheet,
            details: record.details.clone(),
            since: self.clock.monotonic(),
            armed: true,
        };
        let result = scope.enter(body).instrument(span).await;
        let duration = guard.disarm();
        let info = record.details.take().unwrap_or_default();
        let (status, details) = match &result {
            Ok(value) => (
                TaskStatus::Success,
                task.on_success.map_or_else(|| info.clone(), |make| make(info.clone(), value)),
            ),
            Err(error) => {
                let shape = failure(std::any::type_name::<E>(), error, info);
                (
                    TaskStatus::Failed,
                    match task.on_failure {
                        Some(make) => bounded(make(shape, error)),
                        None => shape,
                    },
                )
            }
        };
        let details = match status {
            TaskStatus::Success => bounded(details),
            _ => details,
        };
        let details = (!details.is_null()).then_some(details);
        self.close(record, &sheet, status, details, duration).await;
        result
    }

    /// Stores the row that says that the work has started; `None` where that cannot be done.
    async fn open(&self, record: &TaskRecord) -> Option<(FireId, Term)> {
        // Nobody would ever close the row of a node that has not registered.
        let term = record.term?;
        match self.store.record(std::slice::from_ref(record)).await {
            Ok(ids) => ids.first().map(|id| (*id, term)),
            Err(error) => {
                warn!(%error, task = record.task, "the start of task {} could not be recorded: {error}", record.task);
                None
            }
        }
    }

    async fn close(
        &self,
        record: TaskRecord,
        sheet: &Sheet,
        status: TaskStatus,
        details: Option<Value>,
        duration_ms: u64,
    ) {
        let (ended_at, logs, progress) = (self.clock.now(), sheet.take_logs(), sheet.last_progress());
        let Some((id, term)) = sheet.row else {
            let (ended_at, duration_ms, logs) = (Some(ended_at), Some(duration_ms), Some(logs));
            let whole = TaskRecord { status, ended_at, duration_ms, details, logs, progress, ..record };
            if let Err(error) = self.store.record(std::slice::from_ref(&whole)).await {
                warn!(%error, task = whole.task, "task {} could not be recorded: {error}", whole.task);
            }
            return;
        };
        let end = TaskEnd { id, term, status, ended_at, duration_ms, details, logs, progress };
        if let Err(error) = self.store.end_tasks(std::slice::from_ref(&end)).await {
            warn!(%error, task = record.task, "the end of task {} is stored later: {error}", record.task);
            self.outbox.end(end);
        }
    }
}

fn millis(since: Duration, now: Duration) -> u64 {
    u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX)
}

/// The failure shape of the task history.
fn failure(class: &str, error: &impl Display, info: Value) -> Value {
    let message = error.to_string();
    // What people print in full differs from the message where an error tells its causes.
    let full = format!("{error:#}");
    let causes = if full == message { Vec::new() } else { vec![full] };
    json!({
        "status": "failed",
        "exception": shorten(class.to_owned(), 250),
        "message": shorten(message, MAX_FAILURE_MESSAGE),
        "stacktrace": lines(causes, 1, 500),
        "ex-data": null,
        "original-info": info,
    })
}

/// Closes the row of a body that did not come to its end.
struct Unfinished<'a> {
    recorder: &'a Recorder,
    sheet: &'a Sheet,
    details: Option<Value>,
    since: Duration,
    armed: bool,
}

impl Unfinished<'_> {
    /// The body came to its end; how long it took, in milliseconds.
    fn disarm(mut self) -> u64 {
        self.armed = false;
        millis(self.since, self.recorder.clock.monotonic())
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some((id, term)) = self.sheet.row.filter(|_| self.armed) else { return };
        let (class, message) = match std::thread::panicking() {
            true => ("panic", "the work panicked"),
            false => ("cancelled", "the work was dropped before its end"),
        };
        let ended_at: Timestamp = self.recorder.clock.now();
        self.recorder.outbox.end(TaskEnd {
            id,
            term,
            status: TaskStatus::Failed,
            ended_at,
            duration_ms: millis(self.since, self.recorder.clock.monotonic()),
            details: Some(failure(class, &message, self.details.take().unwrap_or_default())),
            logs: self.sheet.take_logs(),
            progress: self.sheet.last_progress(),
        });
    }
}
