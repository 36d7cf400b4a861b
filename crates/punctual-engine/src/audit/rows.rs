//! What is kept of the history while it is read.

use std::collections::{HashMap, HashSet};

use punctual_core::audit::lanes::{self, Place};
use punctual_core::audit::{First, Problem, Run, Sweep, attempts};
use punctual_core::{FireId, JobKey, StoredJob, StoredTrigger, TaskHistory, TriggerKey};

/// What one part of the history holds.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) firsts: HashMap<TriggerKey, Vec<First>>,
    /// Failed and lost attempts, by fire.
    reasons: HashSet<(FireId, u32)>,
    further: Vec<(FireId, u32)>,
}

impl Rows {
    pub(super) fn take(&mut self, row: &TaskHistory) {
        if let (Some(key), Some(first)) = (&row.trigger, First::of(row)) {
            self.firsts.entry(key.clone()).or_default().push(first);
        }
        if attempts::gives_reason(row.status) {
            self.reasons.insert((row.origin, row.attempt));
        }
        if row.attempt > 1 {
            self.further.push((row.origin, row.attempt));
        }
    }

    /// Fires with attempts that seem to have no reason, or to exist twice.
    pub(super) fn suspects(&mut self) -> Vec<FireId> {
        self.further.sort_unstable();
        let twice = self.further.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].0);
        let reason = |(origin, attempt): &(FireId, u32)| self.reasons.contains(&(*origin, attempt - 1));
        let alone = self.further.iter().filter(|further| !reason(further)).map(|(origin, _)| *origin);
        let mut suspects: Vec<FireId> = alone.chain(twice).collect();
        suspects.sort_unstable();
        suspects.dedup();
        suspects
    }
}

/// Looks for overlapping runs while the history goes by.
pub(super) struct Lanes {
    pub(super) sweep: Sweep,
    /// The triggers of jobs whose lanes depend on the triggers' data.
    pub(super) triggers: HashMap<TriggerKey, StoredTrigger>,
    pub(super) problems: Vec<Problem>,
    pub(super) count: u64,
    /// Runs whose lane is not known: their definitions have changed since.
    pub(super) earlier: u64,
    /// Runs whose lane depends on data that are not known.
    pub(super) not_known: u64,
}

impl Lanes {
    pub(super) fn new(tolerance_ms: u32) -> Self {
        Self {
            sweep: Sweep::new(tolerance_ms),
            triggers: HashMap::new(),
            problems: Vec::new(),
            count: 0,
            earlier: 0,
            not_known: 0,
        }
    }

    /// Takes the next row; keeps up to `keep` problems.
    pub(super) fn take(&mut self, row: &TaskHistory, jobs: &HashMap<JobKey, StoredJob>, keep: usize) {
        let Some(key) = &row.job else { return };
        let Some(job) = jobs.get(key) else {
            self.earlier += 1;
            return;
        };
        let trigger = row.trigger.as_ref().and_then(|key| self.triggers.get(key));
        let lane = match lanes::place(row, job, trigger) {
            Place::In(lane) => lane,
            Place::Free => return,
            Place::Earlier => {
                self.earlier += 1;
                return;
            }
            Place::NotKnown => {
                self.not_known += 1;
                return;
            }
        };
        let subject = row.trigger.as_ref().map_or_else(|| key.to_string(), ToString::to_string);
        let run = Run { id: row.id, subject, started_at: row.started_at, ended_at: row.ended_at };
        if let Some(problem) = self.sweep.start(lane, run) {
            self.count += 1;
            if self.problems.len() < keep {
                self.problems.push(problem);
            }
        }
    }
}
