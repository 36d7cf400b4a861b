//! What one piece of work says about itself while it goes on, and which piece of work the present code belongs to.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use punctual_core::limits::{MAX_TEXT, shorten};
use punctual_core::{Clock, FireId, LogEntry, LogLevel, LogRing, Progress, TaskRunId, Term};

use crate::recorder::Outbox;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages and the progress of one run or recorded task.
pub(crate) struct Sheet {
    /// Its open row; `None` where that could not be stored.
    pub(crate) row: Option<(FireId, Term)>,
    clock: Arc<dyn Clock>,
    outbox: Arc<Outbox>,
    logs: Mutex<LogRing>,
    progress: Mutex<Option<Progress>>,
}

impl Sheet {
    pub(crate) fn new(row: Option<(FireId, Term)>, clock: Arc<dyn Clock>, outbox: Arc<Outbox>) -> Self {
        Self { row, clock, outbox, logs: Mutex::default(), progress: Mutex::default() }
    }

    pub(crate) fn log(&self, level: LogLevel, target: &str, message: String, error: Vec<String>) {
        lock(&self.logs).push(level, self.clock.now(), target, message, error);
    }

    pub(crate) fn progress(&self, done: u64, total: Option<u64>, message: Option<String>) {
        let message = message.map(|message| shorten(message, MAX_TEXT));
        let progress = Progress { done, total, message, at: self.clock.now() };
        if let Some((id, term)) = self.row {
            self.outbox.progress(term, id, progress.clone());
        }
        *lock(&self.progress) = Some(progress);
    }

    pub(crate) fn take_logs(&self) -> Vec<LogEntry> {
        lock(&self.logs).take()
    }

    /// The last progress; what is still on its way to the store is called back, since the end brings it.
    pub(crate) fn last_progress(&self) -> Option<Progress> {
        let progress = lock(&self.progress).clone();
        if let (Some((id, _)), true) = (self.row, progress.is_some()) {
            self.outbox.forget(id);
        }
        progress
    }
}

/// Which piece of work the present code belongs to.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    pub(crate) sheet: Option<Arc<Sheet>>,
    pub(crate) run: Option<TaskRunId>,
}

tokio::task_local! {
    static SCOPE: Scope;
}

impl Scope {
    /// Of the code that calls this; empty outside of all work, and in tasks that were spawned by some.
    pub(crate) fn current() -> Self {
        SCOPE.try_with(Clone::clone).unwrap_or_default()
    }

    pub(crate) async fn enter<F: Future>(self, body: F) -> F::Output {
        SCOPE.scope(self, body).await
    }

    pub(crate) fn parent(&self) -> Option<FireId> {
        self.sheet.as_ref().and_then(|sheet| sheet.row).map(|(id, _)| id)
    }
}

/// The piece of work that the calling code belongs to: see [`current_task`]. It can be sent to other tasks and threads.
#[derive(Clone)]
pub struct TaskHandle(pub(crate) Arc<Sheet>);

/// The run of a job, or the recorded task, that the calling code is a part of; `None` outside of all, and in tasks that were
/// spawned by some (hand them a [`TaskHandle`]).
pub fn current_task() -> Option<TaskHandle> {
    Scope::current().sheet.map(TaskHandle)
}

impl TaskHandle {
    /// The number of its row in the task history; `None` where that could not be stored when it began.
    pub fn id(&self) -> Option<FireId> {
        self.0.row.map(|(id, _)| id)
    }

    /// Says how far it has come; `total` is `None` while nobody knows. People see it about a second later.
    pub fn progress(&self, done: u64, total: Option<u64>, message: Option<&str>) {
        self.0.progress(done, total, message.map(str::to_owned));
    }

    /// Keeps a message with its row, and tells nobody else: `tracing` macros do both where [`crate::capture_layer`] is
    /// installed.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.0.log(level, "", message.into(), Vec::new());
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskHandle").field(&self.id()).finish()
    }
}
