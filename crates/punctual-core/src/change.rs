//! Edits of definitions, as data.

use jiff::Timestamp;

use punctual_schedule::Calendar;

use crate::{AuditEntry, Data, Declaration, Expected, JobDetail, JobKey, JobKind, Trigger, TriggerKey};

/// One edit. A store applies a list of them in one transaction: all or none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Changes nothing, and refuses the whole batch unless this is what is stored.
    Expect(Expected),
    /// Stores a job together with the *whole* set of its triggers: missing ones are created, changed ones
    /// replaced, equal ones left alone, and others of the job deleted (pending runs stay). Idempotent: a trigger
    /// of a stored job that is missing has completed, and stays away, when all its instants have passed or when the job
    /// remembers it ([`crate::Bounded`]).
    Schedule {
        /// The job.
        job: JobDetail,
        /// All its triggers.
        triggers: Vec<Trigger>,
    },
    /// An edit of a file or of code, which is logged if it changes something.
    Declare(Declaration),
    /// Stores a job, replacing one of the same key if it differs. It must be durable or have triggers.
    PutJob(JobDetail),
    /// Lets a job run other code from now on, if it runs `from`; otherwise changes nothing. Its triggers go on where they are.
    ChangeKind {
        /// The job.
        job: JobKey,
        /// Its kind so far.
        from: JobKind,
        /// Its kind from now on.
        to: JobKind,
    },
    /// Stores a trigger of a stored job, replacing one of the same key and job if it differs.
    PutTrigger(Trigger),
    /// Stores a trigger of a stored job; refused when its key is taken.
    AddTrigger(Trigger),
    /// Stores a job with triggers that go on where another scheduler left them; refused when one of the keys is taken.
    Import {
        /// The job.
        job: JobDetail,
        /// Its triggers.
        triggers: Vec<Arrival>,
    },
    /// Deletes a trigger, and its job when that was the last trigger of a job that is not durable.
    DeleteTrigger(TriggerKey),
    /// Deletes all triggers of a job, and the job when it is not durable.
    DeleteTriggersOf(JobKey),
    /// Deletes a job with its triggers. Runs that are under way go on and keep their history rows.
    DeleteJob(JobKey),
    /// Pauses a trigger.
    PauseTrigger(TriggerKey),
    /// Resumes a trigger; its misfire policy decides about the instants that passed.
    ResumeTrigger(TriggerKey),
    /// Pauses all triggers of a job.
    PauseJob(JobKey),
    /// Resumes all triggers of a job.
    ResumeJob(JobKey),
    /// Pauses all triggers of a trigger group, and those that join it later.
    PauseGroup(String),
    /// Resumes all triggers of a trigger group.
    ResumeGroup(String),
    /// Runs a job once, now.
    TriggerNow {
        /// The job.
        job: JobKey,
        /// Arguments laid over the job's.
        data: Data,
    },
    /// Runs a job once, now, for an instant that may have passed long ago: the run carries it, the trigger's data and
    /// `data` over that. It is no part of the trigger's account of instants, since that has settled the instant.
    RunFor {
        /// The job.
        job: JobKey,
        /// The trigger whose instant it is; it need not be stored any more.
        trigger: Option<TriggerKey>,
        /// The instant.
        scheduled_at: Timestamp,
        /// Arguments laid over the job's and the trigger's.
        data: Data,
    },
    /// Emits an event: stores one run, due now, for each trigger whose schedule waits for it
    /// ([`punctual_schedule::EventSchedule`]). [`Applied::created`] says for how many. A paused trigger makes no run: the
    /// event becomes a skipped range of it, counted in [`Applied::unchanged`].
    Emit {
        /// The name of the event.
        event: String,
        /// Arguments laid over those of each trigger.
        payload: Data,
    },
    /// Takes a trigger out of the error state; what passed meanwhile is given up as misfired.
    ResetTrigger(TriggerKey),
    /// Stores a calendar under a name, replacing one of that name. Triggers that use it go on with what it includes from
    /// now on; a calendar that would leave one of them without any fire time is refused.
    PutCalendar {
        /// The name by which triggers refer to it.
        name: String,
        /// What it excludes.
        calendar: Calendar,
    },
    /// Deletes a calendar; refused while a trigger uses it.
    DeleteCalendar(String),
    /// Writes an entry of the log of changes, in the transaction of the edits beside it. It finds and changes nothing.
    Audit(AuditEntry),
}

/// A trigger that comes from another scheduler, and where it stood there ([`Change::Import`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The definition, with the start that it had there.
    pub trigger: Trigger,
    /// The first instant that has not been fired yet. The trigger goes on at the first instant of its schedule from there on;
    /// one that has passed already is late, and its misfire policy decides.
    pub next_fire_at: Timestamp,
    /// The last instant that was fired.
    pub previous_fire_at: Option<Timestamp>,
    /// For a schedule that counts (`simple`, `daily_time_interval` with a number of repeats): how often it repeats after
    /// `next_fire_at`. From there on it is followed as one that begins there.
    pub repeats_left: Option<u32>,
    /// Whether it is paused; it is, too, when its group is.
    pub paused: bool,
}

/// A calendar as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCalendar {
    /// The name by which triggers refer to it.
    pub name: String,
    /// What it excludes.
    pub calendar: Calendar,
    /// Grows with each change.
    pub version: i64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What became of a [`Change`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Definitions that did not exist before.
    pub created: u64,
    /// Definitions that changed.
    pub updated: u64,
    /// Definitions that were already as asked.
    pub unchanged: u64,
    /// Definitions that are gone.
    pub deleted: u64,
    /// The key of the pending run that [`Change::TriggerNow`] or [`Change::RunFor`] stored.
    pub pending: Option<TriggerKey>,
    /// The earliest fire time among the triggers that the change stored, so that a sleeping node can wake.
    pub next_due: Option<Timestamp>,
}

impl Applied {
    /// Whether the change named something that exists, or stored something.
    pub fn found(&self) -> bool {
        self.created + self.updated + self.unchanged + self.deleted > 0
    }

    /// Whether everything was already as asked.
    pub fn was_so(&self) -> bool {
        self.unchanged > 0 && self.created + self.updated + self.deleted == 0 && self.pending.is_none()
    }

    /// Adds what another change did.
    pub fn merge(&mut self, other: &Applied) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.pending = self.pending.take().or_else(|| other.pending.clone());
        self.next_due = match (self.next_due, other.next_due) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
    }
}
