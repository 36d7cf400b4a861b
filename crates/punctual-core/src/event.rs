//! What happened, for listeners: logs, metrics and live views are made from events and may miss some; the
//! history is the record.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    Change, Fire, FireId, JobKey, JobKind, NodeState, Recovered, Skip, TaskStatus, Term, TriggerKey,
};

/// Something that happened on a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The node registered and may claim.
    NodeStarted {
        /// Its name.
        name: String,
        /// Its term.
        term: Term,
    },
    /// The node's lease had run out, and was renewed before anybody took up its work: it goes on under the same term.
    LeaseResumed {
        /// The term.
        term: Term,
        /// For how long it had run out, in milliseconds.
        lapsed_ms: u64,
        /// For how long the node leaves the work of others alone now, so that they can renew theirs, in milliseconds.
        grace_ms: u64,
    },
    /// The node's lease had run out and it was taken for lost: its work was taken up, and it goes on under a new term.
    LeaseLost {
        /// The term that ended.
        old: Term,
        /// The term from now on.
        new: Term,
    },
    /// The node does not know the store's time well enough: it claims nothing until it does again.
    ClockUncertain {
        /// How far its idea of the store's time may be off, in milliseconds.
        uncertainty_ms: u64,
        /// How far it may be off at most for the node to claim, in milliseconds.
        limit_ms: u64,
    },
    /// The node knows the store's time well enough again, and claims.
    ClockCertain {
        /// How far its idea of the store's time may be off, in milliseconds.
        uncertainty_ms: u64,
    },
    /// The store's clock was set, or the node's machine stood still: the node's clock follows the store's.
    ClockMoved {
        /// By how much the node's clock was moved, in milliseconds; negative for back.
        by_ms: i64,
    },
    /// The store does not tell the node of changes that other nodes make: it polls more often until that is mended.
    ChangesUnheard {
        /// How often it looks for work meanwhile, in milliseconds.
        poll_ms: u64,
    },
    /// The store tells the node of changes again.
    ChangesHeard,
    /// A job was deleted, with its triggers, since its kind is on this node's list of retired kinds.
    JobRetired {
        /// The job.
        job: JobKey,
        /// Its kind.
        kind: JobKind,
    },
    /// A job goes on under another kind, since this node's list of renamed kinds says so.
    KindRenamed {
        /// The job.
        job: JobKey,
        /// Its kind so far.
        from: JobKind,
        /// Its kind from now on.
        to: JobKind,
    },
    /// The node stopped.
    NodeStopped {
        /// Its name.
        name: String,
        /// Fires handed back without having been started.
        released: usize,
        /// Runs that were cancelled because they outlived the limit.
        cancelled: usize,
        /// Runs whose end could not be stored.
        unreported: usize,
    },
    /// The node went over to another state.
    NodeStateChanged {
        /// Its name.
        name: String,
        /// What it is doing from now on.
        state: NodeState,
    },
    /// Edits were stored through this node.
    DefinitionsChanged {
        /// The edits, in the order in which they were applied.
        changes: Arc<[Change]>,
    },
    /// Another process changed something in the store that may make work due; see
    /// [`crate::ClusterStore::changed`].
    StoreChanged,
    /// A run begins.
    JobStarted {
        /// The fire.
        fire: Arc<Fire>,
    },
    /// A run ended.
    JobFinished {
        /// The fire.
        fire: Arc<Fire>,
        /// How long it ran, in milliseconds.
        duration_ms: u64,
        /// `None` when it succeeded, or else the message of its error.
        error: Option<String>,
        /// How many milliseconds from its end the next attempt follows.
        retry_in_ms: Option<u64>,
    },
    /// The end of a run is stored: who reads the history from now on finds it.
    RunStored {
        /// The fire.
        fire: Arc<Fire>,
        /// How it ended.
        status: TaskStatus,
        /// When it ended, UTC.
        ended_at: Timestamp,
        /// How long it ran, in milliseconds.
        duration_ms: u64,
    },
    /// A run of this node was asked to stop.
    CancelRequested {
        /// The fire.
        id: FireId,
        /// Why.
        reason: String,
    },
    /// A run ended, but the fire had been taken away from the node.
    CompletionSuperseded {
        /// The fire.
        id: FireId,
        /// Its job.
        job: JobKey,
    },
    /// Instants of a trigger were given up.
    InstantsSkipped {
        /// The trigger.
        trigger: TriggerKey,
        /// Which instants, and why.
        skip: Skip,
    },
    /// A stored trigger could not be understood; it is in the error state.
    TriggerFailed {
        /// The trigger.
        trigger: TriggerKey,
        /// Why.
        error: String,
    },
    /// A broken invariant was found and mended.
    Repaired(crate::definition::Repair),
    /// Work of a lost node was taken up.
    WorkRecovered(Recovered),
    /// A node was lost, with what it ran or idle. Of several nodes that look, one alone tells it.
    NodeLost {
        /// Its name.
        name: String,
        /// When its lease ended, UTC; `None` for one that is not registered any more and had left runs open.
        lease_until: Option<Timestamp>,
        /// How many of its runs were closed.
        closed: usize,
        /// How many of those run again.
        again: usize,
    },
    /// The store failed; the node tries again.
    StoreFailed {
        /// What the node tried.
        operation: &'static str,
        /// What the store said.
        error: String,
        /// When it tries again, in milliseconds from now.
        retry_in_ms: u64,
        /// How often in a row that has failed, counted from 1.
        failures: u64,
        /// When it failed for the first of these times, UTC.
        since: Timestamp,
    },
    /// What the store had failed to do works again.
    StoreWorks {
        /// What the node tried.
        operation: &'static str,
        /// How often in a row it had failed.
        failures: u64,
        /// When it had failed for the first of these times, UTC.
        since: Timestamp,
    },
    /// The store is gone ([`crate::StoreError::Gone`]): the node runs nothing more. Told once.
    StoreGone {
        /// What the store said.
        error: String,
    },
    /// Something that an application had asked for inside its transaction could not be carried out after the commit.
    RequestRefused(crate::RefusedRequest),
    /// Old history rows were deleted.
    HistoryPruned {
        /// How many.
        rows: u64,
    },
}
