//! Task runs: rows of the history that belong together, such as everything that one synchronisation did.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Paging, Term};

/// Numbers a task run. Positive and below 2^53, so that JSON readers keep it exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskRunId(pub i64);

impl fmt::Display for TaskRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a task run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskRunStatus {
    /// It goes on, and its node is live.
    Started,
    /// All its tasks ended normally, and there was at least one.
    Success,
    /// Some task failed, or had not ended, or there was none.
    Failed,
    /// Its node was lost while it went on.
    Abandoned,
}

impl TaskRunStatus {
    /// All statuses, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Started, Self::Success, Self::Failed, Self::Abandoned];

    /// The number in stores.
    pub fn code(self) -> i64 {
        match self {
            Self::Started => 0,
            Self::Success => 1,
            Self::Failed => 2,
            Self::Abandoned => 3,
        }
    }

    /// The status of a number in stores.
    pub fn from_code(code: i64) -> Self {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code).copied()).unwrap_or(Self::Abandoned)
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    /// How a run ends whose tasks stand like this: `success` only when each of at least one task succeeded.
    pub fn of_tasks(tasks: TaskCounts) -> Self {
        if tasks.all > 0 && tasks.success == tasks.all { Self::Success } else { Self::Failed }
    }
}

impl fmt::Display for TaskRunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskRunStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            format!("{text:?} is no status of a run: use started, success, failed or abandoned")
        })
    }
}

/// How the tasks of a run stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// All of them.
    pub all: u64,
    /// Those that ended normally.
    pub success: u64,
    /// Those that failed.
    pub failed: u64,
}

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRunEntity {
    /// The kind of thing, such as `database`.
    pub entity_type: String,
    /// Which one.
    pub entity_id: i64,
    /// Its name at the time, for people.
    pub name: Option<String>,
}

/// A run that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTaskRun {
    /// The kind of run, such as `sync`.
    pub run_type: String,
    /// What it is for.
    pub entity: TaskRunEntity,
    /// When it started, UTC.
    pub started_at: Timestamp,
    /// The node that runs it.
    pub node: String,
    /// The term of that node. A run goes `abandoned` when its term has ended while it was open; one without a term
    /// never does.
    pub term: Option<Term>,
}

/// A run as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRun {
    /// Its number.
    pub id: TaskRunId,
    /// The kind of run, such as `sync`.
    pub run_type: String,
    /// What it is for.
    pub entity: TaskRunEntity,
    /// When it started, UTC.
    pub started_at: Timestamp,
    /// When it ended, UTC; `None` while it goes on.
    pub ended_at: Option<Timestamp>,
    /// How far it has come.
    pub status: TaskRunStatus,
    /// The node that runs it.
    pub node: String,
    /// The term of that node.
    pub term: Option<Term>,
    /// Its tasks that are still in the history.
    pub tasks: TaskCounts,
}

/// The column by which runs are ordered; ties go by id in the same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskRunSort {
    /// When they started.
    #[default]
    StartedAt,
    /// When they ended; open runs count as the latest.
    EndedAt,
    /// The kind of run.
    RunType,
    /// The word of the status.
    Status,
    /// The entity's name; runs without one come first when ascending.
    EntityName,
    /// How many tasks they have.
    TaskCount,
}

/// Which runs.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRunQuery {
    /// Only these.
    pub ids: Option<Vec<TaskRunId>>,
    /// Only of this kind.
    pub run_type: Option<String>,
    /// Only for this kind of thing.
    pub entity_type: Option<String>,
    /// Only for the thing of this number.
    pub entity_id: Option<i64>,
    /// Only with this status.
    pub status: Option<TaskRunStatus>,
    /// Only runs that started from here on.
    pub started_from: Option<Timestamp>,
    /// Only runs that started before this instant.
    pub started_before: Option<Timestamp>,
    /// Only runs of the node of this name.
    pub node: Option<String>,
    /// The order.
    pub sort: TaskRunSort,
    /// The other way round.
    pub descending: bool,
    /// Which part.
    pub paging: Paging,
}

impl Default for TaskRunQuery {
    fn default() -> Self {
        Self {
            ids: None,
            run_type: None,
            entity_type: None,
            entity_id: None,
            status: None,
            started_from: None,
            started_before: None,
            node: None,
            sort: TaskRunSort::StartedAt,
            descending: true,
            paging: Paging::ALL,
        }
    }
}
