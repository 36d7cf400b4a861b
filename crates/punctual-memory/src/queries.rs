//! Lists: filter, order, cut.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use punctual_core::insights::{Collector, Series};
use punctual_core::ranking::Noted;
use punctual_core::time::to_millis;
use punctual_core::{
    Cause, HistoryQuery, Insight, InsightsQuery, JobKind, JobQuery, Page, Paging, SkippedQuery, SkippedRange,
    StateCounts, StoredJob, StoredTrigger, TaskHistory, TaskRun, TaskRunEntity, TaskRunQuery, TaskRunSort,
    TaskStatus, TriggerQuery, TriggerState,
};

use crate::state::State;

fn page<T>(rows: Vec<T>, paging: Paging) -> Page<T> {
    let total = rows.len() as u64;
    let offset = usize::try_from(paging.offset).unwrap_or(usize::MAX);
    let limit = paging.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Page { rows: rows.into_iter().skip(offset).take(limit).collect(), total }
}

fn fits<T: PartialEq>(wanted: Option<&T>, actual: Option<&T>) -> bool {
    wanted.is_none_or(|wanted| actual == Some(wanted))
}

/// Whether a key contains a text, whatever the case of ASCII letters.
fn contains(key: &impl ToString, text: &str) -> bool {
    key.to_string().to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

fn kind_of<'a>(state: &'a State, trigger: &StoredTrigger) -> Option<&'a JobKind> {
    state.jobs.get(&trigger.job_id).map(|job| &job.detail.kind)
}

pub(crate) fn jobs(state: &State, query: &JobQuery) -> Page<StoredJob> {
    let rows = state.job_ids.values().filter_map(|id| state.jobs.get(id));
    let rows = rows.filter(|job| {
        let key = &job.detail.key;
        query.group.as_deref().is_none_or(|group| key.group() == group)
            && fits(query.kind.as_ref(), Some(&job.detail.kind))
            && query.search.as_deref().is_none_or(|text| contains(key, text))
            && query.after.as_ref().is_none_or(|after| key > after)
    });
    page(rows.cloned().collect(), query.paging)
}

pub(crate) fn triggers(state: &State, query: &TriggerQuery) -> Page<StoredTrigger> {
    let rows = state.trigger_ids.values().filter_map(|id| state.triggers.get(id)).filter(|trigger| {
        let cause = trigger.pending.as_ref().map_or(Cause::Schedule, |pending| pending.cause);
        fits(query.job.as_ref(), Some(&trigger.definition.job))
            && query.group.as_deref().is_none_or(|group| trigger.definition.key.group() == group)
            && query.state.is_none_or(|state| trigger.state == state)
            && query.cause.is_none_or(|wanted| wanted == cause)
            && query.kind.as_ref().is_none_or(|kind| kind_of(state, trigger) == Some(kind))
            && query.search.as_deref().is_none_or(|text| contains(&trigger.definition.key, text))
            && query.after.as_ref().is_none_or(|after| trigger.definition.key > *after)
    });
    page(rows.cloned().collect(), query.paging)
}

pub(crate) fn state_counts(state: &State, now: Timestamp) -> StateCounts {
    let mut counts = StateCounts {
        executing: state.open.values().map(|open| open.len() as u64).sum(),
        ..StateCounts::default()
    };
    for trigger in state.triggers.values() {
        let due = trigger.next_fire_at.is_some_and(|at| at <= now);
        let full = trigger.lane.is_some_and(|lane| !lane.has_room(state.lanes.open(lane.id)));
        let held = due && full;
        *match trigger.state {
            TriggerState::Waiting if held => &mut counts.blocked,
            TriggerState::Waiting => &mut counts.waiting,
            TriggerState::Paused => &mut counts.paused,
            TriggerState::Complete => &mut counts.complete,
            TriggerState::Error => &mut counts.error,
        } += 1;
    }
    counts
}

pub(crate) fn history(state: &State, query: &HistoryQuery) -> Page<TaskHistory> {
    let within = |at: Option<Timestamp>| {
        query.scheduled_from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && query.scheduled_to.is_none_or(|to| at.is_some_and(|at| at <= to))
    };
    let mut rows: Vec<&TaskHistory> = state
        .history
        .values()
        .map(|row| &row.entry)
        .filter(|row| {
            fits(query.task.as_ref(), Some(&row.task))
                && fits(query.status.as_ref(), Some(&row.status))
                && fits(query.job.as_ref(), row.job.as_ref())
                && fits(query.trigger.as_ref(), row.trigger.as_ref())
                && fits(query.origin.as_ref(), Some(&row.origin))
                && fits(query.parent.as_ref(), row.parent.as_ref())
                && fits(query.run.as_ref(), row.run.as_ref())
                && within(row.scheduled_at)
                && query.started_from.is_none_or(|from| row.started_at >= from)
                && query.started_before.is_none_or(|before| row.started_at < before)
                && fits(query.node.as_ref(), Some(&row.node))
        })
        .collect();
    rows.sort_by(|one, other| query.sort.compare(one, other));
    if query.descending {
        rows.reverse();
    }
    let total = rows.len() as u64;
    if let Some(after) = query.after {
        let comes_after = |row: &&TaskHistory| match query.descending {
            true => query.sort.place(row) < after,
            false => query.sort.place(row) > after,
        };
        rows.retain(comes_after);
    }
    let rows = page(rows, query.paging).rows;
    if query.brief {
        let total = rows.len() as u64;
        return Page { rows: rows.into_iter().map(TaskHistory::brief).collect(), total };
    }
    Page { rows: rows.into_iter().cloned().collect(), total }
}

