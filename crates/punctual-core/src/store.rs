//! The ports that a store implements.
//!
//! A store holds no policy: it fetches rows, asks [`crate::firing`], [`crate::recovery`],
//! [`crate::definition`] or [`crate::lock`], and writes the answer. Each call is one transaction. Every call that depends on the
//! time is told it.
//!
//! To write one, implement the four traits and [`AccountStore`] and run the conformance suite of `punctual-testkit` against it: the
//! suite is the definition of a store.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::definition::{Expired, Expiry, Repair};
use crate::idempotency::RequestStore;
use crate::{
    AccountStore, Applied, CarriedOut, CarryOut, Change, Claim, Claimed, ClusterView, Completed, Completion,
    DueKind, Fire, FireId, Heartbeat, HeldLock, HistoryQuery, Insight, InsightsQuery, JobKey, JobKind,
    JobQuery, LockAnswer, LockRequest, NewTaskRun, Node, Page, Progress, Recovery, Retention, SkippedQuery,
    SkippedRange, StateCounts, StoreError, StoredCalendar, StoredJob, StoredTrigger, TaskEnd, TaskHistory,
    TaskRecord, TaskRun, TaskRunEntity, TaskRunId, TaskRunQuery, TaskRunStatus, Term, TriggerKey,
    TriggerQuery,
};

/// The connections of a store to its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// How many may be open at a time.
    pub max: u64,
    /// How many a call is using.
    pub in_use: u64,
    /// How many are open and used by no call.
    pub idle: u64,
    /// How many calls wait for one.
    pub waiting: u64,
    /// How many calls have got one since the store was opened.
    pub acquired: u64,
    /// How long these waited for it in all, in microseconds; opening one is part of it.
    pub acquire_micros: u64,
}

/// What exists: jobs and triggers.
#[async_trait]
pub trait DefinitionStore: Send + Sync {
    /// Applies edits in order, all or none.
    async fn apply(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Applied>, StoreError>;

    /// A job.
    async fn job(&self, key: &JobKey) -> Result<Option<StoredJob>, StoreError>;

    /// Jobs, ordered by group and name.
    async fn jobs(&self, query: &JobQuery) -> Result<Page<StoredJob>, StoreError>;

    /// A trigger.
    async fn trigger(&self, key: &TriggerKey) -> Result<Option<StoredTrigger>, StoreError>;

    /// The kinds of the stored jobs, ascending byte by byte.
    async fn job_kinds(&self) -> Result<Vec<JobKind>, StoreError>;

    /// Triggers, ordered by group and name. One that cannot be understood is listed in the error state.
    async fn triggers(&self, query: &TriggerQuery) -> Result<Page<StoredTrigger>, StoreError>;

    /// How many fires are open in each of these lanes; those without any may be left out.
    async fn open_in_lanes(&self, lanes: &[i64]) -> Result<Vec<(i64, u64)>, StoreError>;

    /// All calendars, ordered by name.
    async fn calendars(&self) -> Result<Vec<StoredCalendar>, StoreError>;

    /// A calendar.
    async fn calendar(&self, name: &str) -> Result<Option<StoredCalendar>, StoreError>;

    /// The trigger groups that are paused, ascending byte by byte.
    async fn paused_groups(&self) -> Result<Vec<String>, StoreError>;

    /// How many triggers are in which state at `now`, by one grouped count.
    async fn state_counts(&self, now: Timestamp) -> Result<StateCounts, StoreError>;

    /// Carries out what was asked for inside transactions of applications and is committed
    /// ([`crate::definition::carry_out`]), in the order in which each asked for it: one batch, exactly once, and never
    /// two nodes at a time. A request that is refused gets a failed row in the history; one that this version cannot
    /// understand stays, and the others go on. By default there are no such requests.
    async fn carry_out(&self, _now: Timestamp, _which: &CarryOut) -> Result<CarriedOut, StoreError> {
        Ok(CarriedOut::default())
    }
}

/// The hot path: always in batches.
#[async_trait]
pub trait FiringStore: Send + Sync {
    /// Takes due fires, in the order of fire time and priority, moves their triggers on, records what was
    /// skipped, and opens the history rows. Never gives one instant out twice, and never a fire whose lane
    /// has no room ([`crate::Lane`]).
    ///
    /// # Errors
    /// [`StoreError::StaleTerm`] when the claiming term's lease has run out at `claim.now`.
    async fn claim_due(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError>;

    /// Closes fires; the answers are in the order of `done`. A fire that is not open under the completion's
    /// term is left alone and answered with [`Completed::Superseded`].
    async fn complete(&self, now: Timestamp, done: &[Completion]) -> Result<Vec<Completed>, StoreError>;

    /// Hands back fires that were claimed under `term` and never started: their rows go, and they are due
    /// again as pending runs (see [`crate::pending::released`]) with the same attempt. Returns how many were
    /// handed back; one that is not open under `term` is left alone.
    async fn release(&self, now: Timestamp, term: Term, fires: &[Fire]) -> Result<u64, StoreError>;

    /// Looks for broken invariants and mends them ([`crate::definition::repair`]); returns what was mended.
    async fn repair(&self, now: Timestamp) -> Result<Vec<Repair>, StoreError>;

    /// Gives up the overdue instants of kinds that no live node can run, where that is asked for
    /// ([`crate::definition::expire`]).
    async fn expire(&self, now: Timestamp, expiry: &Expiry) -> Result<Expired, StoreError>;

    /// How many waiting triggers of each kind are due at `now`, and since when the oldest is; in the order of the
    /// kinds' names. Triggers that their lane holds back are not counted.
    async fn due_by_kind(&self, now: Timestamp) -> Result<Vec<DueKind>, StoreError>;

    /// Asks an open fire to stop: its node hears of it at its next heartbeat, with the reason. Whether it was open;
    /// one that was asked before keeps the first reason.
    async fn request_cancel(&self, id: FireId, reason: &str) -> Result<bool, StoreError>;
}

/// What happened.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Records work outside of triggers, ended or under way; returns the ids in order.
    async fn record(&self, rows: &[TaskRecord]) -> Result<Vec<FireId>, StoreError>;

