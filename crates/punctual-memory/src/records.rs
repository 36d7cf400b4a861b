//! Recorded work, task runs, and the clean-up of both.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use punctual_core::time::whole_millis;
use punctual_core::{
    Cause, Completed, Data, FireId, NewTaskRun, Progress, Retention, TaskCounts, TaskEnd, TaskHistory,
    TaskRecord, TaskRun, TaskRunId, TaskRunStatus, TaskStatus, Term,
};

use crate::state::{Row, State};

impl State {
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
            term: record.term,
            attempt: 1,
            origin: id,
            cause: Cause::Manual,
            parent: record.parent,
            run: record.run,
            logs: record.logs.clone(),
            progress: record.progress.clone(),
        };
        let term = record.term.unwrap_or(Term(0));
        let row = Row { entry, term, job_id: 0, trigger_id: 0, lane: None, data: Data::empty() };
        if record.status == TaskStatus::Started {
            self.open_tasks.insert(id);
        }
        self.history.insert(id, row);
        id
    }

    pub(crate) fn end_task(&mut self, end: &TaskEnd) -> Completed {
        let row = self.history.get_mut(&end.id).filter(|row| row.entry.term == Some(end.term));
        let Some(row) = row.filter(|_| self.open_tasks.remove(&end.id)) else { return Completed::Superseded };
        row.entry.status = end.status;
        row.entry.ended_at = Some(whole_millis(end.ended_at));
        row.entry.duration_ms = Some(end.duration_ms);
        row.entry.details.clone_from(&end.details);
        row.entry.logs = Some(end.logs.clone());
        if end.progress.is_some() {
            row.entry.progress.clone_from(&end.progress);
        }
        Completed::Closed
    }

    pub(crate) fn put_progress(&mut self, term: Term, rows: &[(FireId, Progress)]) {
        for (id, progress) in rows {
            let row = self.history.get_mut(id).filter(|row| row.entry.term == Some(term));
            if let Some(row) = row.filter(|row| row.entry.status == TaskStatus::Started) {
                row.entry.progress = Some(progress.clone());
            }
        }
    }

    pub(crate) fn has_lost_records(&self, live: &impl Fn(&Term) -> bool) -> bool {
        let lost = |term: &Option<Term>| term.as_ref().is_some_and(|term| !live(term));
        self.open_tasks.iter().filter_map(|id| self.history.get(id)).any(|row| lost(&row.entry.term))
            || self.runs.values().any(|run| run.status == TaskRunStatus::Started && lost(&run.term))
    }

    /// Closes recorded work and runs whose node is gone.
    pub(crate) fn close_lost_records(&mut self, now: Timestamp) {
        let live: BTreeSet<Term> =
            self.nodes.values().filter(|node| node.lease_until > now).map(|node| node.term).collect();
        let lost = |term: Option<Term>| term.is_some_and(|term| !live.contains(&term));
        for id in self.open_tasks.clone() {
            if let Some(row) = self.history.get_mut(&id).filter(|row| lost(row.entry.term)) {
                row.entry.status = TaskStatus::Unknown;
                row.entry.ended_at = Some(now);
                self.open_tasks.remove(&id);
            }
        }
        for run in self.runs.values_mut() {
            if run.status == TaskRunStatus::Started && lost(run.term) {
                run.status = TaskRunStatus::Abandoned;
                run.ended_at = Some(now);
            }
        }
    }

    pub(crate) fn open_run(&mut self, run: &NewTaskRun) -> TaskRunId {
        let id = TaskRunId(self.next_id());
        let stored = TaskRun {
            id,
            run_type: run.run_type.clone(),
            entity: run.entity.clone(),
            started_at: run.started_at,
            ended_at: None,
            status: TaskRunStatus::Started,
            node: run.node.clone(),
            term: run.term,
            tasks: TaskCounts::default(),
        };
        self.runs.insert(id, stored);
        id
    }

    /// How the tasks of all runs stand that have some.
    pub(crate) fn tasks_of_runs(&self) -> HashMap<TaskRunId, TaskCounts> {
        let mut counts: HashMap<TaskRunId, TaskCounts> = HashMap::new();
        for entry in self.history.values().map(|row| &row.entry) {
            let Some(run) = entry.run else { continue };
            let of_run = counts.entry(run).or_default();
            of_run.all += 1;
            of_run.success += u64::from(entry.status == TaskStatus::Success);
            of_run.failed += u64::from(entry.status == TaskStatus::Failed);
        }
        counts
    }

    fn tasks_of(&self, id: TaskRunId) -> TaskCounts {
        let of_run = || self.history.values().filter(|row| row.entry.run == Some(id));
        let with = |status| of_run().filter(|row| row.entry.status == status).count() as u64;
        TaskCounts {
            all: of_run().count() as u64,
            success: with(TaskStatus::Success),
            failed: with(TaskStatus::Failed),
        }
    }

    pub(crate) fn counted_run(&self, id: TaskRunId) -> Option<TaskRun> {
        let run = self.runs.get(&id)?.clone();
        Some(TaskRun { tasks: self.tasks_of(id), ..run })
    }

    pub(crate) fn close_run(&mut self, now: Timestamp, id: TaskRunId) -> Option<TaskRunStatus> {
        let tasks = self.tasks_of(id);
        let run = self.runs.get_mut(&id)?;
        if run.status == TaskRunStatus::Started {
            run.status = TaskRunStatus::of_tasks(tasks);
            run.ended_at = Some(whole_millis(now));
        }
        Some(run.status)
    }

    pub(crate) fn prune(&mut self, retention: &Retention) -> u64 {
        let ended: Vec<FireId> = self
            .history
            .values()
            .filter(|row| row.entry.status != TaskStatus::Started)
            .filter(|row| retention.job.is_none() || row.entry.job == retention.job)
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
        let newest =
            doomed.iter().filter_map(|id| self.history.get(id)).map(|row| row.entry.started_at).max();
        let removed = self.remove_rows(doomed);
        if let Some(newest) = newest.filter(|_| retention.job.is_none()) {
            self.remove_empty_runs(newest);
        }
        removed
    }

    /// Removes rows with their ended children; returns how many.
    fn remove_rows(&mut self, mut doomed: Vec<FireId>) -> u64 {
        let mut removed = 0;
        while !doomed.is_empty() {
            removed += doomed.len() as u64;
            for id in &doomed {
                self.history.remove(id);
            }
            let gone: BTreeSet<FireId> = doomed.into_iter().collect();
            let ended = self.history.values().filter(|row| row.entry.status != TaskStatus::Started);
            doomed = ended
                .filter(|row| row.entry.parent.is_some_and(|parent| gone.contains(&parent)))
                .map(|row| row.entry.id)
                .collect();
        }
        removed
    }

    /// Removes ended runs that started no later than this and of which no row is left.
    fn remove_empty_runs(&mut self, started_to: Timestamp) {
        let kept: BTreeSet<TaskRunId> = self.history.values().filter_map(|row| row.entry.run).collect();
        self.runs.retain(|id, run| {
            run.status == TaskRunStatus::Started || run.started_at > started_to || kept.contains(id)
        });
    }
}
