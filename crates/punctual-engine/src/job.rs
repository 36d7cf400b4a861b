//! What an application implements: a job, and how it fails.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use punctual_core::{Clock, Fire, FireId, JobKey, TriggerKey};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

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

    /// Runs once. Dropping the future is the last resort of a time-out or a shutdown: see
    /// [`JobContext::cancelled`].
    fn run(&self, ctx: JobContext<Self::Data>) -> impl Future<Output = JobResult> + Send;
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
    pub(crate) details: Mutex<Map<String, Value>>,
}

impl Run {
    pub(crate) fn take_details(&self) -> Map<String, Value> {
        std::mem::take(&mut *self.details.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// Adds a member to the details in the task history. Does nothing when `value` cannot be serialised.
    pub fn detail(&self, name: impl Into<String>, value: impl serde::Serialize) {
        if let Ok(value) = serde_json::to_value(value) {
            self.run.details.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), value);
        }
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
        while let Some(cause) = source {
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

    /// The failure shape of the task history.
    pub(crate) fn details(self, reported: Map<String, Value>) -> Value {
        json!({
            "status": "failed",
            "exception": self.kind,
            "message": elide(self.message),
            "stacktrace": self.chain.into_iter().take(50).map(elide).collect::<Vec<_>>(),
            "ex-data": self.data,
            "retryable": self.retryable,
            "original-info": reported,
        })
    }
}

/// Longest message in the history, in characters.
const MAX_MESSAGE: usize = 4_000;

fn elide(text: String) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
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
