//! A store in memory: a mutex and maps. It forgets everything when it is dropped, and is the reference that the
//! other stores are compared with.

mod accounts;
mod firing;
mod lanes;
mod locks;
mod queries;
mod records;
mod requests;
mod state;
mod tx;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::definition::{Expired, Expiry, Repair};
use punctual_core::time::{plus_millis, to_millis, whole_millis};
use punctual_core::{
    Applied, Change, Claim, Claimed, ClusterStore, ClusterView, Completed, Completion, DefinitionStore,
    DueKind, Fire, FireId, FiringStore, Heartbeat, HeldLock, HistoryQuery, HistoryStore, Insight,
    InsightsQuery, JobKey, JobKind, JobQuery, LockAnswer, LockRequest, NewTaskRun, Node, Page, Progress,
    Recovery, Retention, SkippedQuery, SkippedRange, StateCounts, StoreError, StoredCalendar, StoredJob,
    StoredTrigger, TaskEnd, TaskHistory, TaskRecord, TaskRun, TaskRunEntity, TaskRunId, TaskRunQuery,
    TaskRunStatus, Term, TriggerKey, TriggerQuery, definition,
};

use crate::state::State;
use crate::tx::Tx;

/// Jobs, triggers and history in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside would be a bug of this crate; going on with what is there is better than refusing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore (not persistent, one process)")
    }
}

#[async_trait]
impl DefinitionStore for MemoryStore {
    async fn apply(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let mut state = self.state();
        let mut tx = Tx::new(&mut state);
        let mut applied = Vec::with_capacity(changes.len());
        for change in changes {
            match definition::apply(&mut tx, now, change) {
                Ok(one) => applied.push(one),
                Err(error) => {
                    tx.undo();
                    return Err(error);
                }
            }
        }
        Ok(applied)
    }

    async fn job(&self, key: &JobKey) -> Result<Option<StoredJob>, StoreError> {
        Ok(self.state().job(key).cloned())
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Page<StoredJob>, StoreError> {
        Ok(queries::jobs(&self.state(), query))
    }

    async fn trigger(&self, key: &TriggerKey) -> Result<Option<StoredTrigger>, StoreError> {
        Ok(self.state().trigger(key).cloned())
    }

    async fn triggers(&self, query: &TriggerQuery) -> Result<Page<StoredTrigger>, StoreError> {
        Ok(queries::triggers(&self.state(), query))
    }

    async fn open_in_lanes(&self, lanes: &[i64]) -> Result<Vec<(i64, u64)>, StoreError> {
        let state = self.state();
        Ok(lanes.iter().map(|lane| (*lane, state.lanes.open(*lane))).collect())
    }

    async fn job_kinds(&self) -> Result<Vec<JobKind>, StoreError> {
        let state = self.state();
        let kinds: BTreeSet<JobKind> = state.jobs.values().map(|job| job.detail.kind.clone()).collect();
        Ok(kinds.into_iter().collect())
    }

    async fn calendars(&self) -> Result<Vec<StoredCalendar>, StoreError> {
        Ok(self.state().calendars.values().cloned().collect())
    }

    async fn calendar(&self, name: &str) -> Result<Option<StoredCalendar>, StoreError> {
        Ok(self.state().calendars.get(name).cloned())
    }

    async fn paused_groups(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.state().paused_groups.iter().cloned().collect())
    }

    async fn state_counts(&self, now: Timestamp) -> Result<StateCounts, StoreError> {
        Ok(queries::state_counts(&self.state(), now))
    }
}

#[async_trait]
impl FiringStore for MemoryStore {
    async fn claim_due(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let mut state = self.state();
        let node = state.live_node(claim.term, claim.now).ok_or(StoreError::StaleTerm)?;
        Ok(firing::claim(&mut state, &node, claim))
    }

    async fn complete(&self, now: Timestamp, done: &[Completion]) -> Result<Vec<Completed>, StoreError> {
        let mut state = self.state();
        done.iter().map(|one| firing::complete(&mut state, now, one)).collect()
    }

    async fn release(&self, now: Timestamp, term: Term, fires: &[Fire]) -> Result<u64, StoreError> {
        let mut state = self.state();
        let mut released = 0;
        for fire in fires {
            released += u64::from(firing::release(&mut state, now, term, fire)?);
        }
        Ok(released)
    }

    async fn expire(&self, now: Timestamp, expiry: &Expiry) -> Result<Expired, StoreError> {
        definition::expire(&mut Tx::new(&mut self.state()), now, expiry)
    }

    async fn repair(&self, now: Timestamp) -> Result<Vec<Repair>, StoreError> {
        definition::repair(&mut Tx::new(&mut self.state()), now)
    }

    async fn due_by_kind(&self, now: Timestamp) -> Result<Vec<DueKind>, StoreError> {
        Ok(self.state().due_by_kind(to_millis(whole_millis(now))))
    }

    async fn request_cancel(&self, id: FireId, reason: &str) -> Result<bool, StoreError> {
        Ok(self.state().request_cancel(id, reason))
    }
}

#[async_trait]
impl HistoryStore for MemoryStore {
    async fn record(&self, rows: &[TaskRecord]) -> Result<Vec<FireId>, StoreError> {
        let mut state = self.state();
        Ok(rows.iter().map(|row| state.record(row)).collect())
    }

