//! How many rows a trigger has, without counting them.
//!
//! A store keeps the rows of each trigger in an index in the order of their start. For triggers with many rows, fences stand
//! in that order: each says how many arranged rows of a series and status lie from it up to the next one. So the rows of a
//! trigger are the sum of its fences, and only what is noted and not arranged is looked for in the index.
//!
//! The fences of a trigger are built from the index a part at a time: they count what lies before a place, see
//! [`Fences::upto`].

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{List, Noted, Place, Spacing, status};
use crate::{HistoryQuery, HistorySort, TaskStatus, TriggerKey};

/// The triggers of deleted rows, by the rows.
pub type Deleted = HashMap<i64, TriggerKey>;

/// An ended row of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its place in the order of start.
    pub place: Place,
    /// The number of its task and job.
    pub series: i64,
    /// Its status, see [`TaskStatus::code`].
    pub status: i16,
}

/// How many rows of a series and status a trigger has from a place up to the next fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerFence {
    /// The place; several series and statuses share it.
    pub first: Place,
    /// The series.
    pub series: i64,
    /// The status.
    pub status: i16,
    /// How many rows.
    pub rows: u64,
}

/// The fences of a trigger.
#[derive(Clone, Debug)]
pub struct Fences {
    /// What lies before this place is counted; [`Place::END`] once all is.
    pub upto: Place,
    /// In the order of their places.
    pub fences: Vec<TriggerFence>,
}

impl Fences {
    /// How many rows they count.
    pub fn rows(&self) -> u64 {
        self.fences.iter().map(|fence| fence.rows).sum()
    }

    /// The lists by start in which the rows lie that the fences count, as far as a query matches their status and, as is told, their
    /// series; `None` while the fences are being built.
    pub fn lists(&self, query: &HistoryQuery, wants: impl Fn(i64) -> bool) -> Option<Vec<List>> {
        let sort = HistorySort::StartedAt.code();
        let fits = |list: &List| wants_status(query, list.status) && wants(list.series);
        let lists = self.fences.iter().filter(|fence| fence.rows > 0);
        let lists: BTreeSet<List> = lists
            .map(|fence| List { sort, status: fence.status, series: fence.series })
            .filter(fits)
            .collect();
        (self.upto == Place::END).then(|| lists.into_iter().collect())
    }
}

fn wants_status(query: &HistoryQuery, code: i16) -> bool {
    query.status.is_none_or(|status| status.code() == i64::from(code))
}

/// Of what is noted the rows whose status a query matches and, as is told, their series.
pub fn fitting(query: &HistoryQuery, mut noted: Vec<Noted>, wants: impl Fn(i64) -> bool) -> Vec<Noted> {
    noted.retain(|row| wants_status(query, status(row)) && wants(row.series));
    noted
}

impl Spacing {
    /// With more rows than this a trigger has fences.
    pub fn many(&self) -> u64 {
        self.cut as u64
    }

    /// How many rows of a trigger are read at a time to build its fences.
    pub fn stretch(&self) -> u64 {
        8 * self.cut as u64
    }

    /// How many rows that were noted are looked for one by one.
    fn few(&self) -> usize {
        self.cut / 8
    }

    /// Whether the trigger of a row that has ended is asked for how many rows it has: some rows of each trigger are such
    /// samples, in whatever rhythm the ids of its rows come.
    pub fn is_sample(&self, id: i64) -> bool {
        // Multiplied by 2^64 over the golden ratio, an arithmetic progression spreads evenly.
        let spread = id.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        spread.is_multiple_of((self.cut as u64 / 32).max(1))
    }
}

/// What noted rows change: those that ended (1) and those that were deleted (-1). A row that ended and was deleted since
/// leaves no trace.
pub fn changes(noted: &[Noted]) -> impl Iterator<Item = (&Noted, i64)> {
    let (ended, gone) = by_kind(noted);
    let both = move |row: &&Noted| !(ended.contains(&row.id) && gone.contains(&row.id));
    noted.iter().filter(both).map(|row| (row, if row.gone { -1 } else { 1 }))
}

fn by_kind(noted: &[Noted]) -> (HashSet<i64>, HashSet<i64>) {
    let of = |gone| noted.iter().filter(|row| row.gone == gone).map(|row| row.id).collect();
    (of(false), of(true))
}

impl Run {
    /// Of a noted row.
    pub fn of(row: &Noted) -> Self {
        Self { place: row.place(HistorySort::StartedAt), series: row.series, status: status(row) }
    }

    /// Whether a change of it belongs to the fences of its trigger, given up to where they are built: what lies beyond is
    /// counted when they are built there.
    pub fn is_counted(&self, upto: Place) -> bool {
        self.place < upto
    }
}

/// Of the ended rows of a trigger in the index, from one place up to another, those that its fences count, given what is
/// noted and not arranged.
pub fn arranged(
    mut found: Vec<Run>,
    (from, to): (Place, Place),
    trigger: &TriggerKey,
    noted: &[Noted],
    deleted: &Deleted,
) -> Vec<Run> {
    let (ended, _) = by_kind(noted);
    found.retain(|row| !ended.contains(&row.place.id));
    let is_counted = |row: &&Noted| {
        row.gone && !ended.contains(&row.id) && deleted.get(&row.id) == Some(trigger) && {
            let place = row.place(HistorySort::StartedAt);
            from <= place && place < to
        }
    };
    found.extend(noted.iter().filter(is_counted).map(Run::of));
    found
}

