//! Kinds of jobs, which not every node knows, and which nobody knows for a while.

use std::collections::HashSet;

use jiff::Timestamp;
use punctual_core::{
    Change, Fire, JobDetail, JobKey, JobKind, SkipReason, SkippedQuery, SkippedRange, TriggerQuery,
    TriggerState, UnknownKind,
};
use punctual_engine::{Job, JobContext, JobRegistry, JobResult};

use super::{World, block_on};

/// All kinds that there are.
pub(super) const ALL: [&str; 2] = [Common::KIND, Rare::KIND];

/// Many nodes know it.
struct Common;
/// Few nodes know it.
struct Rare;

impl Job for Common {
    const KIND: &'static str = "common";
    type Data = serde_json::Value;

    // The simulation ends runs itself; nothing is executed.
    async fn run(&self, _: JobContext<serde_json::Value>) -> JobResult {
        Ok(())
    }
}

impl Job for Rare {
    const KIND: &'static str = "rare";
    type Data = serde_json::Value;

    async fn run(&self, _: JobContext<serde_json::Value>) -> JobResult {
        Ok(())
    }
}

/// What a node registers that knows these kinds.
pub(super) fn registry(kinds: &[&str]) -> JobRegistry {
    let mut registry = JobRegistry::new();
    for kind in kinds {
        match *kind {
            Common::KIND => registry.register(Common),
            _ => registry.register(Rare),
        };
    }
    registry
}

impl World {
    /// The kind of a job.
    pub(super) fn some_kind(&mut self) -> &'static str {
        ALL[usize::from(self.random.chance(40))]
    }

    /// The kinds that a node knows.
    pub(super) fn some_kinds(&mut self) -> &'static [&'static str] {
        match self.random.below(10) {
            0..5 => &ALL[..1],
            5 => &ALL[1..],
            _ => &ALL,
        }
    }

    /// A kind got another name, which replaces the old one in a stored job, whatever waits and runs of it.
    pub(super) fn rename_kind(&mut self, job: &JobDetail) {
        let [one, other] = ALL.map(JobKind::new);
        let (from, to) = if self.random.chance(50) { (one, other) } else { (other, one) };
        let expected = u64::from(job.kind == from);
        let Some(applied) = self.apply(Change::ChangeKind { job: job.key.clone(), from, to: to.clone() })
        else {
            return;
        };
        let is_stored = block_on(self.store.job(&job.key)).unwrap().is_some();
        if is_stored && applied.updated != expected {
            self.fail(&format!("{} of {expected} jobs took the kind {to}: {}", applied.updated, job.key));
        }
        self.jobs.insert(job.key.clone(), JobDetail { kind: to, ..job.clone() });
    }

    /// The kind of a job is no more, and the job goes with all that waits of it.
    pub(super) fn retire_job(&mut self, job: JobKey) {
        self.forget_waiting(&job);
        self.apply(Change::DeleteJob(job));
    }

    /// Whether a node was handed what it knows, and by the name that the kind has.
    pub(super) fn check_kind(&self, which: usize, fire: &Fire) {
        let kind = &fire.job.kind;
        if !self.processes[which].kinds.contains(kind) {
            self.fail(&format!("a node was handed a run of {kind}, which it does not know"));
        }
        if *kind != self.jobs[&fire.job.key].kind {
            self.fail(&format!("a run of {} was handed out as {kind}", fire.job.key));
        }
    }

    fn skips(&self, job: &JobDetail) -> bool {
        job.unknown_kind.unwrap_or(self.unknown_kind) == UnknownKind::Skip
    }

    /// A node gives up overdue instants of kinds that it finds nobody for.
    pub(super) fn expire(&mut self, which: usize) {
        let now = self.now_of(which);
        // Their leases are good by their own clocks, and so for all the others.
        let trusted = self.processes.iter().filter(|other| other.node.trusts_lease(other.node.clock().now()));
        let served: HashSet<JobKind> = trusted.flat_map(|process| process.kinds.iter().cloned()).collect();
        let given_up = match block_on(self.processes[which].node.expire(now)) {
            Ok(ranges) => ranges,
            Err(error) => self.fail(&format!("instants of unknown kinds could not be given up: {error}")),
        };
        if given_up > 0 {
            self.check_given_up(given_up, now, &served);
        }
        let nodes = block_on(self.store.nodes()).unwrap();
        let live = nodes.iter().filter(|node| node.lease_until > now);
        let known: HashSet<JobKind> = live.flat_map(|node| node.kinds.iter().cloned()).collect();
        if known.len() < ALL.len() {
            self.check_none_left(now, &known);
        }
    }

    /// Whether these ranges are recorded, and were rightly given up.
    fn check_given_up(&mut self, ranges: usize, now: Timestamp, served: &HashSet<JobKind>) {
        let query = SkippedQuery { reason: Some(SkipReason::Expired), ..SkippedQuery::default() };
        let mut rows = block_on(self.store.skipped(&query)).unwrap().rows;
        rows.retain(|row| row.id > self.expired);
        if rows.len() != ranges {
            self.fail(&format!("{ranges} ranges were given up, and {} recorded", rows.len()));
        }
        for row in rows {
            self.expired = self.expired.max(row.id);
            let job = &self.jobs[&row.job];
            if served.contains(&job.kind) {
                self.fail(&format!("{row:?} was given up, and a live node knows {}", job.kind));
            }
            if !self.skips(job) {
                self.fail(&format!("{row:?} was given up, and {} is to wait", job.key));
            }
            self.check_late(&row, now);
        }
    }

    /// Whether a range was given up only when it was late. Where a calendar may have changed, the first instant says
    /// nothing about when the trigger was due.
    fn check_late(&self, row: &SkippedRange, now: Timestamp) {
        let Some(trigger) = block_on(self.store.trigger(&row.trigger)).unwrap() else { return };
        let late = now.duration_since(row.skip.first).as_millis();
        let limit = i128::from(trigger.misfire_threshold_ms());
        if trigger.definition.calendar.is_none() && late <= limit {
            self.fail(&format!("{row:?} was given up after {late} ms"));
        }
    }

    /// Whether nothing is left that should have been given up, where nodes that know these kinds are live.
    fn check_none_left(&self, now: Timestamp, known: &HashSet<JobKind>) {
        for trigger in block_on(self.store.triggers(&TriggerQuery::default())).unwrap().rows {
            let Some(due) = trigger.next_fire_at else { continue };
            let job = &self.jobs[&trigger.definition.job];
            let waits = trigger.pending.is_some() || trigger.state != TriggerState::Waiting;
            let late = now.duration_since(due).as_millis() > i128::from(trigger.misfire_threshold_ms());
            if late && !waits && !known.contains(&job.kind) && self.skips(job) {
                self.fail(&format!("nobody knows {}, and this waits: {trigger:?}", job.kind));
            }
        }
    }
}
