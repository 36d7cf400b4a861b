//! What the stream of live changes tells. Keys and words alone: whoever wants more asks for it.

use punctual_core::{Fire, SkipReason, SkippedRange, TaskHistory};
use serde::Serialize;

use super::Instant;

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Kind {
    RunStarted,
    RunEnded,
    InstantsSkipped,
    TriggerChanged,
    GroupChanged,
    JobChanged,
    CalendarChanged,
    NodeChanged,
    Changed,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::RunStarted,
        Self::RunEnded,
        Self::InstantsSkipped,
        Self::TriggerChanged,
        Self::GroupChanged,
        Self::JobChanged,
        Self::CalendarChanged,
        Self::NodeChanged,
        Self::Changed,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run.started",
            Self::RunEnded => "run.ended",
            Self::InstantsSkipped => "instants.skipped",
            Self::TriggerChanged => "trigger.changed",
            Self::GroupChanged => "group.changed",
            Self::JobChanged => "job.changed",
            Self::CalendarChanged => "calendar.changed",
            Self::NodeChanged => "node.changed",
            Self::Changed => "changed",
        }
    }
}

/// Something that happened.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Happening {
    RunStarted(Run),
    RunEnded(Run),
    Skipped(Skipped),
    Trigger { trigger: String, action: &'static str },
    Group { group: String, action: &'static str },
    Job { job: String, action: &'static str },
    Calendar { calendar: String, action: &'static str },
    Node { node: String, term: Option<i64>, state: &'static str },
    Changed { what: Vec<&'static str> },
}

impl Happening {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::RunStarted(_) => Kind::RunStarted,
            Self::RunEnded(_) => Kind::RunEnded,
            Self::Skipped(_) => Kind::InstantsSkipped,
            Self::Trigger { .. } => Kind::TriggerChanged,
            Self::Group { .. } => Kind::GroupChanged,
            Self::Job { .. } => Kind::JobChanged,
            Self::Calendar { .. } => Kind::CalendarChanged,
            Self::Node { .. } => Kind::NodeChanged,
            Self::Changed { .. } => Kind::Changed,
        }
    }
}

/// A run: a row of the task history without what it reported.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) task: String,
    pub(crate) status: &'static str,
    pub(crate) job: Option<String>,
    pub(crate) trigger: Option<String>,
    pub(crate) cause: String,
    pub(crate) attempt: u32,
    pub(crate) origin: i64,
    pub(crate) node: String,
    pub(crate) scheduled_at: Option<Instant>,
    pub(crate) started_at: Instant,
    pub(crate) ended_at: Option<Instant>,
    pub(crate) duration_ms: Option<u64>,
}

impl Run {
    pub(crate) fn of_fire(fire: &Fire, node: &str) -> Self {
        Self {
            id: fire.id.0,
            task: fire.job.key.name().to_owned(),
            status: "started",
            job: Some(fire.job.key.to_string()),
            trigger: Some(fire.trigger.to_string()),
            cause: fire.cause.to_string(),
            attempt: fire.attempt,
            origin: fire.origin.0,
            node: node.to_owned(),
            scheduled_at: Some(fire.scheduled_at.into()),
            started_at: fire.fired_at.into(),
            ended_at: None,
            duration_ms: None,
        }
    }

    /// The run as it began, whatever became of it since.
    pub(crate) fn begun(mut self) -> Self {
        (self.status, self.ended_at, self.duration_ms) = ("started", None, None);
        self
    }
}

impl From<&TaskHistory> for Run {
    fn from(row: &TaskHistory) -> Self {
        Self {
            id: row.id.0,
            task: row.task.clone(),
            status: row.status.as_str(),
            job: row.job.as_ref().map(ToString::to_string),
            trigger: row.trigger.as_ref().map(ToString::to_string),
            cause: row.cause.to_string(),
            attempt: row.attempt,
            origin: row.origin.0,
            node: row.node.clone(),
            scheduled_at: row.scheduled_at.map(Instant),
            started_at: row.started_at.into(),
            ended_at: row.ended_at.map(Instant),
            duration_ms: row.duration_ms,
        }
    }
}

/// Instants that were given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Skipped {
    trigger: String,
    reason: &'static str,
    count: u64,
    first: Instant,
    last: Instant,
}

impl Skipped {
    pub(crate) fn new(trigger: &punctual_core::TriggerKey, skip: &punctual_core::Skip) -> Self {
        let reason: SkipReason = skip.reason;
        Self {
            trigger: trigger.to_string(),
            reason: reason.as_str(),
            count: skip.count,
            first: skip.first.into(),
            last: skip.last.into(),
        }
    }
}

impl From<&SkippedRange> for Skipped {
    fn from(range: &SkippedRange) -> Self {
        Self::new(&range.trigger, &range.skip)
    }
}