/// The fences of a stretch that begins at a place, given the rows that they count.
pub fn fences_of(first: Place, mut rows: Vec<Run>, spacing: Spacing) -> Vec<TriggerFence> {
    rows.sort_unstable_by_key(|row| row.place);
    let mut fences = Vec::new();
    for (number, rows) in rows.chunks(spacing.cut).enumerate() {
        let first = if number == 0 { first } else { rows[0].place };
        let mut counts = std::collections::BTreeMap::<(i64, i16), u64>::new();
        rows.iter().for_each(|row| *counts.entry((row.series, row.status)).or_default() += 1);
        let fence = |((series, status), rows)| TriggerFence { first, series, status, rows };
        fences.extend(counts.into_iter().map(fence));
    }
    fences
}

/// What tells how many rows of a trigger match a query.
#[derive(Debug)]
pub struct Counting {
    fenced: u64,
    lost: u64,
    /// Rows that count if they are there and the trigger's.
    pub looked: Vec<i64>,
    /// From one place up to another: here the rows of the index count, whether they have ended or not.
    pub spans: Vec<(Place, Place)>,
    bounds: (Place, Place),
    wants_open: bool,
}

impl Counting {
    /// Of a query ([`HistoryQuery::counted_trigger`]), given what tells whether it matches the series of a number, the fences of
    /// its trigger, and all that is noted.
    pub fn new(
        query: &HistoryQuery,
        wants: impl Fn(i64) -> bool,
        Fences { upto, fences }: &Fences,
        (noted, deleted): (&[Noted], &Deleted),
        spacing: Spacing,
    ) -> Self {
        let bounds = query.bounds();
        let (from, to) = bounds;
        let wants_open = query.wants_open();
        let mut counting =
            Self { fenced: 0, lost: 0, looked: Vec::new(), spans: Vec::new(), bounds, wants_open };
        if query.status == Some(TaskStatus::Started) {
            return counting;
        }
        let fits = |series, status| wants_status(query, status) && wants(series);
        let (ended, gone) = by_kind(noted);
        let fits = &fits;
        let not_folded = |lost: bool| {
            let other = if lost { &ended } else { &gone };
            let fits = move |row: &&Noted| {
                row.gone == lost && !other.contains(&row.id) && fits(row.series, status(row))
            };
            noted.iter().filter(fits).map(|row| row.place(HistorySort::StartedAt))
        };
        let mut fresh: Vec<Place> = not_folded(false).filter(|place| (from..to).contains(place)).collect();
        fresh.sort_unstable();
        // The index is counted from the last fence before all but a few of what the fences do not count.
        let last = |place: Place| {
            let after = fences.partition_point(|fence| fence.first <= place);
            after.checked_sub(1).map_or(Place::FIRST, |at| fences[at].first)
        };
        let end = fresh.get(spacing.few()).map_or(*upto, |place| last(*place).min(*upto));
        let end = if to < end { last(to) } else { end };
        let start = match from {
            Place::FIRST => from,
            _ => fences
                .get(fences.partition_point(|fence| fence.first < from))
                .map_or(end, |fence| fence.first),
        };
        if start >= end {
            counting.spans.push((from, to));
            return counting;
        }
        let spans = [(from, start), (end, to)];
        counting.spans.extend(spans.into_iter().filter(|(from, to)| from < to));
        let within = |place: &Place| start <= *place && *place < end;
        let counted = fences.iter().filter(|fence| within(&fence.first) && fits(fence.series, fence.status));
        counting.fenced = counted.map(|fence| fence.rows).sum();
        counting.looked = fresh.into_iter().filter(within).map(|place| place.id).collect();
        let of_trigger = |place: &Place| {
            deleted.get(&place.id).is_some_and(|trigger| query.trigger.as_ref() == Some(trigger))
        };
        counting.lost = not_folded(true).filter(|place| within(place) && of_trigger(place)).count() as u64;
        counting
    }

    /// How many open rows have to be added, given the places of those of the trigger, task and job. `in_index` says whether
    /// they are in the index as well.
    pub fn open(&self, places: &[Place], in_index: bool) -> u64 {
        let is_counted =
            |place: Place| in_index && self.spans.iter().any(|(from, to)| *from <= place && place < *to);
        let (from, to) = self.bounds;
        let is_added =
            |place: &&Place| self.wants_open && (from..to).contains(*place) && !is_counted(**place);
        places.iter().filter(is_added).count() as u64
    }

    /// How many rows match, given how many of those to be looked for are the trigger's, how many lie in the spans, and how
    /// many open ones are added.
    pub fn total(&self, looked: u64, spans: u64, open: u64) -> u64 {
        (self.fenced + looked + spans + open).saturating_sub(self.lost)
    }
}

#[cfg(test)]
mod tests;
