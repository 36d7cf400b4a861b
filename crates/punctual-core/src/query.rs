//! Questions to a store: filters, order and pages.

pub mod instants;

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::insights::Series;
use crate::ranking::{Part, Place};
use crate::time::to_millis;
use crate::{
    Cause, FireId, JobKey, JobKind, SkipReason, TaskHistory, TaskRunId, TaskStatus, TriggerKey, TriggerState,
};

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// At most this many rows; `None` for all.
    pub limit: Option<u64>,
    /// Leave out this many first.
    pub offset: u64,
}

impl Paging {
    /// Every row.
    pub const ALL: Self = Self { limit: None, offset: 0 };

    /// The first `limit` rows.
    pub fn first(limit: u64) -> Self {
        Self { limit: Some(limit), offset: 0 }
    }
}

/// A part of a list, and how long the whole list is.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows the filter matches in all.
    pub total: u64,
}

/// Which jobs, ordered by group and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobQuery {
    /// Only this group.
    pub group: Option<String>,
    /// Only this kind.
    pub kind: Option<JobKind>,
    /// Only those whose `GROUP.NAME` contains this text; the case of ASCII letters does not count.
    pub search: Option<String>,
    /// Only those that come after this one.
    pub after: Option<JobKey>,
    /// Which part.
    pub paging: Paging,
}

/// Which triggers, ordered by group and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TriggerQuery {
    /// Only of this job.
    pub job: Option<JobKey>,
    /// Only this group.
    pub group: Option<String>,
    /// Only in this stored state.
    pub state: Option<TriggerState>,
    /// Only this cause; `None` lists schedules and pending runs.
    pub cause: Option<Cause>,
    /// Only of jobs of this kind.
    pub kind: Option<JobKind>,
    /// Only those whose `GROUP.NAME` contains this text; the case of ASCII letters does not count.
    pub search: Option<String>,
    /// Only those that come after this one.
    pub after: Option<TriggerKey>,
    /// Which part.
    pub paging: Paging,
}

/// The column by which the history is ordered. Rows of one task or status go by their start, and all ties by id, in the
/// same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistorySort {
    /// When rows started.
    #[default]
    StartedAt,
    /// When rows ended; open rows count as the latest.
    EndedAt,
    /// How long rows took; open rows count as the longest.
    Duration,
    /// The name of the task, byte by byte.
    Task,
    /// The word of the status.
    Status,
}

impl HistorySort {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::StartedAt, Self::EndedAt, Self::Duration, Self::Task, Self::Status];
    /// Those that stores keep lists of ([`crate::ranking`]), in the order of their codes.
    pub const LISTED: [Self; 3] = [Self::StartedAt, Self::EndedAt, Self::Duration];

    /// The order of the lists that this one is made of.
    pub fn listed(self) -> Self {
        match self {
            Self::Task | Self::Status => Self::StartedAt,
            listed => listed,
        }
    }

    /// The number in stores.
    pub fn code(self) -> i16 {
        match self {
            Self::StartedAt => 0,
            Self::EndedAt => 1,
            Self::Duration => 2,
            Self::Task => 3,
            Self::Status => 4,
        }
    }

    /// By what a row stands in this order, given its start, end and duration in milliseconds: without an end it is the
    /// latest and the longest. Those by task and status go by the start, among the rows of a task or status.
    pub fn value(self, started_at: i64, ended_at: Option<i64>, duration_ms: Option<i64>) -> i64 {
        match self {
            Self::StartedAt | Self::Task | Self::Status => started_at,
            Self::EndedAt => ended_at.unwrap_or(i64::MAX),
            Self::Duration => duration_ms.unwrap_or(i64::MAX),
        }
    }

    /// Where a row stands in this order; in those by task and status, among the rows of its task or status.
    pub fn place(self, row: &TaskHistory) -> Place {
        let duration_ms = row.duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let value = self.value(to_millis(row.started_at), row.ended_at.map(to_millis), duration_ms);
        Place { value, id: row.id.0 }
    }

    /// Which of two rows comes first when the order is ascending.
    pub fn compare(self, one: &TaskHistory, other: &TaskHistory) -> Ordering {
        let piece = match self {
            Self::Task => one.task.cmp(&other.task),
            Self::Status => one.status.as_str().cmp(other.status.as_str()),
            Self::StartedAt | Self::EndedAt | Self::Duration => Ordering::Equal,
        };
        piece.then_with(|| self.place(one).cmp(&self.place(other)))
    }
}

