//! What an application implements: a job, and how it fails.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use punctual_core::limits::{self, bounded};
use punctual_core::{Clock, Fire, FireId, JobKey, LogEntry, LogLevel, Progress, Term, TriggerKey};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::recording::{Recorder, Recording};
use crate::sheet::{Sheet, TaskHandle};

/// How a run ends.
pub type JobResult = Result<(), JobError>;

/// Code that a node can run.
///
/// The stored definition of a job names its code by [`Job::KIND`] and holds arguments of the type
/// [`Job::Data`] as JSON. A node claims only kinds that it has registered.
pub trait Job: Send + Sync + 'static {
    /// The name under which stored jobs refer to this code. Renaming it orphans them.
    const KIND: &'static str;

    /// The arguments; `()` or `serde_json::Value` where there are none or any.
    type Data: DeserializeOwned + Send + 'static;

    /// What is wrong with arguments whose type is right. It is asked before a definition with them is stored, so that none is
    /// that can only fail, where the node that stores it knows the kind; a run looks at what it gets itself.
    ///
    /// # Errors
    /// Names the member and what would be right.
    fn check(_data: &Self::Data) -> Result<(), DataProblem> {
        Ok(())
    }

    /// Runs once. Dropping the future is the last resort of a time-out or a shutdown: see
    /// [`JobContext::cancelled`].
    fn run(&self, ctx: JobContext<Self::Data>) -> impl Future<Output = JobResult> + Send;
}

/// Why arguments do not fit a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataProblem {
    /// Something is missing, which a trigger's or a run's own arguments may still bring.
    #[error("{0}")]
    Missing(String),
    /// Something is wrong, whatever comes beside it.
    #[error("{0}")]
    Wrong(String),
}

/// What a run knows about itself.
pub struct JobContext<D> {
    data: D,
    run: Arc<Run>,
}

/// The part of a context that does not depend on the type of the arguments.
pub(crate) struct Run {
    pub(crate) fire: Arc<Fire>,
    pub(crate) cancel: CancellationToken,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) term: Term,
    pub(crate) recorder: Recorder,
    pub(crate) sheet: Arc<Sheet>,
    pub(crate) reported: Mutex<Reported>,
}

/// What a run has reported so far.
#[derive(Default)]
pub(crate) struct Reported {
    details: Map<String, Value>,
    outputs: Map<String, Value>,
}

/// All that a run reported, within the limits of the task history.
pub(crate) struct Report {
    pub(crate) details: Map<String, Value>,
    pub(crate) logs: Vec<LogEntry>,
    pub(crate) progress: Option<Progress>,
}

impl Run {
    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_report(&self) -> Report {
        let reported = std::mem::take(&mut *self.reported());
        let mut details = match bounded(Value::Object(reported.details)) {
            Value::Object(details) => details,
            _ => Map::new(),
        };
        details.extend(reported.outputs);
        Report { details, logs: self.sheet.take_logs(), progress: self.sheet.last_progress() }
    }
}

impl<D> JobContext<D> {
    pub(crate) fn new(data: D, run: Arc<Run>) -> Self {
        Self { data, run }
    }

    /// The job's arguments with the trigger's laid over them.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// The same, by value, with a context that has none.
    pub fn take_data(self) -> (D, JobContext<()>) {
        (self.data, JobContext { data: (), run: self.run })
    }

    /// The job's key.
    pub fn job(&self) -> &JobKey {
        &self.run.fire.job.key
    }

    /// The key of the trigger whose instant this is.
    pub fn trigger(&self) -> &TriggerKey {
        &self.run.fire.trigger
    }

    /// The number of this run, also of its row in the task history.
    pub fn fire_id(&self) -> FireId {
        self.run.fire.id
    }

