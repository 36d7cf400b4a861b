//! Runs and events that an application asked for inside a transaction of its own: kept as rows until that is committed,
//! and carried out right after it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pending::MANUAL_GROUP;
use crate::time::millis_between;
use crate::{Cause, Change, Data, FireId, JobKey, TriggerKey, limits};

/// What was asked for, and the data that go with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What.
    pub wanted: Wanted,
    /// The arguments of the run, or the payload of the event.
    pub data: Data,
}

/// What a [`Request`] is for; stored as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wanted {
    /// A run of a job ([`Change::TriggerNow`], [`Change::RunFor`]).
    Run {
        /// The number that names the pending run: known before the run is stored.
        id: FireId,
        /// The job.
        job: JobKey,
        /// The trigger whose instant it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trigger: Option<TriggerKey>,
        /// The instant; without one it is the moment at which the request is carried out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scheduled_at: Option<Timestamp>,
    },
    /// An event ([`Change::Emit`]).
    Event {
        /// Its name.
        name: String,
    },
}

impl Request {
    /// Whether a change can be kept as a request.
    pub fn can_be(change: &Change) -> bool {
        matches!(change, Change::TriggerNow { .. } | Change::RunFor { .. } | Change::Emit { .. })
    }
}

/// The row of the history that a refused request gets.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedRow {
    /// What should have run: the job's name, or the event's.
    pub task: String,
    /// The job.
    pub job: Option<JobKey>,
    /// The trigger, as the run would have named it.
    pub trigger: Option<TriggerKey>,
    /// The instant.
    pub scheduled_at: Timestamp,
    /// Why it should have run.
    pub cause: Cause,
    /// Why it did not, in the failure shape of the history.
    pub details: Value,
}

impl Wanted {
    /// The row that says why this was not carried out at `now`.
    pub fn refused(&self, now: Timestamp, error: &str) -> RefusedRow {
        let details = json!({
            "status": "failed",
            "exception": "RequestRefused",
            "message": limits::shorten(format!("{self} was asked for: {error}"), limits::MAX_FAILURE_MESSAGE),
            "stacktrace": [],
            "ex-data": null,
            "retryable": false,
            "original-info": {},
        });
        match self {
            Self::Run { id, job, trigger, scheduled_at } => RefusedRow {
                task: job.name().to_owned(),
                job: Some(job.clone()),
                trigger: trigger.clone().or_else(|| Some(TriggerKey::stored(MANUAL_GROUP, id.to_string()))),
                scheduled_at: scheduled_at.unwrap_or(now),
                cause: Cause::Manual,
                details,
            },
            Self::Event { name } => RefusedRow {
                task: name.clone(),
                job: None,
                trigger: None,
                scheduled_at: now,
                cause: Cause::Event,
                details,
            },
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run { job, .. } => write!(f, "a run of job {job}"),
            Self::Event { name } => write!(f, "event {name:?}"),
        }
    }
}

/// How long a request may wait before people are told: any node carries it out within a heartbeat.
const LATE_MS: i64 = 60_000;

/// Whether a request that was asked for at `since` has waited for more than a minute.
pub fn is_late_request(since: Timestamp, now: Timestamp) -> bool {
    millis_between(since, now) > LATE_MS
}

/// Which requests to carry out, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarryOut {
    /// The node that does it, for the rows of those that are refused.
    pub node: String,
    /// Those with a greater number.
    pub after: Option<i64>,
    /// How many at most.
    pub limit: usize,
}

/// What became of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CarriedOut {
    /// How many were carried out.
    pub done: u64,
    /// Those that could not be, and never will be: each has a failed row in the history.
    pub refused: Vec<RefusedRequest>,
    /// Why a request stays where it is for now, if one does: it cannot be carried out, and is not to blame for that.
    pub stuck: Option<String>,
    /// Where to go on ([`CarryOut::after`]); `None` when no others wait, or another node is at them.
    pub next: Option<i64>,
}

/// A request that could not be carried out: the job was deleted meanwhile, say.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedRequest {
    /// What was asked for.
    pub wanted: Wanted,
    /// Why it was refused.
    pub error: String,
    /// The failed row in the history.
    pub row: FireId,
}
