//! How fires ended, as the arrays of the statements that move their rows to the history.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use punctual_core::time::to_millis;
use punctual_core::{Completed, Completion, FireId, Outcome, TaskStatus, Term};
use tokio_postgres::types::ToSql;

use crate::batch::Place;
use crate::records::{logs_text, progress_text};
use crate::rows::{code, integer};
use crate::short;

/// The end of a fire, and the series that its row belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) done: &'a Completion,
    pub(crate) series: i64,
}

/// Columns that hold one value for all rows are short.
pub(crate) struct Ends {
    ids: Vec<i64>,
    terms: Vec<i64>,
    statuses: Vec<i16>,
    ended_at: Vec<i64>,
    durations: Vec<Option<i64>>,
    details: Vec<Option<String>>,
    keep: Vec<bool>,
    logs: Vec<Option<String>>,
    progress: Vec<Option<String>>,
    series: Vec<i64>,
}

fn status(done: &Completion) -> TaskStatus {
    match done.outcome {
        Outcome::Success(_) => TaskStatus::Success,
        Outcome::Failed(_) => TaskStatus::Failed,
    }
}

fn details(done: &Completion) -> Option<String> {
    match &done.outcome {
        Outcome::Success(details) => details.as_ref().map(ToString::to_string),
        Outcome::Failed(details) => Some(details.to_string()),
    }
}

impl Ends {
    /// Of the places of some rows, those that have ended: what stands at the others does not matter.
    fn at(places: &[Option<Ended<'_>>]) -> Self {
        fn one<T: Clone + Default + PartialEq>(
            places: &[Option<Ended<'_>>],
            of: impl Fn(&Ended<'_>) -> T,
        ) -> Vec<T> {
            let same = short::of_one(places.iter().flatten().map(&of).collect());
            if same.len() <= 1 { same } else { every(places, of) }
        }
        fn every<T: Default>(places: &[Option<Ended<'_>>], of: impl Fn(&Ended<'_>) -> T) -> Vec<T> {
            places.iter().map(|place| place.as_ref().map(&of).unwrap_or_default()).collect()
        }
        Self {
            ids: every(places, |ended| ended.done.id.0),
            terms: one(places, |ended| ended.done.term.0),
            statuses: one(places, |ended| code(status(ended.done).code())),
            ended_at: every(places, |ended| to_millis(ended.done.ended_at)),
            durations: every(places, |ended| Some(integer(ended.done.duration_ms))),
            details: short::of_some(every(places, |ended| details(ended.done))),
            keep: one(places, |ended| ended.done.keep),
            logs: one(places, |ended| Some(logs_text(&ended.done.logs))),
            progress: short::of_some(every(places, |ended| progress_text(ended.done.progress.as_ref()))),
            series: one(places, |ended| ended.series),
        }
    }

    pub(crate) fn of(ended: &[Ended<'_>]) -> Self {
        Self::at(&ended.iter().copied().map(Some).collect::<Vec<_>>())
    }

    /// The end of a fire whose node was lost: nobody knows when it stopped, and its messages went with the node.
    pub(crate) fn lost(
        (id, term): (FireId, Term),
        now: Timestamp,
        details: String,
        series: Vec<i64>,
    ) -> Self {
        Self {
            ids: vec![id.0],
            terms: vec![term.0],
            statuses: vec![code(TaskStatus::Unknown.code())],
            ended_at: vec![to_millis(now)],
            durations: vec![None],
            details: vec![Some(details)],
            keep: vec![true],
            logs: vec![None],
            progress: vec![None],
            series,
        }
    }

    /// For `running_close.sql`.
    pub(crate) fn columns(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.ids,
            &self.terms,
            &self.statuses,
            &self.ended_at,
            &self.durations,
            &self.details,
            &self.keep,
            &self.logs,
            &self.progress,
            &self.series,
        ]
    }
}

/// The ends of fires of one batch.
pub(crate) struct BatchEnds {
    pub(crate) batch: i64,
    /// How many fires the batch had at first.
    pub(crate) of: usize,
    term: i64,
    mask: String,
    ends: Ends,
}

impl BatchEnds {
    fn of((batch, term): (i64, i64), places: &[Option<Ended<'_>>]) -> Self {
        let mask = places.iter().map(|place| if place.is_some() { '1' } else { '0' }).collect();
        Self { batch, of: places.len(), term, mask, ends: Ends::at(places) }
    }

    /// For `batch_close.sql`.
    pub(crate) fn columns(&self) -> [&(dyn ToSql + Sync); 11] {
        [
            &self.batch,
            &self.term,
            &self.mask,
            &self.ends.statuses,
            &self.ends.ended_at,
            &self.ends.durations,
            &self.ends.details,
            &self.ends.keep,
            &self.ends.logs,
            &self.ends.progress,
            &self.ends.series,
        ]
    }
}

/// Ends by the batches of the fires and by the terms that they name; those of fires with a row of their own come last.
pub(crate) fn by_batch<'a>(
    ended: impl Iterator<Item = (Ended<'a>, Option<Place>)>,
) -> (Vec<BatchEnds>, Vec<Ended<'a>>) {
    let mut batches: BTreeMap<(i64, i64), Vec<Option<Ended<'_>>>> = BTreeMap::new();
    let mut single = Vec::new();
    for (one, place) in ended {
        match place {
            Some(place) => {
                let places =
                    batches.entry((place.batch, one.done.term.0)).or_insert_with(|| vec![None; place.of]);
                places[place.at] = Some(one);
            }
            None => single.push(one),
        }
    }
    (batches.into_iter().map(|(of, places)| BatchEnds::of(of, &places)).collect(), single)
}

/// What became of each: the rows of some were there.
pub(crate) fn answers(done: &[Completion], closed: &BTreeSet<i64>) -> Vec<Completed> {
    let answer = |one: &Completion| match closed.contains(&one.id.0) {
        true => Completed::Closed,
        false => Completed::Superseded,
    };
    done.iter().map(answer).collect()
}