    /// The attempt, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.run.fire.attempt
    }

    /// The instant for which this run stands, UTC. It may be long ago; see [`Self::now`].
    pub fn scheduled_at(&self) -> Timestamp {
        self.run.fire.scheduled_at
    }

    /// Everything about the fire.
    pub fn fire(&self) -> &Fire {
        &self.run.fire
    }

    /// The present instant by the scheduler's clock.
    pub fn now(&self) -> Timestamp {
        self.run.clock.now()
    }

    /// The scheduler's clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.run.clock
    }

    /// Cancelled when the job should stop: its time-out has passed, somebody cancelled it, or its node shuts
    /// down. A job that does not stop within the grace time is dropped at its next await.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.run.cancel
    }

    /// Adds a member to the details in the task history. Texts are cut to 250 characters and lists to 50 items there. Does
    /// nothing when `value` cannot be serialised.
    pub fn detail(&self, name: impl Into<String>, value: impl serde::Serialize) {
        if let Ok(value) = serde_json::to_value(value) {
            self.run.reported().details.insert(name.into(), value);
        }
    }

    /// Adds a long text to the details, such as what a program printed: up to 1 MiB (1,048,576 bytes), of longer ones
    /// the end.
    pub fn output(&self, name: impl Into<String>, text: impl Into<String>) {
        self.run.reported().outputs.insert(name.into(), Value::String(limits::tail(text.into())));
    }

    /// Keeps a message with the run in the task history, the newest 100. Only there: the macros of `tracing` log as
    /// always, and where [`crate::capture_layer`] is installed what they log is kept here too.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.run.sheet.log(level, self.run.fire.job.kind.as_str(), message.into(), Vec::new());
    }

    /// Says how far the run has come, in a unit of its own; `total` is `None` while nobody knows. It is seen while the run
    /// goes on, about a second later, and the last one is kept.
    pub fn progress(&self, done: u64, total: Option<u64>, message: Option<&str>) {
        self.run.sheet.progress(done, total, message.map(str::to_owned));
    }

    /// Runs a part of this run and records it as a child in the task history: see
    /// [`Scheduler::record`](crate::Scheduler::record). Where the job keeps no history, it is only run.
    pub async fn task<T, E: fmt::Display>(
        &self,
        task: impl Into<Recording<T, E>>,
        details: impl serde::Serialize,
        body: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if !self.run.fire.job.history.is_kept() {
            return body.await;
        }
        let details = serde_json::to_value(details).unwrap_or_default();
        let task = task.into().child_of(self.run.fire.id);
        self.run.recorder.record(Some(self.run.term), task, details, body).await
    }

    /// This run as a handle that can be sent elsewhere.
    pub fn handle(&self) -> TaskHandle {
        TaskHandle(Arc::clone(&self.run.sheet))
    }
}

impl<D: fmt::Debug> fmt::Debug for JobContext<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext").field("data", &self.data).field("fire", &self.run.fire).finish()
    }
}

/// Why a run failed, and whether trying again could help.
///
/// Any error converts into a retryable one with `?`; [`JobError::fatal`] marks those for which another attempt
/// is useless.
pub struct JobError {
    message: String,
    kind: String,
    chain: Vec<String>,
    data: Option<Value>,
    retryable: bool,
}

impl JobError {
    /// A failure that the job's retry policy may repeat.
    pub fn retry(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::from_boxed(error.into(), "error".to_owned(), true)
    }

    /// A failure that no attempt would mend.
    pub fn fatal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::from_boxed(error.into(), "error".to_owned(), false)
    }

    pub(crate) fn of_kind(kind: &str, message: String, retryable: bool) -> Self {
        Self { message, kind: kind.to_owned(), chain: Vec::new(), data: None, retryable }
    }

    fn from_boxed(error: Box<dyn std::error::Error + Send + Sync>, kind: String, retryable: bool) -> Self {
        let mut chain = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source.filter(|_| chain.len() < limits::MAX_LIST) {
            chain.push(cause.to_string());
            source = cause.source();
        }
        Self { message: error.to_string(), kind, chain, data: None, retryable }
    }

    /// Attaches data for the task history.
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Names the kind of failure, `error` unless set.
    pub fn with_kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Whether the retry policy applies.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The failure shape of the task history. `reported` is within its limits already.
    pub(crate) fn details(self, reported: Map<String, Value>) -> Value {
        json!({
            "status": "failed",
            "exception": limits::shorten(self.kind, limits::MAX_TEXT),
            "message": limits::shorten(self.message, limits::MAX_FAILURE_MESSAGE),
            "stacktrace": limits::lines(self.chain, limits::MAX_LIST, 500),
            "ex-data": self.data.map(limits::bounded),
            "retryable": self.retryable,
            "original-info": reported,
        })
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        let kind = std::any::type_name::<E>().to_owned();
        Self::from_boxed(Box::new(error), kind, true)
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.chain {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", if self.retryable { "Retryable" } else { "Fatal" })
    }
}