/// Which rows of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryQuery {
    /// Only this task name.
    pub task: Option<String>,
    /// Only this status.
    pub status: Option<TaskStatus>,
    /// Only of this job.
    pub job: Option<JobKey>,
    /// Only of this trigger.
    pub trigger: Option<TriggerKey>,
    /// Only for instants from here on.
    pub scheduled_from: Option<Timestamp>,
    /// Only for instants up to here (inclusive).
    pub scheduled_to: Option<Timestamp>,
    /// Only rows that started from here on.
    pub started_from: Option<Timestamp>,
    /// Only rows that started before this instant.
    pub started_before: Option<Timestamp>,
    /// Only what ran on the node of this name.
    pub node: Option<String>,
    /// Only attempts of this fire.
    pub origin: Option<FireId>,
    /// Only children of this row.
    pub parent: Option<FireId>,
    /// Only rows of this task run.
    pub run: Option<TaskRunId>,
    /// Read the rows themselves and not the lists that a store keeps beside them, where damage to rows need not show.
    pub from_rows: bool,
    /// Leave out what is long to read: rows come without details, logs and progress, and the total is the number of the
    /// rows of the page.
    pub brief: bool,
    /// The order.
    pub sort: HistorySort,
    /// Latest or longest first.
    pub descending: bool,
    /// Only rows that come after this place in the order ([`HistorySort::place`] of the last row of the page before): so
    /// rows that are added or deleted meanwhile neither repeat nor hide others. The total counts all rows. Not in the
    /// orders by task and status.
    pub after: Option<Place>,
    /// Which part.
    pub paging: Paging,
}

impl HistoryQuery {
    /// What a store answers that is asked for rows after a place in the order by task or status.
    pub const NO_PLACE: &str =
        "rows in the order by task or status can be skipped by their number only: give an offset";

    /// Longer pages are read by sorting all rows that match, each read whole.
    pub const LONGEST_PAGE: u64 = 10_000;

    /// The part of the order that is asked for.
    pub fn part(&self) -> Part {
        Part { descending: self.descending, after: self.after, paging: self.paging }
    }

    /// Whether it asks for rows after a place in an order that has none ([`Self::NO_PLACE`]).
    pub fn has_no_place(&self) -> bool {
        self.after.is_some() && self.sort != self.sort.listed()
    }

    /// Whether it filters by neither task nor job.
    pub fn is_of_all_series(&self) -> bool {
        self.task.is_none() && self.job.is_none()
    }

    /// Whether its page is so short that it is worth looking for its place.
    pub fn is_short(&self) -> bool {
        self.paging.limit.is_some_and(|limit| limit <= Self::LONGEST_PAGE)
    }

    /// Whether a store finds it by the lists that it keeps ([`crate::ranking`]): task, job, status and start are all that it
    /// filters by, and its page is short.
    pub fn is_ranked(&self) -> bool {
        self.trigger.is_none() && self.filters_as_lists() && !self.has_no_place() && self.is_short()
    }

    /// The trigger whose rows it asks for, where a store that keeps fences of it ([`crate::ranking::Counting`]) need not count
    /// them: task, job, status and start are all that it filters by besides.
    pub fn counted_trigger(&self) -> Option<&TriggerKey> {
        self.trigger.as_ref().filter(|_| self.filters_as_lists())
    }

    /// Whether task, job, trigger, status and start are all that it filters by, and whole rows all that it asks for.
    fn filters_as_lists(&self) -> bool {
        let plain = Self {
            task: self.task.clone(),
            status: self.status,
            job: self.job.clone(),
            trigger: self.trigger.clone(),
            started_from: self.started_from,
            started_before: self.started_before,
            sort: self.sort,
            descending: self.descending,
            after: self.after,
            paging: self.paging,
            ..Self::default()
        };
        *self == plain
    }

