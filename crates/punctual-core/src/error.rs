//! What can go wrong in a store.

use crate::{AccountError, Expected, Fingerprint, JobKey, TriggerKey};

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database cannot be reached or is busy; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A change was refused; nothing of its batch was stored.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A change of accounts was refused; nothing of its batch was stored.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The node's term is not live any more: it must register again.
    #[error("the node's lease has run out")]
    StaleTerm,
    /// A live node already has this name.
    #[error("a live node is already named {0:?}: give each node its own name")]
    NameTaken(String),
    /// The database holds something that this version cannot read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// What is written is lost from now on, and nothing but a restart mends that: the database that is open is not the one
    /// that others would find. A node runs nothing more then.
    #[error("the store is gone: {0}")]
    Gone(String),
    /// Anything else, as the database says it.
    #[error("the store failed: {0}")]
    Other(String),
}

impl StoreError {
    /// Whether the same call may succeed later without any change.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the caller asked for something that contradicts what is stored.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Change(_) | Self::Account(_) | Self::NameTaken(_))
    }
}

/// Why a [`crate::Change`] was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A trigger or a run names a job that is not stored.
    #[error("no job {0} is stored: add the job first, or together with its triggers")]
    NoSuchJob(JobKey),
    /// A trigger of this key exists and fires another job.
    #[error(
        "trigger {trigger} already fires job {job}: delete it first, or give the new trigger another name"
    )]
    TriggerOfAnotherJob {
        /// The trigger.
        trigger: TriggerKey,
        /// The job that it fires.
        job: JobKey,
    },
    /// A trigger with this key exists, and the change must not replace it.
    #[error("a trigger {0} is already stored")]
    TriggerExists(TriggerKey),
    /// The schedule has no instant at or after the start, so that the trigger would never fire.
    #[error("trigger {0} would never fire: its schedule has no fire time between its start and its end")]
    NeverFires(TriggerKey),
    /// The definition contradicts itself.
    #[error("trigger {0}: {1}")]
    InvalidTrigger(TriggerKey, String),
    /// The definition contradicts itself.
    #[error("job {0}: {1}")]
    InvalidJob(JobKey, String),
    /// A calendar's name cannot be used.
    #[error("calendar {0:?}: a name has 1 to 200 characters, none of them a control character")]
    InvalidCalendarName(String),
    /// An event's name cannot be used.
    #[error("event {0:?}: a name has 1 to 200 characters, none of them a control character")]
    InvalidEventName(String),
    /// Triggers use the calendar.
    #[error("calendar {name:?} is used by {count} trigger(s), {first} for one: change or delete them first")]
    CalendarInUse {
        /// The calendar.
        name: String,
        /// How many triggers use it.
        count: usize,
        /// One of them.
        first: TriggerKey,
    },
    /// The calendar would leave a trigger without any fire time.
    #[error("calendar {name:?} would leave trigger {trigger} without any fire time")]
    CalendarExcludesAll {
        /// The calendar.
        name: String,
        /// The trigger.
        trigger: TriggerKey,
    },
    /// What is stored is not what [`crate::Change::Expect`] expects.
    #[error("{expected} has changed since it was read, or is gone: read it again")]
    Stale {
        /// What was expected.
        expected: Expected,
        /// What is stored; `None` where nothing is.
        current: Option<Fingerprint>,
    },
    /// The job would neither be durable nor have a trigger.
    #[error("job {0} has no trigger and is not durable: make it durable, or give it a trigger")]
    NeitherDurableNorTriggered(JobKey),
}
