//! Triggers: when a job runs.

use std::fmt;

use jiff::Timestamp;
use punctual_schedule::{MisfirePolicy, Occurrences, Schedule, Window};
use serde::{Deserialize, Serialize};

use crate::{Data, FireId, JobKey, Lane, TriggerKey};

/// The priority of a trigger that names none (Quartz's default).
pub const DEFAULT_PRIORITY: i32 = 5;

/// How late a fire may be before the misfire policy decides, in milliseconds (Quartz's default).
pub const DEFAULT_MISFIRE_THRESHOLD_MS: u64 = 60_000;

/// The definition of a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Unique key.
    pub key: TriggerKey,
    /// The job that it fires.
    pub job: JobKey,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The rule that gives its fire times.
    pub schedule: Schedule,
    /// No fire time is before this; `None` means the moment when the trigger is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// The end of its life; whether a fire time exactly at the end counts is a rule of each schedule kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Among triggers due at the same millisecond, higher goes first.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// The name of a stored calendar whose excluded times are no fire times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// What becomes of fire times that nobody could run in time.
    #[serde(default)]
    pub misfire: MisfirePolicy,
    /// How late is a misfire, in milliseconds; `None` for the default of one minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misfire_threshold_ms: Option<u64>,
    /// Arguments laid over the job's.
    #[serde(default)]
    pub data: Data,
}

fn default_priority() -> i32 {
    DEFAULT_PRIORITY
}

impl Trigger {
    /// A trigger with priority 5, no end, no data, and the schedule kind's smart misfire policy.
    pub fn new(key: impl Into<TriggerKey>, job: impl Into<JobKey>, schedule: Schedule) -> Self {
        Self {
            key: key.into(),
            job: job.into(),
            description: None,
            schedule,
            start: None,
            end: None,
            priority: DEFAULT_PRIORITY,
            calendar: None,
            misfire: MisfirePolicy::Smart,
            misfire_threshold_ms: None,
            data: Data::empty(),
        }
    }

    /// A trigger that fires once, at `at`.
    pub fn once(key: impl Into<TriggerKey>, job: impl Into<JobKey>, at: Timestamp) -> Self {
        Self::new(key, job, Schedule::Once).start(at)
    }

    /// Sets the first instant at which it may fire.
    pub fn start(mut self, at: Timestamp) -> Self {
        self.start = Some(crate::time::whole_millis(at));
        self
    }

    /// Sets the end of its life.
    pub fn end(mut self, at: Timestamp) -> Self {
        self.end = Some(crate::time::whole_millis(at));
        self
    }

    /// Sets the priority.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the misfire policy.
    pub fn misfire(mut self, policy: MisfirePolicy) -> Self {
        self.misfire = policy;
        self
    }

    /// Sets the stored calendar whose excluded times are no fire times.
    pub fn calendar(mut self, name: impl Into<String>) -> Self {
        self.calendar = Some(name.into());
        self
    }

    /// Sets how late is a misfire, in milliseconds.
    pub fn misfire_threshold_ms(mut self, millis: u64) -> Self {
        self.misfire_threshold_ms = Some(millis);
        self
    }

    /// Sets the arguments that are laid over the job's.
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// Sets the description.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }
}

/// The states that are stored. BLOCKED and EXECUTING are derived from open fires and never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerState {
    /// Waits for its next fire time.
    Waiting,
    /// Fires nothing until it is resumed.
    Paused,
    /// Has no further fire time; goes when its last fire has ended.
    Complete,
    /// Cannot be understood by this version; says why in its `error`.
    Error,
}

impl TriggerState {
    /// The number in stores.
    pub fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Paused => 1,
            Self::Complete => 2,
            Self::Error => 3,
        }
    }

    /// The state of a number in stores; unknown numbers read as [`Self::Error`].
    pub fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Waiting,
            1 => Self::Paused,
            2 => Self::Complete,
            _ => Self::Error,
        }
    }
}

/// Why a fire exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its trigger's schedule.
    Schedule,
    /// Somebody asked for it.
    Manual,
    /// An earlier attempt failed.
    Retry,
    /// An earlier attempt was cut off by the death of its node.
    Recovery,
    /// An event that its trigger waits for was emitted.
    Event,
}