    /// Closes recorded work; the answers are in the order of `ends`. A row that is not open under the end's term is left
    /// alone and answered with [`Completed::Superseded`].
    async fn end_tasks(&self, ends: &[TaskEnd]) -> Result<Vec<Completed>, StoreError>;

    /// Stores how far open rows of `term` have come, fires and recorded work alike; others are left alone.
    async fn put_progress(&self, term: Term, rows: &[(FireId, Progress)]) -> Result<(), StoreError>;

    /// Opens a task run.
    async fn open_run(&self, run: &NewTaskRun) -> Result<TaskRunId, StoreError>;

    /// Closes a task run that is open, by how its tasks stand ([`TaskRunStatus::of_tasks`]); one that is not open stays as
    /// it is. Its status then; `None` when there is no such run.
    async fn close_run(&self, now: Timestamp, id: TaskRunId) -> Result<Option<TaskRunStatus>, StoreError>;

    /// Task runs.
    async fn runs(&self, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError>;

    /// The numbers of the runs that [`Self::runs`] would answer, in that order.
    async fn run_ids(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError>;

    /// A task run.
    async fn run(&self, id: TaskRunId) -> Result<Option<TaskRun>, StoreError>;

    /// What the runs that `query` matches are for, each thing once with the name in its latest run, ordered by type and
    /// number. The query's order and paging do not matter.
    async fn run_entities(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunEntity>, StoreError>;

    /// Rows of the history.
    async fn history(&self, query: &HistoryQuery) -> Result<Page<TaskHistory>, StoreError>;

    /// One row.
    async fn history_entry(&self, id: FireId) -> Result<Option<TaskHistory>, StoreError>;

    /// How runs went, by task, job and period: the ended runs that started in it. From roll-ups, so that it takes no
    /// longer for a long history.
    async fn insights(&self, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError>;

    /// Brings up to `at_most` rows (about) that ended or were deleted into the orders and roll-ups of the history; returns
    /// how many are left. Lists and insights are right without it, and faster after it. Call it now and then, until few
    /// are left.
    async fn arrange(&self, at_most: u64) -> Result<u64, StoreError>;

    /// The distinct task names, ascending.
    async fn unique_tasks(&self) -> Result<Vec<String>, StoreError>;

    /// Skipped ranges, newest first.
    async fn skipped(&self, query: &SkippedQuery) -> Result<Page<SkippedRange>, StoreError>;

    /// Deletes one chunk of rows beyond the retention; returns how many. Call until it returns 0.
    async fn prune(&self, retention: &Retention) -> Result<u64, StoreError>;
}

/// Who is there.
#[async_trait]
pub trait ClusterStore: Send + Sync {
    /// Registers a node or renews its lease.
    ///
    /// A lease that has run out is renewed like any other, under the same term, unless [`Self::recover`] has removed the
    /// node: then it registers anew. The two exclude each other: after a renewal and a recovery at the same moment either
    /// the node is there with all its work, or neither is.
    ///
    /// A registration takes over the name of a node whose lease has run out, or at once where the store knows
    /// that only one process can be at work (an embedded database).
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when a live node has the name.
    async fn heartbeat(&self, beat: &Heartbeat) -> Result<ClusterView, StoreError>;

    /// All registered nodes, ordered by term, those whose lease has run out included ([`Node::lease_until`] tells): a
    /// recovery removes them.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;

    /// Asks the node of a term to drain (it claims nothing more, and what runs goes on), or to claim again. It hears of it at
    /// its next heartbeat, from its own row in [`ClusterView::nodes`]. It lasts as long as the term, and as the terms that
    /// the same process gets after it has heard ([`Heartbeat::draining`]). Whether the term was live at `now`.
    async fn drain(&self, now: Timestamp, term: Term, draining: bool) -> Result<bool, StoreError>;

    /// How many fires are open under each term that has any, whether its node lives or not; in the order of the terms.
    async fn open_by_term(&self) -> Result<Vec<(Term, u64)>, StoreError>;

    /// Ends a term: the node is gone, and nothing of it is open.
    async fn retire(&self, now: Timestamp, term: Term) -> Result<(), StoreError>;

    /// Closes the open fires of nodes whose lease has run out at `now`, stores the re-runs that
    /// [`crate::recovery::plan`] asks for, and removes those nodes. Recorded work of such nodes becomes `unknown`, and their task runs become
    /// `abandoned`; those are not in the answer. Which nodes those are is settled before their work is looked at, so that
    /// none of them can renew its lease in between (see [`Self::heartbeat`]). Whether it is time for it, the caller decides
    /// ([`crate::recovery::OwnLease`]).
    async fn recover(&self, now: Timestamp) -> Result<Recovery, StoreError>;

    /// What the store's own clock shows; `None` where it has none (a store inside the process), as by default. A node
    /// asks before it registers, so that its first heartbeat already carries the store's time: all instants that a
    /// store with a clock is told are estimates of that clock.
    async fn store_now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Completes when another process changed something that may make work due sooner than this process knows. By
    /// default it never does, and a node finds such work when it polls.
    ///
    /// It may complete for nothing, but not all the time. It is called again at once, and what changed in between two
    /// calls should complete the second; dropping it loses nothing more than that. It reports no errors: while the
    /// store cannot be reached it waits, and completes once it can be again (something may have been missed).
    async fn changed(&self) {
        std::future::pending().await
    }

    /// Whether [`Self::changed`] tells of changes at present; `None` where it never does, as by default. When the answer
    /// changes, `changed` completes.
    fn hears_changes(&self) -> Option<bool> {
        None
    }

    /// Whether [`Self::changed`] has told, since this was asked last, that there may be something for
    /// [`DefinitionStore::carry_out`]. By default there never is.
    fn requests_told(&self) -> bool {
        false
    }

    /// Whether [`Self::changed`] has told, since this was asked last, that a heartbeat would bring what need not wait for the
    /// next one: that a run is asked to stop, or a node to drain. By default it never does.
    fn heartbeat_told(&self) -> bool {
        false
    }

    /// The store's connections; `None` where it has none (a store inside the process), as by default.
    fn pool_status(&self) -> Option<PoolStatus> {
        None
    }

    /// Takes locks, all of them or none, and never waits: see [`crate::lock`]. Removes grants whose lease has run out,
    /// each with all its locks.
    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer, StoreError>;

    /// Extends a grant's lease until `now + lease_ms`, and never shortens it. Whether it was still held at `now`: a lease that has run out
    /// cannot be renewed, whether or not somebody else has the locks by now.
    async fn renew_lock(&self, token: i64, now: Timestamp, lease_ms: u64) -> Result<bool, StoreError>;

    /// Gives up a grant, with all its locks; whether it was there.
    async fn unlock(&self, token: i64) -> Result<bool, StoreError>;

    /// The locks that are held at `now`, ordered by name (byte by byte) and token.
    async fn locks(&self, now: Timestamp) -> Result<Vec<HeldLock>, StoreError>;

    /// Closes the store for good, after everything else: later calls may fail. By default there is nothing to do. A store
    /// in a file brings all that it holds into that file; where this is not called, or fails, nothing is lost by it.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A whole store.
pub trait JobStore:
    DefinitionStore + FiringStore + HistoryStore + ClusterStore + AccountStore + RequestStore + Debug + 'static
{
}

impl<
    T: DefinitionStore
        + FiringStore
        + HistoryStore
        + ClusterStore
        + AccountStore
        + RequestStore
        + Debug
        + 'static,
> JobStore for T
{
}
