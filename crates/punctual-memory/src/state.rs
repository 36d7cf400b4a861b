//! The maps, and the indexes that are kept with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use punctual_core::time::to_millis;
use punctual_core::{
    Cause, Data, FireId, JobKey, JobKind, Node, Overlap, Retention, SkippedRange, StoredJob, StoredTrigger,
    TaskHistory, TaskRecord, TaskStatus, Term, TriggerKey, TriggerState,
};

/// Order of due work: fire time, then priority, then age. The last number is a trigger's id, or a job's in the
/// index of gates.
pub(crate) type Due = (i64, i64, i64);

/// A row of the history with what only an open fire needs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) entry: TaskHistory,
    pub(crate) term: Term,
    pub(crate) job_id: i64,
    pub(crate) trigger_id: i64,
    /// The trigger's data, for recovery.
    pub(crate) data: Data,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) jobs: HashMap<i64, StoredJob>,
    pub(crate) job_ids: BTreeMap<JobKey, i64>,
    pub(crate) triggers: HashMap<i64, StoredTrigger>,
    pub(crate) trigger_ids: BTreeMap<TriggerKey, i64>,
    pub(crate) of_job: HashMap<i64, BTreeSet<i64>>,
    /// Waiting triggers of jobs that may overlap, by kind.
    due: HashMap<JobKind, BTreeSet<Due>>,
    /// Waiting triggers of each non-concurrent job.
    lanes: HashMap<i64, BTreeSet<Due>>,
    /// The head of each open lane, by kind; the number is the job's.
    gates: HashMap<JobKind, BTreeSet<Due>>,
    /// Where each job's gate stands, and the trigger at it.
    gate_of: HashMap<i64, (JobKind, Due, i64)>,
    pub(crate) open: HashMap<i64, BTreeSet<FireId>>,
    pub(crate) history: BTreeMap<FireId, Row>,
    pub(crate) skipped: Vec<SkippedRange>,
    pub(crate) nodes: BTreeMap<Term, Node>,
    pub(crate) paused_groups: BTreeSet<String>,
    last_term: i64,
    last_id: i64,
}

/// Something that may be claimed next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) at: i64,
    pub(crate) rank: i64,
    pub(crate) trigger_id: i64,
}

impl State {
    pub(crate) fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn next_term(&mut self) -> Term {
        self.last_term += 1;
        Term(self.last_term)
    }

    pub(crate) fn job(&self, key: &JobKey) -> Option<&StoredJob> {
        self.job_ids.get(key).and_then(|id| self.jobs.get(id))
    }

    pub(crate) fn trigger(&self, key: &TriggerKey) -> Option<&StoredTrigger> {
        self.trigger_ids.get(key).and_then(|id| self.triggers.get(id))
    }

    pub(crate) fn is_exclusive(&self, job_id: i64) -> bool {
        self.jobs.get(&job_id).is_some_and(|job| !job.detail.concurrent)
    }

    pub(crate) fn has_open_fires(&self, job_id: i64) -> bool {
        self.open.contains_key(&job_id)
    }

    pub(crate) fn live_node(&self, term: Term, now: Timestamp) -> Option<Node> {
        self.nodes.get(&term).filter(|node| node.lease_until > now).cloned()
    }

