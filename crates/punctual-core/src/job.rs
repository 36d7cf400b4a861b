//! Job definitions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bounded, Concurrency, Data, JobHistory, JobKey, KeepRows, RetryPolicy};

/// The name under which nodes register the code of a job.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKind(Arc<str>);

impl JobKind {
    /// A kind of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JobKind {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobKind({})", self.0)
    }
}

/// What a due trigger does while its job does not allow another run beside the running one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// Wait until the job is free (Quartz's BLOCKED); lateness then follows the misfire policy.
    #[default]
    Queue,
    /// Give up the instants that fall due meanwhile; each is recorded as skipped with reason `overlap`.
    Skip,
    /// Ask the running one to stop (of several the oldest), and run when it has ended.
    Cancel,
}

impl Overlap {
    /// The number in stores.
    pub fn code(self) -> i64 {
        match self {
            Self::Queue => 0,
            Self::Skip => 1,
            Self::Cancel => 2,
        }
    }

    /// The policy of a number in stores; unknown numbers read as [`Self::Queue`].
    pub fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Skip,
            2 => Self::Cancel,
            _ => Self::Queue,
        }
    }
}

/// What becomes of due instants while no live node can run the job's kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnknownKind {
    /// They wait; when a node can run them, lateness follows the misfire policy.
    #[default]
    Wait,
    /// They are given up once the trigger's misfire threshold has passed, and recorded as skipped with reason `expired`.
    Skip,
}

/// The stored definition of a job: which code runs, with which arguments, under which rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// Unique key.
    pub key: JobKey,
    /// The registered code that runs.
    pub kind: JobKind,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Arguments; a trigger's own data is laid over them.
    #[serde(default)]
    pub data: Data,
    /// Whether the job stays when its last trigger is gone.
    #[serde(default)]
    pub durable: bool,
    /// Whether a run that was cut off by the death of its node runs again.
    #[serde(default)]
    pub requests_recovery: bool,
    /// Whether several runs of this job may overlap, in the whole cluster.
    #[serde(default = "yes")]
    pub concurrent: bool,
    /// A limit above one run at a time, or one that is shared by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// What a due trigger does while the limit does not allow another run.
    #[serde(default)]
    pub overlap: Overlap,
    /// What follows a failed run.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// After how many milliseconds a run is cancelled and counts as failed; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Which runs stay in the task history after they end, and for how long.
    #[serde(default)]
    pub history: JobHistory,
    /// What becomes of due instants while no live node can run the kind; unless set, what the node that notices is set to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_kind: Option<UnknownKind>,
    /// The triggers declared with it that end by themselves. Stores keep it; [`crate::definition::apply`] alone sets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounded: Vec<Bounded>,
}

fn yes() -> bool {
    true
}

impl JobDetail {
    /// A job that may overlap itself, is not durable, is not retried and has no time-out.
    pub fn new(key: impl Into<JobKey>, kind: impl Into<JobKind>) -> Self {
        Self {
            key: key.into(),
            kind: kind.into(),
            description: None,
            data: Data::empty(),
            durable: false,
            requests_recovery: false,
            concurrent: true,
            concurrency: None,
            overlap: Overlap::Queue,
            retry: RetryPolicy::None,
            timeout_ms: None,
            history: JobHistory::default(),
            unknown_kind: None,
            bounded: Vec::new(),
        }
    }

    /// The definition as somebody gave it, without what is remembered beside it.
    pub fn as_given(&self) -> Self {
        Self { bounded: Vec::new(), ..self.clone() }
    }

    /// Sets the description.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Sets the arguments.
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// Keeps the job when its last trigger is gone.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Runs again what the death of a node cut off.
    pub fn requests_recovery(mut self) -> Self {
        self.requests_recovery = true;
        self
    }

    /// Lets one run at a time exist in the whole cluster.
    pub fn non_concurrent(mut self) -> Self {
        self.concurrent = false;
        self
    }

    /// Limits how many runs may be under way at a time, of this job or of all that share a key.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// Sets what a due trigger does while the job is busy; implies [`Self::non_concurrent`] unless a limit is set.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        if self.concurrency.is_some() { self } else { self.non_concurrent() }
    }

    /// Sets what becomes of due instants while no live node can run the kind.
    pub fn unknown_kind(mut self, policy: UnknownKind) -> Self {
        self.unknown_kind = Some(policy);
        self
    }

    /// What contradicts itself in the definition.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> Result<(), String> {
        self.retry.check().map_err(|problem| format!("retry policy: {problem}"))?;
        if self.timeout_ms == Some(0) {
            return Err("timeout_ms is 0: give at least 1, or none for no limit".to_owned());
        }
        self.concurrency.as_ref().map_or(Ok(()), |concurrency| concurrency.check(self.concurrent))
    }

    /// Whether some limit holds runs of this job back.
    pub fn is_limited(&self) -> bool {
        !self.concurrent || self.concurrency.is_some()
    }

    /// Sets what follows a failed run.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Cancels a run after this time (rounded up to whole milliseconds).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        self
    }

    /// Keeps no history row once a run has ended.
    pub fn without_history(mut self) -> Self {
        self.history.keep = KeepRows::None;
        self
    }

    /// Sets which runs stay in the task history, and for how long.
    pub fn history(mut self, history: JobHistory) -> Self {
        self.history = history;
        self
    }
}

/// A job as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredJob {
    /// The store's own number of the job.
    pub id: i64,
    /// The definition; shared, because every fire carries it.
    pub detail: Arc<JobDetail>,
    /// Grows with each change of the definition.
    pub version: i64,
    /// When the job was first stored.
    pub created_at: Timestamp,
    /// When the definition last changed.
    pub updated_at: Timestamp,
}