/// Counted from the rows themselves: a store in memory is small.
pub(crate) fn insights(state: &State, query: &InsightsQuery) -> Vec<Insight> {
    let mut collector = Collector::new(query);
    for row in state.history.values().map(|row| &row.entry) {
        let series = Series { task: row.task.clone(), job: row.job.clone() };
        if row.status == TaskStatus::Started || !Collector::wants(query, &series) {
            continue;
        }
        let noted = Noted {
            id: row.id.0,
            series: 0,
            status: row.status,
            started_at: to_millis(row.started_at),
            ended_at: row.ended_at.map(to_millis),
            duration_ms: row.duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            gone: false,
        };
        collector.note(&series, &noted);
    }
    collector.finish()
}

pub(crate) fn unique_tasks(state: &State) -> Vec<String> {
    let tasks = state.history.values().map(|row| row.entry.task.clone());
    std::collections::BTreeSet::from_iter(tasks).into_iter().collect()
}

pub(crate) fn skipped(state: &State, query: &SkippedQuery) -> Page<SkippedRange> {
    let rows = state.skipped.iter().rev().filter(|range| {
        fits(query.trigger.as_ref(), Some(&range.trigger))
            && fits(query.job.as_ref(), Some(&range.job))
            && query.reason.is_none_or(|reason| range.skip.reason == reason)
            && query.at.is_none_or(|at| range.skip.first <= at && at <= range.skip.last)
            && query.from.is_none_or(|from| range.skip.last >= from)
            && query.to.is_none_or(|to| range.skip.first <= to)
    });
    page(rows.cloned().collect(), query.paging)
}

fn run_fits(run: &TaskRun, query: &TaskRunQuery) -> bool {
    fits(query.run_type.as_ref(), Some(&run.run_type))
        && fits(query.entity_type.as_ref(), Some(&run.entity.entity_type))
        && fits(query.entity_id.as_ref(), Some(&run.entity.entity_id))
        && fits(query.status.as_ref(), Some(&run.status))
        && query.started_from.is_none_or(|from| run.started_at >= from)
        && query.started_before.is_none_or(|before| run.started_at < before)
        && fits(query.node.as_ref(), Some(&run.node))
}

/// The runs that a query matches, ascending by number.
fn fitting_runs<'a>(state: &'a State, query: &'a TaskRunQuery) -> impl Iterator<Item = &'a TaskRun> {
    let all = query.ids.is_none().then(|| state.runs.values());
    let some: BTreeSet<_> = query.ids.iter().flatten().collect();
    let some = some.into_iter().filter_map(|id| state.runs.get(id));
    all.into_iter().flatten().chain(some).filter(|run| run_fits(run, query))
}

pub(crate) fn runs(state: &State, query: &TaskRunQuery) -> Page<TaskRun> {
    let tasks = state.tasks_of_runs();
    let of = |run: &TaskRun| tasks.get(&run.id).copied().unwrap_or_default();
    let mut runs: Vec<TaskRun> =
        fitting_runs(state, query).map(|run| TaskRun { tasks: of(run), ..run.clone() }).collect();
    runs.sort_by_key(|run| {
        let (number, text) = match query.sort {
            TaskRunSort::StartedAt => (to_millis(run.started_at), None),
            TaskRunSort::EndedAt => (run.ended_at.map_or(i64::MAX, to_millis), None),
            TaskRunSort::RunType => (0, Some(run.run_type.clone())),
            TaskRunSort::Status => (0, Some(run.status.to_string())),
            TaskRunSort::EntityName => (0, run.entity.name.clone()),
            TaskRunSort::TaskCount => (i64::try_from(run.tasks.all).unwrap_or(i64::MAX), None),
        };
        (number, text, run.id)
    });
    if query.descending {
        runs.reverse();
    }
    page(runs, query.paging)
}

pub(crate) fn run_entities(state: &State, query: &TaskRunQuery) -> Vec<TaskRunEntity> {
    let mut latest = BTreeMap::new();
    for run in fitting_runs(state, query) {
        latest.insert((run.entity.entity_type.clone(), run.entity.entity_id), run.entity.clone());
    }
    latest.into_values().collect()
}
