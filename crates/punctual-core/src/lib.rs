//! The domain of Punctual: values, decisions and ports.
//!
//! * **Values**: [`JobDetail`], [`Trigger`], [`Fire`], [`Completion`], [`TaskHistory`], [`Event`].
//! * **Decisions** are pure functions that take the time as an argument: [`firing::plan`] (what a due
//!   trigger does), [`recovery::plan`] (what becomes of work whose node is gone), [`definition::apply`]
//!   (what an edit does to stored definitions), [`lock::conflicts`] (who holds a lock), [`Lane::of`] (what limits its runs) and [`RetryPolicy::next_delay`].
//! * **Ports**: the five store traits joined in [`JobStore`], and the [`Clock`].
//!
//! Nothing here reads a clock, spawns, sleeps or touches a socket. A store fetches rows, asks a decision
//! function, and writes the answer.
//!
//! # The account of every instant
//!
//! A trigger's schedule is a set of instants ([`punctual_schedule::Occurrences`]). Whenever a trigger moves
//! from one next fire time to a later one, each instant that it leaves behind is either the scheduled time of
//! a fire or lies in a [`Skip`] with a reason; both are written in the transaction that moves the trigger. So
//! `scheduled instants = fires + skipped` holds at every commit.

pub mod accounts;
pub mod asked;
pub mod audit;
pub mod bounded;
pub mod change;
pub mod clock;
pub mod data;
mod declared;
pub mod definition;
pub mod error;
pub mod event;
pub mod expect;
pub mod fire;
pub mod firing;
pub mod history;
pub mod idempotency;
pub mod insights;
pub mod job;
pub mod job_history;
pub mod key;
pub mod lane;
pub mod limits;
pub mod lock;
pub mod logs;
pub mod node;
pub mod pending;
pub mod query;
pub mod ranking;
pub mod record;
pub mod recovery;
pub mod retry;
pub mod store;
pub mod task_run;
pub mod time;
pub mod trigger;

pub use accounts::{
    Account, AccountChange, AccountError, AccountRetention, AccountStore, AuditEntry, AuditQuery, AuditRow,
    Permission, Permissions, PrunedAccounts,
};
pub use asked::{CarriedOut, CarryOut, RefusedRequest, Request, Wanted, is_late_request};
pub use bounded::Bounded;
pub use change::{Applied, Arrival, Change, StoredCalendar};
pub use clock::{Clock, SleepFuture};
pub use data::Data;
pub use declared::{Declaration, Declared};
pub use error::{ChangeError, StoreError};
pub use event::Event;
pub use expect::{Expected, Fingerprint};
pub use fire::{
    CancelledFire, Claim, Claimed, Completed, Completion, DueKind, Fire, FireId, KindSlots, Outcome, Retry,
    Then,
};
pub use firing::{FiringPlan, Skip, SkipReason};
pub use history::{Retention, SkippedRange, TaskHistory, TaskStatus};
pub use idempotency::{Keyed, KeyedRequest, LAPSED_CHUNK, RequestStore, TakenKey};
pub use insights::{Insight, InsightsQuery};
pub use jiff::Timestamp;
pub use job::{JobDetail, JobKind, Overlap, StoredJob, UnknownKind};
pub use job_history::{JobHistory, KeepRows};
pub use key::{JobKey, KeyError, TriggerKey};
pub use lane::{Concurrency, Lane};
pub use lock::{
    HeldLock, LockAnswer, LockGrant, LockHolder, LockMode, LockName, LockRequest, LockSet, LockSetError,
};
pub use logs::LogRing;
pub use node::{ClusterView, Heartbeat, Node, NodeState, Term};
pub use punctual_schedule as schedule;
pub use punctual_schedule::{Calendar, MisfirePolicy, Schedule};
pub use query::{HistoryQuery, HistorySort, JobQuery, Page, Paging, SkippedQuery, StateCounts, TriggerQuery};
pub use record::{LogEntry, LogLevel, Progress, TaskEnd, TaskRecord};
pub use recovery::{LostNode, Recovered, Recovery};
pub use retry::RetryPolicy;
pub use store::{ClusterStore, DefinitionStore, FiringStore, HistoryStore, JobStore, PoolStatus};
pub use task_run::{
    NewTaskRun, TaskCounts, TaskRun, TaskRunEntity, TaskRunId, TaskRunQuery, TaskRunSort, TaskRunStatus,
};
pub use trigger::{Cause, Pending, StoredTrigger, Trigger, TriggerState};
