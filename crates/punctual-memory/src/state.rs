//! The maps, and the indexes that are kept with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use punctual_core::time::{from_millis, to_millis};
use punctual_core::{
    CancelledFire, Data, DueKind, FireId, JobKey, JobKind, Node, SkippedRange, StoredCalendar, StoredJob,
    StoredTrigger, TakenKey, TaskHistory, TaskRun, TaskRunId, TaskStatus, Term, TriggerKey, TriggerState,
};

use crate::accounts::Accounts;
use crate::lanes::Lanes;
use crate::locks::Locks;

/// Order of due work: fire time, then priority, then age. The last number is a trigger's id.
pub(crate) type Due = (i64, i64, i64);

/// A row of the history with what only an open fire needs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) entry: TaskHistory,
    pub(crate) term: Term,
    pub(crate) job_id: i64,
    pub(crate) trigger_id: i64,
    pub(crate) lane: Option<i64>,
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
    /// Waiting triggers of jobs with a limit.
    pub(crate) lanes: Lanes,
    pub(crate) open: HashMap<i64, BTreeSet<FireId>>,
    pub(crate) history: BTreeMap<FireId, Row>,
    /// Recorded work that goes on.
    pub(crate) open_tasks: BTreeSet<FireId>,
    pub(crate) runs: BTreeMap<TaskRunId, TaskRun>,
    pub(crate) skipped: Vec<SkippedRange>,
    pub(crate) nodes: BTreeMap<Term, Node>,
    pub(crate) paused_groups: BTreeSet<String>,
    pub(crate) calendars: BTreeMap<String, StoredCalendar>,
    /// Open fires that were asked to stop, with the reason.
    pub(crate) cancelled: BTreeMap<FireId, String>,
    pub(crate) locks: Locks,
    pub(crate) accounts: Accounts,
    pub(crate) requests: BTreeMap<String, TakenKey>,
    /// The last end of a run: none in a lane starts before it.
    pub(crate) last_end: Timestamp,
    last_term: i64,
    last_id: i64,
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

    pub(crate) fn has_open_fires(&self, job_id: i64) -> bool {
        self.open.contains_key(&job_id)
    }

    pub(crate) fn live_node(&self, term: Term, now: Timestamp) -> Option<Node> {
        self.nodes.get(&term).filter(|node| node.lease_until > now).cloned()
    }

    /// Whether recovery has something to do.
    pub(crate) fn has_lost(&self, now: Timestamp) -> bool {
        let live = |term: &Term| self.nodes.get(term).is_some_and(|node| node.lease_until > now);
        let orphan = |id: &FireId| self.history.get(id).is_some_and(|row| !live(&row.term));
        !self.nodes.keys().all(live)
            || self.open.values().flatten().any(orphan)
            || self.has_lost_records(&live)
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
        let new_lane = new.as_ref().and_then(|new| new.lane).map(|lane| lane.id);
        if let Some(new) = new {
            self.index(&new);
            self.trigger_ids.insert(new.definition.key.clone(), id);
            self.of_job.entry(new.job_id).or_default().insert(id);
            self.triggers.insert(id, new);
        }
        let old_lane = old.as_ref().and_then(|old| old.lane).map(|lane| lane.id);
        for lane in [old_lane, new_lane.filter(|lane| Some(*lane) != old_lane)].into_iter().flatten() {
            self.refresh_gates(lane);
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
        let lanes: BTreeSet<i64> =
            triggers.iter().filter_map(|trigger| trigger.lane).map(|lane| lane.id).collect();
        lanes.into_iter().for_each(|lane| self.refresh_gates(lane));
        old
    }

    /// Where a waiting trigger stands in the order, and its job's kind.
    fn place(&self, trigger: &StoredTrigger) -> Option<(Due, JobKind)> {
        if trigger.state != TriggerState::Waiting {
            return None;
        }
        let due = (to_millis(trigger.next_fire_at?), -i64::from(trigger.definition.priority), trigger.id);
        Some((due, self.jobs.get(&trigger.job_id)?.detail.kind.clone()))
    }

    fn index(&mut self, trigger: &StoredTrigger) {
        let Some((due, kind)) = self.place(trigger) else { return };
        match &trigger.lane {
            Some(lane) => self.lanes.insert(lane, trigger.pending.is_some(), &kind, due),
            None => {
                self.due.entry(kind).or_default().insert(due);
            }
        }
    }

    fn unindex(&mut self, trigger: &StoredTrigger) {
        let Some((due, kind)) = self.place(trigger) else { return };
        match &trigger.lane {
            Some(lane) => self.lanes.remove(lane, trigger.pending.is_some(), &kind, due),
            None => {
                if let Some(set) = self.due.get_mut(&kind) {
                    set.remove(&due);
                }
            }
        }
    }

    pub(crate) fn refresh_gates(&mut self, lane: i64) {
        let cancelling = self.lanes.fires(lane).any(|id| self.cancelled.contains_key(&id));
        self.lanes.refresh(lane, cancelling);
    }

    /// The first due work of a kind that is not held back.
    pub(crate) fn head(&self, kind: &JobKind) -> Option<Due> {
        let free = self.due.get(kind).and_then(|set| set.first()).copied();
        [free, self.lanes.head(kind)].into_iter().flatten().min()
    }

    pub(crate) fn due_by_kind(&self, now: i64) -> Vec<DueKind> {
        let mut kinds: BTreeMap<&JobKind, (u64, i64)> = BTreeMap::new();
        for (kind, set) in self.due.iter().chain(self.lanes.gates()) {
            for (at, _, _) in set.iter().take_while(|(at, _, _)| *at <= now) {
                let found = kinds.entry(kind).or_insert((0, *at));
                *found = (found.0 + 1, found.1.min(*at));
            }
        }
        let row = |(kind, (triggers, since)): (&JobKind, (u64, i64))| DueKind {
            kind: kind.clone(),
            triggers,
            since: from_millis(since),
        };
        kinds.into_iter().map(row).collect()
    }

    /// Asks an open fire to stop; whether it is open.
    pub(crate) fn request_cancel(&mut self, id: FireId, reason: &str) -> bool {
        let Some(row) = self.history.get(&id) else { return false };
        if row.entry.status != TaskStatus::Started || row.job_id == 0 {
            return false;
        }
        let lane = row.lane;
        self.cancelled.entry(id).or_insert_with(|| reason.to_owned());
        lane.into_iter().for_each(|lane| self.refresh_gates(lane));
        true
    }

    /// The open fires of a term that were asked to stop.
    pub(crate) fn cancelled_of(&self, term: Term) -> Vec<CancelledFire> {
        let of_term = |id: &FireId| self.history.get(id).is_some_and(|row| row.term == term);
        let cancelled = self.cancelled.iter().filter(|(id, _)| of_term(id));
        cancelled.map(|(id, reason)| CancelledFire { id: *id, term, reason: reason.clone() }).collect()
    }

    /// How many fires are open under each term.
    pub(crate) fn open_by_term(&self) -> Vec<(Term, u64)> {
        let mut counts = BTreeMap::new();
        for row in self.open.values().flatten().filter_map(|id| self.history.get(id)) {
            *counts.entry(row.term).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    pub(crate) fn open_fire(&mut self, row: Row) {
        let (job_id, id, lane) = (row.job_id, row.entry.id, row.lane);
        self.open.entry(job_id).or_default().insert(id);
        self.history.insert(id, row);
        if let Some(lane) = lane {
            self.lanes.open_fire(lane, id);
            self.refresh_gates(lane);
        }
    }

    /// Takes a fire out of the open ones; its row stays.
    pub(crate) fn shut_fire(&mut self, job_id: i64, lane: Option<i64>, id: FireId) {
        if let Some(open) = self.open.get_mut(&job_id) {
            open.remove(&id);
            if open.is_empty() {
                self.open.remove(&job_id);
            }
        }
        self.cancelled.remove(&id);
        if let Some(lane) = lane {
            self.lanes.shut_fire(lane, id);
            self.refresh_gates(lane);
        }
    }
}
