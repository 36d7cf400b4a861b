//! A job.

use punctual_core::{Fingerprint, StoredJob};
use punctual_engine::JobInfo;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Instant;
use super::trigger::Trigger;

/// A stored job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Job {
    /// `GROUP.NAME`.
    key: String,
    group: String,
    name: String,
    /// The registered code that runs.
    kind: String,
    description: Option<String>,
    /// Arguments; a trigger's own are laid over them.
    #[schema(value_type = Object)]
    data: Value,
    /// Whether it stays when its last trigger is gone.
    durable: bool,
    /// Whether a run that was cut off by the loss of its node runs again.
    requests_recovery: bool,
    /// Whether its runs may overlap.
    concurrent: bool,
    /// A limit above one run at a time, or one that is shared by key.
    #[schema(value_type = Option<Object>)]
    concurrency: Option<Value>,
    /// What a due trigger does while the limit allows no further run: `queue`, `skip` or `cancel`.
    #[schema(value_type = String)]
    overlap: Value,
    /// What follows a failed run.
    #[schema(value_type = Object)]
    retry: Value,
    /// After how long a run is cancelled.
    timeout_ms: Option<u64>,
    /// Which runs stay in the history after they end: `true` (all), `false` (none), `"failures"`, or an object of `keep`
    /// (`all`, `failures`, `none`), `rows` (at most so many) and `days` (at most so long).
    history: Value,
    /// What becomes of due instants that no live node can run: `wait` or `skip`; `null`: as the nodes are set.
    #[schema(value_type = Option<String>)]
    unknown_kind: Option<Value>,
    created_at: Instant,
    updated_at: Instant,
}

impl From<StoredJob> for Job {
    fn from(stored: StoredJob) -> Self {
        let detail = &stored.detail;
        Self {
            key: detail.key.to_string(),
            group: detail.key.group().to_owned(),
            name: detail.key.name().to_owned(),
            kind: detail.kind.to_string(),
            description: detail.description.clone(),
            data: super::json(&detail.data),
            durable: detail.durable,
            requests_recovery: detail.requests_recovery,
            concurrent: detail.concurrent,
            concurrency: detail.concurrency.as_ref().map(super::json),
            overlap: super::json(&detail.overlap),
            retry: super::json(&detail.retry),
            timeout_ms: detail.timeout_ms,
            history: super::json(&detail.history),
            unknown_kind: detail.unknown_kind.as_ref().map(super::json),
            created_at: stored.created_at.into(),
            updated_at: stored.updated_at.into(),
        }
    }
}

/// A job with its triggers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobWithTriggers {
    #[serde(flatten)]
    job: Job,
    /// Changes with the job or one of its triggers; see `If-Match`.
    pub(crate) version: String,
    /// Ascending by key; pending runs are not among them.
    triggers: Vec<Trigger>,
}

/// A job that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoredJobWithTriggers {
    #[serde(flatten)]
    pub(crate) job: JobWithTriggers,
    /// What may not be meant, in words: no live node can run the kind, or the job belongs to the configuration file. Empty where nothing is to be said.
    #[schema(required = true, value_type = Vec<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warnings: Option<Vec<String>>,
}

impl From<JobInfo> for JobWithTriggers {
    fn from(info: JobInfo) -> Self {
        let triggers = info.triggers.into_iter().filter(|info| info.trigger.pending.is_none());
        let triggers: Vec<_> = triggers.collect();
        let definitions = triggers.iter().map(|info| &info.trigger.definition);
        Self {
            version: Fingerprint::of_job(&info.job.detail, definitions).to_string(),
            job: info.job.into(),
            triggers: triggers.into_iter().map(Trigger::from).collect(),
        }
    }
}