    /// From which place on, and before which, the rows stand in the order by start that it may match.
    pub fn bounds(&self) -> (Place, Place) {
        let bound = |at: Timestamp| Place { value: to_millis(at), id: i64::MIN };
        (self.started_from.map_or(Place::FIRST, bound), self.started_before.map_or(Place::END, bound))
    }

    /// Whether it matches starts from an instant on or up to one.
    pub fn has_bounds(&self) -> bool {
        self.started_from.is_some() || self.started_before.is_some()
    }

    /// The last instant at which a row that it matches may start, in milliseconds since 1970.
    pub fn last_start(&self) -> Option<i64> {
        self.started_before.map(|before| to_millis(before).saturating_sub(1))
    }

    /// The statuses of ended rows that it matches.
    pub fn ended_statuses(&self) -> impl Iterator<Item = TaskStatus> + use<> {
        let wanted = self.status;
        let ended = [TaskStatus::Success, TaskStatus::Failed, TaskStatus::Unknown];
        ended.into_iter().filter(move |status| wanted.is_none_or(|wanted| wanted == *status))
    }

    /// Whether it matches open rows.
    pub fn wants_open(&self) -> bool {
        self.status.is_none_or(|status| status == TaskStatus::Started)
    }

    /// Whether it matches an ended row by what ran and how that ended.
    pub fn wants_row(&self, series: &Series, status: TaskStatus) -> bool {
        self.wants(series) && self.status.is_none_or(|wanted| wanted == status)
    }

    /// Whether it matches what started at an instant, in milliseconds since 1970.
    pub fn starts_within(&self, started_at: i64) -> bool {
        self.started_from.is_none_or(|from| started_at >= to_millis(from))
            && self.last_start().is_none_or(|last| started_at <= last)
    }

    /// Whether its lists are those of series; otherwise they are those of all series together.
    pub fn needs_series(&self) -> bool {
        !self.is_of_all_series() || self.sort == HistorySort::Task
    }

    /// The task of all series that it matches, if it is one; a job's task has its name.
    pub fn task_of_series(&self) -> Option<&str> {
        self.task.as_deref().or_else(|| self.job.as_ref().map(JobKey::name))
    }

    /// Whether it matches a series.
    pub fn wants(&self, series: &Series) -> bool {
        self.task.as_ref().is_none_or(|task| *task == series.task)
            && self.job.as_ref().is_none_or(|job| series.job.as_ref() == Some(job))
    }
}

impl Default for HistoryQuery {
    fn default() -> Self {
        Self {
            task: None,
            status: None,
            job: None,
            trigger: None,
            scheduled_from: None,
            scheduled_to: None,
            started_from: None,
            started_before: None,
            node: None,
            origin: None,
            parent: None,
            run: None,
            from_rows: false,
            brief: false,
            sort: HistorySort::StartedAt,
            descending: true,
            after: None,
            paging: Paging::ALL,
        }
    }
}

/// Which skipped ranges, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SkippedQuery {
    /// Only of this trigger.
    pub trigger: Option<TriggerKey>,
    /// Only of this job.
    pub job: Option<JobKey>,
    /// Only with this reason.
    pub reason: Option<SkipReason>,
    /// Only ranges that contain this instant (between first and last, inclusive).
    pub at: Option<Timestamp>,
    /// Only ranges that end here or later.
    pub from: Option<Timestamp>,
    /// Only ranges that begin here or earlier.
    pub to: Option<Timestamp>,
    /// Which part.
    pub paging: Paging,
}

/// How many triggers are in which state; waiting ones of a busy non-concurrent job count as blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Open fires in the whole cluster.
    pub executing: u64,
    /// Triggers that wait for their next fire time.
    pub waiting: u64,
    /// Paused triggers.
    pub paused: u64,
    /// Triggers that are due and held back by a busy non-concurrent job.
    pub blocked: u64,
    /// Triggers in the error state.
    pub error: u64,
    /// Triggers without a further fire time whose last fire runs.
    pub complete: u64,
    /// Runs and events that were asked for inside transactions of applications and are not carried out yet.
    pub requests: u64,
    /// When the first of those was asked for, UTC.
    pub requests_since: Option<Timestamp>,
}