impl Cause {
    /// The number in stores.
    pub fn code(self) -> i64 {
        match self {
            Self::Schedule => 0,
            Self::Manual => 1,
            Self::Retry => 2,
            Self::Recovery => 3,
            Self::Event => 4,
        }
    }

    /// The cause of a number in stores.
    pub fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Manual,
            2 => Self::Retry,
            3 => Self::Recovery,
            4 => Self::Event,
            _ => Self::Schedule,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Retry => "retry",
            Self::Recovery => "recovery",
            Self::Event => "event",
        })
    }
}

/// What makes a stored trigger a single pending run rather than a schedule: a run asked for by hand or made
/// by an event, a retry, or a recovery. Such a trigger fires however late it is, has no account of instants, and is deleted when it
/// is claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// Why the run exists.
    pub cause: Cause,
    /// Its attempt, counted from 1.
    pub attempt: u32,
    /// The first attempt of the same fire.
    pub origin: Option<FireId>,
    /// The instant for which the run stands.
    pub scheduled_at: Timestamp,
    /// The trigger whose instant that is; `None` for a run asked for by hand.
    pub trigger: Option<TriggerKey>,
}

/// A trigger as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTrigger {
    /// The store's own number of the trigger; 0 before it is stored.
    pub id: i64,
    /// The store's number of its job.
    pub job_id: i64,
    /// The definition.
    pub definition: Trigger,
    /// The limit that its runs count against, if there is one.
    pub lane: Option<Lane>,
    /// The stored state.
    pub state: TriggerState,
    /// Where the schedule starts: the definition's start, or when the trigger was stored.
    pub anchor: Timestamp,
    /// The schedule that a misfire instruction put in the place of the definition's.
    pub rebased: Option<Schedule>,
    /// The first instant that is not accounted for yet; `None` when there is none, when it is not known before the run
    /// that is under way has ended ([`StoredTrigger::awaits_end`]), or when the trigger waits for an event
    /// ([`StoredTrigger::awaits_event`]).
    pub next_fire_at: Option<Timestamp>,
    /// The scheduled instant of the last fire.
    pub previous_fire_at: Option<Timestamp>,
    /// Fires since `accounted_from`.
    pub fired: u64,
    /// Skipped instants since `accounted_from`.
    pub skipped: u64,
    /// From here on `instants = fired + skipped` up to (excluding) `next_fire_at` under the present definition. The
    /// instants of a fixed delay that have passed are known from its fires and skips alone.
    pub accounted_from: Timestamp,
    /// Set for a single pending run.
    pub pending: Option<Pending>,
    /// Why the state is [`TriggerState::Error`].
    pub error: Option<String>,
    /// Whether this version understands the stored definition. Where it does not, the schedule here is a stand-in, and
    /// the row must not be written back.
    pub readable: bool,
    /// When the trigger was first stored.
    pub created_at: Timestamp,
    /// When the definition or the paused state last changed.
    pub updated_at: Timestamp,
}

impl StoredTrigger {
    /// The trigger's life: from its anchor to its end.
    pub fn window(&self) -> Window {
        Window { start: self.anchor, end: self.definition.end }
    }

    /// The schedule in force.
    pub fn schedule(&self) -> &Schedule {
        self.rebased.as_ref().unwrap_or(&self.definition.schedule)
    }

    /// The set of its scheduled instants.
    pub fn occurrences<'a>(&'a self, calendar: Option<&'a punctual_schedule::Calendar>) -> Occurrences<'a> {
        Occurrences::new(self.schedule(), self.window()).with_calendar(calendar)
    }

    /// Whether its next fire time is set when the run that is under way has ended (a fixed delay).
    pub fn awaits_end(&self) -> bool {
        self.next_fire_at.is_none()
            && matches!(self.schedule(), Schedule::FixedDelay(_))
            && matches!(self.state, TriggerState::Waiting | TriggerState::Paused)
    }

    /// Whether it waits for an event: it has no instants, and its runs are pending ones ([`Cause::Event`]).
    pub fn awaits_event(&self) -> bool {
        self.next_fire_at.is_none()
            && self.schedule().event().is_some()
            && self.state != TriggerState::Complete
    }

    /// The misfire threshold in force, in milliseconds.
    pub fn misfire_threshold_ms(&self) -> u64 {
        self.definition.misfire_threshold_ms.unwrap_or(DEFAULT_MISFIRE_THRESHOLD_MS)
    }
}
