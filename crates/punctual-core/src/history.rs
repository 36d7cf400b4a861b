//! The task history: one row for each run, open while it runs.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cause, FireId, JobKey, LogEntry, Progress, Skip, TaskRunId, Term, TriggerKey};

/// How far a recorded piece of work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// It runs, and its node is live.
    Started,
    /// It ended normally.
    Success,
    /// It ended with an error, a time-out or a cancellation.
    Failed,
    /// Its node was lost: nobody knows how far it came.
    Unknown,
}

impl TaskStatus {
    /// All statuses, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Started, Self::Success, Self::Failed, Self::Unknown];

    /// The number in stores.
    pub fn code(self) -> i64 {
        match self {
            Self::Started => 0,
            Self::Success => 1,
            Self::Failed => 2,
            Self::Unknown => 3,
        }
    }

    /// The status of a number in stores.
    pub fn from_code(code: i64) -> Self {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code).copied()).unwrap_or(Self::Unknown)
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no status: use started, success, failed or unknown"))
    }
}

/// A row of the task history.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskHistory {
    /// The row's number; for a run of a job also its fire id.
    pub id: FireId,
    /// What ran: the name of the job, or of a piece of work that a program recorded.
    pub task: String,
    /// How far it has come.
    pub status: TaskStatus,
    /// When it started, UTC.
    pub started_at: Timestamp,
    /// When it ended, UTC; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How long it ran by the monotonic clock, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What the run reported, or the failure shape.
    pub details: Option<Value>,
    /// The registered data source that it worked on.
    pub db_id: Option<i64>,
    /// The job; `None` for work recorded outside of jobs.
    pub job: Option<JobKey>,
    /// The trigger whose instant it was.
    pub trigger: Option<TriggerKey>,
    /// The instant for which it ran.
    pub scheduled_at: Option<Timestamp>,
    /// The name of the node that ran it.
    pub node: String,
    /// The term under which that node ran it; `None` for work recorded outside of jobs.
    pub term: Option<Term>,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The first attempt of the same fire.
    pub origin: FireId,
    /// Why it ran.
    pub cause: Cause,
    /// The row whose work this is a part of.
    pub parent: Option<FireId>,
    /// The task run that it belongs to.
    pub run: Option<TaskRunId>,
    /// What it logged; `None` while it runs, where its node was lost, and in rows of older versions.
    pub logs: Option<Vec<LogEntry>>,
    /// How far it said it had come, last.
    pub progress: Option<Progress>,
}

impl TaskHistory {
    /// How late it started, in milliseconds; `None` for work without a scheduled instant.
    pub fn lateness_ms(&self) -> Option<i64> {
        self.scheduled_at.map(|at| crate::time::millis_between(at, self.started_at))
    }

    /// As a brief query has it ([`crate::HistoryQuery::brief`]).
    #[must_use]
    pub fn brief(&self) -> Self {
        Self { details: None, logs: None, progress: None, ..self.clone() }
    }
}

/// A stored [`Skip`].
#[derive(Clone, Debug, PartialEq)]
pub struct SkippedRange {
    /// The row's number.
    pub id: i64,
    /// The trigger whose instants these were.
    pub trigger: TriggerKey,
    /// Its job.
    pub job: JobKey,
    /// The instants and the reason.
    pub skip: Skip,
    /// When it was decided, UTC.
    pub recorded_at: Timestamp,
    /// The fire that stands for coalesced instants.
    pub fire: Option<FireId>,
}

/// What a clean-up of the history keeps. Open rows are never deleted, nor counted.
///
/// With a row go its logs and the rows of its ended children ([`TaskHistory::parent`]), and a task run that has ended
/// goes with the last of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// Look at the runs of this job alone.
    pub job: Option<JobKey>,
    /// Keep this many of the newest rows.
    pub max_rows: Option<u64>,
    /// Delete rows that ended before this instant.
    pub ended_before: Option<Timestamp>,
    /// Delete at most this many rows in one call, so that no transaction is long.
    pub chunk: u64,
}
