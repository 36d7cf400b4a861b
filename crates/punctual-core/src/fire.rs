//! Fires: one run handed to one node, and how it ended.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cause, Data, JobDetail, JobKind, LogEntry, Progress, Skip, Term, TriggerKey};

/// Numbers a fire and its history row, which are one. Positive and below 2^53, so that JSON readers keep it
/// exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FireId(pub i64);

impl fmt::Display for FireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One run handed to one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Fire {
    /// The fire's number.
    pub id: FireId,
    /// The job's definition at the moment of the claim.
    pub job: Arc<JobDetail>,
    /// The trigger whose instant this is.
    pub trigger: TriggerKey,
    /// The trigger's arguments, not yet laid over the job's: see [`Self::data`].
    pub trigger_data: Data,
    /// Why the fire exists.
    pub cause: Cause,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The first attempt of this fire; its own id for a first attempt.
    pub origin: FireId,
    /// The instant for which the run stands.
    pub scheduled_at: Timestamp,
    /// When it was claimed; never before the end of the runs whose room in a lane it took.
    pub fired_at: Timestamp,
    /// What becomes of the trigger when this fire has ended.
    pub then: Then,
}

/// What becomes of a trigger when a fire of it has ended for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: it has moved on already.
    GoesOn,
    /// It is deleted: the claim took its last instant.
    Ends,
    /// Its next fire time is set, if it waits for that ([`crate::StoredTrigger::awaits_end`]).
    MayAwait,
}

impl Fire {
    /// The job's arguments with the trigger's laid over them.
    pub fn data(&self) -> Result<Data, serde_json::Error> {
        self.job.data.merged(&self.trigger_data)
    }
}

/// How many fires of one kind a node would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSlots {
    /// The kind.
    pub kind: JobKind,
    /// Free slots for it.
    pub free: usize,
}

/// Asks a store for due work.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The claiming node's term; a term that is no longer live is refused.
    pub term: Term,
    /// The present instant.
    pub now: Timestamp,
    /// At most this many fires.
    pub limit: usize,
    /// The kinds that the node can run, each with its own limit.
    pub kinds: &'a [KindSlots],
}

/// Due work of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueKind {
    /// The kind.
    pub kind: JobKind,
    /// How many triggers are due.
    pub triggers: u64,
    /// The earliest of their fire times.
    pub since: Timestamp,
}

/// What a claim brought.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The fires, all of them now open in the history.
    pub fires: Vec<Fire>,
    /// Instants that were given up, with their triggers.
    pub skipped: Vec<(TriggerKey, Skip)>,
    /// Open fires, of whatever node, that were asked to stop.
    pub cancelled: Vec<CancelledFire>,
    /// Triggers that could not be understood and were set to the error state, with the reason.
    pub errors: Vec<(TriggerKey, String)>,
    /// The earliest next fire time among the triggers of these kinds that are not held back by a busy job;
    /// at or before `now` when more is due than was taken.
    pub next_due: Option<Timestamp>,
}

/// An open fire that is asked to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledFire {
    /// Which fire.
    pub id: FireId,
    /// The term under which it was claimed.
    pub term: Term,
    /// Why, for people.
    pub reason: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The job returned normally, perhaps with details for the history.
    Success(Option<Value>),
    /// The job failed; the details have the failure shape of the task history.
    Failed(Value),
}

/// The end of one fire, as its node reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// Which fire.
    pub id: FireId,
    /// The term under which it was claimed; a fire that recovery has taken away is not completed.
    pub term: Term,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it ran by the monotonic clock, in milliseconds.
    pub duration_ms: u64,
    /// The next attempt, if there is one; decided by the engine from the job's retry policy.
    pub retry: Option<Retry>,
    /// Whether the row stays in the history.
    pub keep: bool,
    /// What the run logged.
    pub logs: Vec<LogEntry>,
    /// How far the run said it had come; `None` leaves what was stored before.
    pub progress: Option<Progress>,
    /// [`Fire::then`] of the fire.
    pub then: Then,
}

/// The next attempt of a failed fire. The rest of it is on the fire's row.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// When it is due.
    pub at: Timestamp,
    /// [`Fire::trigger_data`] of the fire: its trigger may be gone by now.
    pub data: Data,
}

/// What a store did with a [`Completion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The fire is closed.
    Closed,
    /// The fire was no longer open under this term; nothing was changed.
    Superseded,
}