    async fn end_tasks(&self, ends: &[TaskEnd]) -> Result<Vec<Completed>, StoreError> {
        let mut state = self.state();
        Ok(ends.iter().map(|end| state.end_task(end)).collect())
    }

    async fn put_progress(&self, term: Term, rows: &[(FireId, Progress)]) -> Result<(), StoreError> {
        self.state().put_progress(term, rows);
        Ok(())
    }

    async fn open_run(&self, run: &NewTaskRun) -> Result<TaskRunId, StoreError> {
        Ok(self.state().open_run(run))
    }

    async fn close_run(&self, now: Timestamp, id: TaskRunId) -> Result<Option<TaskRunStatus>, StoreError> {
        Ok(self.state().close_run(now, id))
    }

    async fn runs(&self, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError> {
        Ok(queries::runs(&self.state(), query))
    }

    async fn run_ids(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError> {
        Ok(queries::runs(&self.state(), query).rows.into_iter().map(|run| run.id).collect())
    }

    async fn run(&self, id: TaskRunId) -> Result<Option<TaskRun>, StoreError> {
        Ok(self.state().counted_run(id))
    }

    async fn run_entities(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunEntity>, StoreError> {
        Ok(queries::run_entities(&self.state(), query))
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Page<TaskHistory>, StoreError> {
        if query.has_no_place() {
            return Err(StoreError::Other(HistoryQuery::NO_PLACE.to_owned()));
        }
        Ok(queries::history(&self.state(), query))
    }

    async fn history_entry(&self, id: FireId) -> Result<Option<TaskHistory>, StoreError> {
        Ok(self.state().history.get(&id).map(|row| row.entry.clone()))
    }

    async fn insights(&self, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError> {
        Ok(queries::insights(&self.state(), query))
    }

    async fn arrange(&self, _at_most: u64) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn unique_tasks(&self) -> Result<Vec<String>, StoreError> {
        Ok(queries::unique_tasks(&self.state()))
    }

    async fn skipped(&self, query: &SkippedQuery) -> Result<Page<SkippedRange>, StoreError> {
        Ok(queries::skipped(&self.state(), query))
    }

    async fn prune(&self, retention: &Retention) -> Result<u64, StoreError> {
        Ok(self.state().prune(retention))
    }
}

#[async_trait]
impl ClusterStore for MemoryStore {
    async fn heartbeat(&self, beat: &Heartbeat) -> Result<ClusterView, StoreError> {
        let mut state = self.state();
        let lease_until = plus_millis(beat.now, i64::try_from(beat.lease_ms).unwrap_or(i64::MAX));
        // Also when it has run out: a recovery would have removed it.
        let renewed = beat.term.filter(|term| state.nodes.contains_key(term));
        let taken =
            |node: &Node| node.name == beat.name && node.lease_until > beat.now && Some(node.term) != renewed;
        if state.nodes.values().any(taken) {
            return Err(StoreError::NameTaken(beat.name.clone()));
        }
        let term = renewed.unwrap_or_else(|| state.next_term());
        let now = whole_millis(beat.now);
        let known = state.nodes.get(&term).map(|node| (node.started_at, node.draining));
        let (started_at, draining) = known.unwrap_or((now, beat.draining));
        let node = Node {
            name: beat.name.clone(),
            term,
            version: beat.version.clone(),
            state: beat.state,
            kinds: beat.kinds.clone(),
            slots: Some(beat.slots),
            draining,
            started_at,
            seen_at: now,
            lease_until: whole_millis(lease_until),
            clock_offset_ms: beat.clock_offset_ms,
            clock_uncertainty_ms: beat.clock_uncertainty_ms,
        };
        state.nodes.insert(term, node);
        let nodes = state.nodes.values().filter(|node| node.lease_until > beat.now).cloned().collect();
        let cancelled = state.cancelled_of(term);
        let lost = state.has_lost(now);
        Ok(ClusterView { term, nodes, cancelled, store_now: None, lost, requests_since: None })
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        Ok(self.state().nodes.values().cloned().collect())
    }

    async fn drain(&self, now: Timestamp, term: Term, draining: bool) -> Result<bool, StoreError> {
        let mut state = self.state();
        let node = state.nodes.get_mut(&term).filter(|node| node.lease_until > now);
        Ok(node.map(|node| node.draining = draining).is_some())
    }

    async fn open_by_term(&self) -> Result<Vec<(Term, u64)>, StoreError> {
        Ok(self.state().open_by_term())
    }

    async fn retire(&self, _now: Timestamp, term: Term) -> Result<(), StoreError> {
        self.state().nodes.remove(&term);
        Ok(())
    }

    async fn recover(&self, now: Timestamp) -> Result<Recovery, StoreError> {
        firing::recover(&mut self.state(), now)
    }

    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer, StoreError> {
        Ok(self.state().locks.take(request))
    }

    async fn renew_lock(&self, token: i64, now: Timestamp, lease_ms: u64) -> Result<bool, StoreError> {
        Ok(self.state().locks.renew(token, now, lease_ms))
    }

    async fn unlock(&self, token: i64) -> Result<bool, StoreError> {
        Ok(self.state().locks.give_up(token))
    }

    async fn locks(&self, now: Timestamp) -> Result<Vec<HeldLock>, StoreError> {
        Ok(self.state().locks.held(now))
    }
}
