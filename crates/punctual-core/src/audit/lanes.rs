//! Overlapping runs: a sweep over the runs of each lane.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Fault, Problem};
use crate::time::millis_between;
use crate::{Data, FireId, Lane, StoredJob, StoredTrigger, TaskHistory};

/// Where a run of the history stood. Rows do not say, so it follows from the definitions of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In no lane: it may overlap with anything.
    Free,
    /// In this lane.
    In(Lane),
    /// It started before its job or its trigger got the present definition.
    Earlier,
    /// Its lane depends on data that are not known any more.
    NotKnown,
}

/// Where a run stood. `trigger` is asked only where the lane depends on the trigger's data.
pub fn place(row: &TaskHistory, job: &StoredJob, trigger: Option<&StoredTrigger>) -> Place {
    if !job.detail.is_limited() {
        return Place::Free;
    }
    if row.started_at < job.updated_at {
        return Place::Earlier;
    }
    let lane = if depends_on_data(job) {
        match trigger {
            Some(trigger) if trigger.updated_at <= row.started_at => {
                Lane::of(job.id, &job.detail, &trigger.definition.data)
            }
            Some(_) => return Place::Earlier,
            None => return Place::NotKnown,
        }
    } else {
        Lane::of(job.id, &job.detail, &Data::empty())
    };
    match lane {
        Ok(Some(lane)) => Place::In(lane),
        Ok(None) => Place::Free,
        Err(_) => Place::NotKnown,
    }
}

/// Whether the lanes of a job's runs depend on their data.
pub fn depends_on_data(job: &StoredJob) -> bool {
    let key = job.detail.concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref());
    key.is_some_and(|key| key.contains('{'))
}

/// A run in a lane.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its row.
    pub id: FireId,
    /// The trigger or job that it belongs to, for people.
    pub subject: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<Timestamp>,
}

/// Takes runs in the order of their start and holds those that have not ended.
#[derive(Debug, Default)]
pub struct Sweep {
    lanes: HashMap<i64, Vec<(Run, usize)>>,
    tolerance_ms: i64,
    within_tolerance: u64,
}

impl Sweep {
    /// One that lets runs overlap by so many milliseconds, for clocks that differ.
    pub fn new(tolerance_ms: u32) -> Self {
        Self { tolerance_ms: i64::from(tolerance_ms), ..Self::default() }
    }

    /// How many runs overlapped by no more than the tolerance.
    pub fn within_tolerance(&self) -> u64 {
        self.within_tolerance
    }

    /// Lets a run start. The problem if its lane was full: as many runs as its job allows, or more, were in
    /// `[started_at, ended_at)`. A run that recovery closed at the instant at which another started has left the lane.
    pub fn start(&mut self, lane: Lane, run: Run) -> Option<Problem> {
        let running = self.lanes.entry(lane.id).or_default();
        let limit = lane.limit as usize;
        running.retain(|(other, _)| other.ended_at.is_none_or(|ended| ended > run.started_at));
        let others: Vec<&(Run, usize)> = running.iter().filter(|(other, _)| overlap(other, &run)).collect();
        let certain = |other: &Run| self.tolerance_ms == 0 || together_ms(other, &run) > self.tolerance_ms;
        let certain: Vec<&Run> =
            others.iter().map(|(other, _)| other).filter(|other| certain(other)).collect();
        // Of runs that started at about the same time, the one with the larger limit may have been the last.
        let about = |other: &Run| millis_between(other.started_at, run.started_at) <= self.tolerance_ms;
        let limits = others.iter().filter(|(other, _)| about(other)).map(|(_, limit)| *limit);
        let problem = (certain.len() >= limits.fold(limit, usize::max)).then(|| full(lane, &run, &certain));
        self.within_tolerance += u64::from(problem.is_none() && others.len() >= limit);
        running.push((run, limit));
        problem
    }
}

fn full(lane: Lane, run: &Run, others: &[&Run]) -> Problem {
    let named = others.iter().take(3).map(|other| {
        let ended = other.ended_at.map_or("still open".to_owned(), |ended| format!("ended at {ended}"));
        format!("{} (row {}, {ended})", other.subject, other.id)
    });
    let text = format!(
        "row {} started at {} with {} running where the limit is {}: {}",
        run.id,
        run.started_at,
        others.len(),
        lane.limit,
        named.collect::<Vec<_>>().join(", ")
    );
    let rows = std::iter::once(run.id).chain(others.iter().map(|other| other.id).take(10));
    Problem::new(Fault::Overlaps, &run.subject, text)
        .between(Some(run.started_at), Some(run.started_at))
        .rows(rows.collect())
}

/// For how long two runs were under way together; the second one started later.
fn together_ms(earlier: &Run, later: &Run) -> i64 {
    match [earlier.ended_at, later.ended_at].into_iter().flatten().min() {
        Some(ended) => millis_between(later.started_at, ended),
        None => i64::MAX,
    }
}

/// Runs that started within the same millisecond overlap only if both took longer than that.
fn overlap(earlier: &Run, later: &Run) -> bool {
    earlier.started_at < later.started_at || later.ended_at != Some(later.started_at)
}