    /// Puts, replaces or removes a trigger with its index entries; returns what was there.
    pub(crate) fn set_trigger(&mut self, id: i64, new: Option<StoredTrigger>) -> Option<StoredTrigger> {
        let old = self.triggers.remove(&id);
        if let Some(old) = &old {
            self.unindex(old);
            self.trigger_ids.remove(&old.definition.key);
            if let Some(ids) = self.of_job.get_mut(&old.job_id) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.of_job.remove(&old.job_id);
                }
            }
        }
        let new_job = new.as_ref().map(|new| new.job_id);
        if let Some(new) = new {
            self.index(&new);
            self.trigger_ids.insert(new.definition.key.clone(), id);
            self.of_job.entry(new.job_id).or_default().insert(id);
            self.triggers.insert(id, new);
            // The gate is recomputed below, once the trigger is in its place.
        }
        let old_job = old.as_ref().map(|old| old.job_id);
        for job in [old_job, new_job.filter(|job| Some(*job) != old_job)].into_iter().flatten() {
            self.refresh_gate(job);
        }
        old
    }

    /// Puts, replaces or removes a job; returns what was there. Its triggers move to the index of its kind.
    pub(crate) fn set_job(&mut self, id: i64, new: Option<StoredJob>) -> Option<StoredJob> {
        let triggers: Vec<StoredTrigger> = self
            .of_job
            .get(&id)
            .map(|ids| ids.iter().filter_map(|id| self.triggers.get(id).cloned()).collect())
            .unwrap_or_default();
        triggers.iter().for_each(|trigger| self.unindex(trigger));
        let old = self.jobs.remove(&id);
        if let Some(old) = &old {
            self.job_ids.remove(&old.detail.key);
        }
        if let Some(new) = new {
            self.job_ids.insert(new.detail.key.clone(), id);
            self.jobs.insert(id, new);
        }
        triggers.iter().for_each(|trigger| self.index(trigger));
        self.refresh_gate(id);
        old
    }

    fn place(&mut self, trigger: &StoredTrigger) -> Option<(&mut BTreeSet<Due>, Due)> {
        if trigger.state != TriggerState::Waiting {
            return None;
        }
        let at = to_millis(trigger.next_fire_at?);
        let due = (at, -i64::from(trigger.definition.priority), trigger.id);
        let job = self.jobs.get(&trigger.job_id)?;
        let set = if job.detail.concurrent {
            self.due.entry(job.detail.kind.clone()).or_default()
        } else {
            self.lanes.entry(trigger.job_id).or_default()
        };
        Some((set, due))
    }

    fn index(&mut self, trigger: &StoredTrigger) {
        if let Some((set, due)) = self.place(trigger) {
            set.insert(due);
        }
    }

    fn unindex(&mut self, trigger: &StoredTrigger) {
        if let Some((set, due)) = self.place(trigger) {
            set.remove(&due);
        }
    }

    /// Recomputes the gate of a non-concurrent job. It stands open at the job's first waiting trigger while no fire
    /// of the job is open. Where the overlap policy is to skip, it also stands open for schedules (which then give
    /// up what is due) while one is; pending runs wait.
    pub(crate) fn refresh_gate(&mut self, job_id: i64) {
        if let Some((kind, due, _)) = self.gate_of.remove(&job_id)
            && let Some(set) = self.gates.get_mut(&kind)
        {
            set.remove(&due);
        }
        let Some(job) = self.jobs.get(&job_id).filter(|job| !job.detail.concurrent) else { return };
        let busy = self.open.contains_key(&job_id);
        if busy && job.detail.overlap != Overlap::Skip {
            return;
        }
        let fits = |id: &i64| !busy || self.triggers.get(id).is_some_and(|trigger| trigger.pending.is_none());
        let mut lane = self.lanes.get(&job_id).into_iter().flatten();
        let Some((at, rank, trigger)) = lane.find(|(_, _, id)| fits(id)).copied() else { return };
        let (kind, due) = (job.detail.kind.clone(), (at, rank, job_id));
        self.gates.entry(kind.clone()).or_default().insert(due);
        self.gate_of.insert(job_id, (kind, due, trigger));
    }

    /// The first due work of a kind that is not held back.
    pub(crate) fn head(&self, kind: &JobKind) -> Option<Head> {
        let free = self.due.get(kind).and_then(|set| set.first()).copied();
        let gate =
            self.gates.get(kind).and_then(|set| set.first()).and_then(|(at, rank, job)| {
                self.gate_of.get(job).map(|(_, _, trigger)| (*at, *rank, *trigger))
            });
        let (at, rank, trigger_id) = [free, gate].into_iter().flatten().min()?;
        Some(Head { at, rank, trigger_id })
    }

    pub(crate) fn open_fire(&mut self, row: Row) {
        let (job_id, id) = (row.job_id, row.entry.id);
        self.open.entry(job_id).or_default().insert(id);
        self.history.insert(id, row);
        self.refresh_gate(job_id);
    }

    /// Takes a fire out of the open ones; its row stays.
    pub(crate) fn shut_fire(&mut self, job_id: i64, id: FireId) {
        if let Some(open) = self.open.get_mut(&job_id) {
            open.remove(&id);
            if open.is_empty() {
                self.open.remove(&job_id);
            }
        }
        self.refresh_gate(job_id);
    }

    pub(crate) fn record(&mut self, record: &TaskRecord) -> FireId {
        let id = FireId(self.next_id());
        let entry = TaskHistory {
            id,
            task: record.task.clone(),
            status: record.status,
            started_at: record.started_at,
            ended_at: record.ended_at,
            duration_ms: record.duration_ms,
            details: record.details.clone(),
            db_id: record.db_id,
            job: None,
            trigger: None,
            scheduled_at: None,
            node: record.node.clone(),
            attempt: 1,
            origin: id,
            cause: Cause::Manual,
        };
        let row = Row { entry, term: Term(0), job_id: 0, trigger_id: 0, data: Data::empty() };
        self.history.insert(id, row);
        id
    }

    pub(crate) fn prune(&mut self, retention: &Retention) -> u64 {
        let ended: Vec<FireId> = self
            .history
            .values()
            .filter(|row| row.entry.status != TaskStatus::Started)
            .map(|row| row.entry.id)
            .collect();
        let surplus = match retention.max_rows {
            Some(keep) => ended.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX)),
            None => 0,
        };
        let too_old = |id: &FireId| {
            let ended_at = self.history.get(id).and_then(|row| row.entry.ended_at);
            retention.ended_before.is_some_and(|limit| ended_at.is_some_and(|at| at < limit))
        };
        let doomed: Vec<FireId> = ended
            .iter()
            .enumerate()
            .filter(|(at, id)| *at < surplus || too_old(id))
            .map(|(_, id)| *id)
            .take(usize::try_from(retention.chunk).unwrap_or(usize::MAX))
            .collect();
        for id in &doomed {
            self.history.remove(id);
        }
        doomed.len() as u64
    }
}
